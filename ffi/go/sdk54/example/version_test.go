package main

import (
	"cosmossdk.io/log/v2"
	dbm "github.com/cosmos/cosmos-db"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/server"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"

	haltbox "github.com/haltbox/haltbox/ffi/go/sdk54"
	"github.com/haltbox/haltbox/ffi/go/sdk54/example/internal/network"
)

// wantedCourse of a block with the usual transactions. Transaction 1 is none, and 4 is
// the first once more: it fails in its ante handler.
const wantedCourse = "PreBlock outside BeginBlock outside tx 0 in 0 tx 2 in 2 tx 3 in 3 tx 4 in 4 tx 5 in 5 tx 6 in 6 " +
	"EndBlock outside"

// newChain does what NewApp does, and has transactions executed as a test wants it.
func newChain(logger log.Logger, db dbm.DB, loadLatest bool, options ...func(*baseapp.BaseApp)) (*App, error) {
	app, builder, err := newModules(logger)
	if err != nil {
		return nil, err
	}
	app.App = builder.Build(db, options...)
	if execution != nil && !execution.late {
		execution.set(app)
	}
	err = app.load(loadLatest)
	if execution != nil && execution.late {
		execution.set(app)
	}
	return app, err
}

// newLoadedApp is newApp for nodes that may go wrong.
func newLoadedApp(logger log.Logger, db dbm.DB, appOpts servertypes.AppOptions) servertypes.Application {
	box := haltbox.New(logger, appOpts)
	options := append(server.DefaultBaseappOptions(appOpts), network.Options()...)
	app, err := NewApp(logger, db, false, append(options, box.Option)...)
	if err == nil {
		err = network.Load(app, app.bank, appOpts)
	}
	if err != nil {
		panic(err)
	}
	return box.Wrap(app)
}
