package main

import (
	"errors"

	"cosmossdk.io/log/v2"
	dbm "github.com/cosmos/cosmos-db"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/server"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"

	haltbox "github.com/haltbox/haltbox/ffi/go/sdk54"
)

func newApp(logger log.Logger, db dbm.DB, appOpts servertypes.AppOptions) servertypes.Application {
	box := haltbox.New(logger, appOpts)
	options := append(server.DefaultBaseappOptions(appOpts), box.Option)
	app, err := NewApp(logger, db, true, options...)
	if err != nil {
		panic(err)
	}
	return box.Wrap(app)
}

// NewApp makes the chain as any does: nothing of the recorder is in here.
func NewApp(logger log.Logger, db dbm.DB, loadLatest bool, options ...func(*baseapp.BaseApp)) (*App, error) {
	app, builder, err := newModules(logger)
	if err != nil {
		return nil, err
	}
	app.App = builder.Build(db, options...)
	return app, app.load(loadLatest)
}

func export(
	log.Logger, dbm.DB, int64, bool, []string, servertypes.AppOptions, []string,
) (servertypes.ExportedApp, error) {
	return servertypes.ExportedApp{}, errors.New("the example exports no genesis")
}
