package main

import (
	"errors"
	"io"

	"cosmossdk.io/log"
	dbm "github.com/cosmos/cosmos-db"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/server"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"

	haltbox "github.com/haltbox/haltbox/ffi/go/sdk"
)

func newApp(logger log.Logger, db dbm.DB, traceStore io.Writer, appOpts servertypes.AppOptions) servertypes.Application {
	box := haltbox.New(logger, appOpts)
	options := append(server.DefaultBaseappOptions(appOpts), box.Option)
	app, err := NewApp(logger, db, traceStore, true, options...)
	if err != nil {
		panic(err)
	}
	return box.Wrap(app)
}

// NewApp makes the chain as any does: nothing of the recorder is in here.
func NewApp(
	logger log.Logger, db dbm.DB, traceStore io.Writer, loadLatest bool, options ...func(*baseapp.BaseApp),
) (*App, error) {
	app, builder, err := newModules(logger)
	if err != nil {
		return nil, err
	}
	app.App = builder.Build(db, traceStore, options...)
	return app, app.load(loadLatest)
}

func export(
	log.Logger, dbm.DB, io.Writer, int64, bool, []string, servertypes.AppOptions, []string,
) (servertypes.ExportedApp, error) {
	return servertypes.ExportedApp{}, errors.New("the example exports no genesis")
}
