package sdk47

import (
	"fmt"
	"sync"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/libs/log"

	"github.com/cosmos/cosmos-sdk/baseapp"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	storetypes "github.com/cosmos/cosmos-sdk/store/types"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/internal/foreign"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
	"github.com/haltbox/haltbox/ffi/go/sdk47/internal/abci1"
)

// Box is the recorder of one application. Nil is one that is switched off.
type Box struct {
	config *config
	logger log.Logger
	// tap is what hands the log to the recorder; nil if [Command] made none.
	tap    *tap
	stores *commitStore

	opening  sync.Once
	recorder *haltbox.Recorder
	marker   *abci1.Marker
}

// New reads what the operator chose, and opens nothing: an application is also made
// to export a genesis or to prune. The ring is opened when CometBFT first calls.
func New(logger log.Logger, options AppOptions) *Box {
	chosen, err := configOf(options)
	if err != nil {
		logger.Error(err.Error())
	}
	if chosen == nil {
		return nil
	}
	box := &Box{config: chosen, logger: logger}
	if tapped, is := logger.(*tap); is {
		// What is said here is no evidence.
		box.tap, box.logger = tapped, tapped.Logger
	}
	return box
}

// Option is an option for the application's constructor: it lays the tracer over
// the stores. It does nothing if the recorder is off, or records no operations.
func (b *Box) Option(app *baseapp.BaseApp) {
	if b == nil || b.config.stores != operations {
		return
	}
	if err := accepted(); err != nil {
		b.logger.Error("this release of the SDK takes no store but its own, so reads and writes are not recorded: "+
			"v0.47.2 does, or set haltbox.stores to writes", "err", err)
		return
	}
	b.stores = &commitStore{CommitMultiStore: app.CommitMultiStore()}
	app.SetCMS(b.stores.queryable())
}

// accepted tells whether an application may have another store than the SDK's own: one
// that may not would not start. It asks an application that is made for that.
func accepted() (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%v", cause)
		}
	}()
	asked := baseapp.NewBaseApp("haltbox", log.NewNopLogger(), dbm.NewMemDB(), nil)
	asked.SetCMS(&commitStore{CommitMultiStore: asked.CommitMultiStore()})
	return asked.Init()
}

// Wrap gives the application whose blocks are recorded. It gives the application
// itself if the recorder is switched off.
func (b *Box) Wrap(app servertypes.Application) servertypes.Application {
	if b == nil {
		return app
	}
	return &application{Application: app, box: b}
}

// start opens the recorder, once. A node goes on without one.
func (b *Box) start(app servertypes.Application) {
	b.opening.Do(func() {
		recorder, err := haltbox.Open(b.config.options)
		if err != nil {
			b.logger.Error("no flight recorder", "err", err)
			return
		}
		if notice := recorder.Notice(); notice != "" {
			b.logger.Info(notice, "module", "haltbox")
		}
		b.recorder = recorder
		if err := foreign.Call(func() { b.record(app) }); err != nil {
			b.logger.Error("the flight recorder does not record blocks", "err", err)
			b.stores.trace(nil)
		}
		b.tap.begin(recorder)
		go recorder.Tell(b.tell)
	})
}

// tell says what the operator should read, in the node's own log.
func (b *Box) tell(line string) {
	b.logger.Error(line, "module", "haltbox")
}

func (b *Box) record(app servertypes.Application) {
	var tracer *kvtrace.Tracer
	if b.stores != nil {
		tracer = kvtrace.New(b.recorder, kvtrace.Options{ValueBytes: b.config.valueBytes})
	}
	b.stores.trace(tracer)
	bare := b.bare(app)
	writes := b.listen(bare)
	roots := rootsOf(bare)
	if roots == nil {
		b.logger.Info("the stores do not tell their roots", "module", "haltbox")
	}
	b.marker = abci1.NewMarker(b.recorder, abci1.Options{
		Tracer: tracer,
		Config: b.config.settings.bytes(),
		AtEnd: func(record func([]byte)) {
			writes.record(record)
			b.report(roots.record(record))
		},
		OnError: func(err error) { b.logger.Error("the flight recorder", "err", err) },
	})
}

// listen gives what tells the writes of each block, if that is wanted and can be had.
func (b *Box) listen(bare storetypes.CommitMultiStore) *writes {
	if b.config.stores != written {
		return nil
	}
	found, listens := &writes{valueBytes: b.config.valueBytes}, false
	if err := foreign.Call(func() { listens = found.listen(bare) }); !listens {
		b.logger.Error("the stores do not tell what is written to them, so it is not recorded",
			"module", "haltbox", "err", err)
		return nil
	}
	return found
}

// report says what is not recorded any more.
func (b *Box) report(err error) {
	if err != nil {
		b.logger.Error(err.Error(), "module", "haltbox")
	}
}

// close ends the recorder, unless [Command] does so behind the application: a panic
// passes both.
func (b *Box) close() {
	b.opening.Do(func() {})
	if b.tap == nil {
		_ = b.recorder.Close()
	}
}
