package main

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"

	"cosmossdk.io/log"
	dbm "github.com/cosmos/cosmos-db"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/server"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"

	haltbox "github.com/haltbox/haltbox/ffi/go/sdk"
	"github.com/haltbox/haltbox/ffi/go/sdk/example/internal/network"
)

// wantedCourse of a block with the usual transactions: BaseApp reads consensus
// parameters outside of each. Transaction 1 is none, and 4 is the first once more: it fails
// in its ante handler.
const wantedCourse = "PreBlock outside BeginBlock outside tx 0 in 0 outside tx 2 in 2 outside tx 3 in 3 outside " +
	"tx 4 in 4 outside tx 5 in 5 outside tx 6 in 6 EndBlock outside"

// traceStore is where the SDK's own tracing goes, if a test wants it.
var traceStore io.Writer

// change is what a test changes of the applications that are made, before their stores are
// loaded; nil for nothing.
var change func(*App)

func newChain(logger log.Logger, db dbm.DB, loadLatest bool, options ...func(*baseapp.BaseApp)) (*App, error) {
	app, err := NewApp(logger, db, traceStore, loadLatest && change == nil, options...)
	if err != nil || change == nil {
		return app, err
	}
	change(app)
	return app, app.LoadLatestVersion()
}

// newLoadedApp is newApp for nodes that may go wrong.
func newLoadedApp(logger log.Logger, db dbm.DB, traceStore io.Writer, appOpts servertypes.AppOptions) servertypes.Application {
	box := haltbox.New(logger, appOpts)
	options := append(server.DefaultBaseappOptions(appOpts), network.Options()...)
	app, err := NewApp(logger, db, traceStore, false, append(options, box.Option)...)
	if err == nil {
		err = network.Load(app, app.bank, appOpts)
	}
	if err != nil {
		panic(err)
	}
	return box.Wrap(app)
}

// --trace-store goes on beside the recorder, and has the same writes.
func TestTheTracingOfTheSDKStays(t *testing.T) {
	traced := func(settings map[string]any) (hashes []string, writes int) {
		var written bytes.Buffer
		traceStore = &written
		defer func() { traceStore = nil }()
		n := start(t, settings)
		n.blocks(1, 3)
		for _, line := range strings.Split(written.String(), "\n") {
			if strings.Contains(line, `"operation":"write"`) && strings.Contains(line, `"txHash":"`) {
				writes++
			}
		}
		return n.hashes, writes
	}
	want, wanted := traced(map[string]any{"haltbox.enable": false})
	hashes, writes := traced(nil)
	if !reflect.DeepEqual(hashes, want) || writes != wanted || writes == 0 {
		t.Errorf("%d writes %v\nwant %d %v", writes, hashes, wanted, want)
	}
}
