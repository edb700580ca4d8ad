package sdk

import (
	"reflect"
	"sync"

	"cosmossdk.io/log"
	storetypes "cosmossdk.io/store/types"
	"github.com/cosmos/cosmos-sdk/baseapp"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/abci"
	"github.com/haltbox/haltbox/ffi/go/internal/foreign"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// Box is the recorder of one application. Nil is one that is switched off.
type Box struct {
	config *config
	logger log.Logger
	// tap is what hands the log to the recorder; nil if [Command] made none.
	tap    *tap
	base   *baseapp.BaseApp
	stores *commitStore

	opening  sync.Once
	recorder *haltbox.Recorder
	tracer   *kvtrace.Tracer
	marker   *abci.Marker
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
// the stores. It does nothing if the recorder is off, or records their roots alone.
func (b *Box) Option(app *baseapp.BaseApp) {
	if b == nil {
		return
	}
	b.base = app
	if b.config.stores == rootsAlone {
		return
	}
	b.stores = &commitStore{
		CommitMultiStore: app.CommitMultiStore(),
		base:             app,
		left:             none,
		follows:          b.config.stores == operations,
		sequential:       b.config.sequential,
		beginAgain:       func(then func()) { b.marker.BeginAgain(then) },
		onDisorder:       b.fallBack,
		writes:           writes{valueBytes: b.config.valueBytes},
	}
	app.SetCMS(b.stores.queryable())
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
			b.stores.trace(nil, false)
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
	stores := b.detail()
	if stores == operations {
		b.tracer = kvtrace.New(b.recorder, kvtrace.Options{ValueBytes: b.config.valueBytes})
	}
	optimistic := b.executesProposals()
	b.stores.trace(b.tracer, optimistic)
	bare := b.bare(app)
	var writes *writes
	if stores == written || stores == operations && b.stores.mayOverlap() {
		writes = b.writesOf(bare, stores)
	}
	if stores == operations && writes != nil {
		writes.silent.Store(true)
	}
	roots := rootsOf(bare)
	if roots == nil {
		b.logger.Info("the stores do not tell their roots", "module", "haltbox")
	}
	b.marker = abci.NewMarker(b.recorder, abci.Options{
		Tracer:              b.tracer,
		OptimisticExecution: optimistic,
		AtEnd: func(record func([]byte)) {
			b.report(writes.record(record))
			b.report(roots.record(record))
		},
		Config:  b.config.settings.bytes(),
		OnError: func(err error) { b.logger.Error("the flight recorder", "err", err) },
	})
}

// detail is what can be recorded of what the operator chose. Operations of
// transactions that are executed at the same time come in an order of chance, and would
// tell honest nodes apart; what a block leaves is the same in any order.
func (b *Box) detail() detail {
	if b.config.stores != operations {
		return b.config.stores
	}
	if b.stores == nil {
		return rootsAlone
	}
	if runner := b.stores.otherRunner(); runner != "" {
		b.logger.Error("transactions are executed by "+runner+", which may execute them at the same time: "+
			"what each block changes is recorded instead of reads and writes, unless haltbox.sequential says that it does not",
			"module", "haltbox")
		return written
	}
	return operations
}

// fallBack: transactions are executed at the same time, so what was recorded of the block
// came in an order of chance. It began again, and has no operations. From now on what each
// block changes is recorded, if that is told.
func (b *Box) fallBack(found string) {
	instead := "the roots of the stores are recorded"
	if b.stores.writes.inner != nil {
		instead = "what each block changes is recorded"
	}
	b.logger.Error("transactions are executed at the same time: "+instead+
		" instead of reads and writes; with haltbox.stores = writes the blocks behind a start have the same names as all others",
		"module", "haltbox", "found", found)
}

// writesOf gives what tells the writes of each block, and says what is recorded if nothing
// does.
func (b *Box) writesOf(bare storetypes.CommitMultiStore, stores detail) (writes *writes) {
	err := foreign.Call(func() { writes = b.stores.listen(bare) })
	if writes == nil {
		without := "so it is not recorded"
		if stores == operations {
			without = "so only their roots are recorded if transactions turn out to be executed at the same time"
		}
		b.logger.Error("the stores do not tell what is written to them, "+without,
			"module", "haltbox", "err", err)
	}
	return writes
}

// report says what is not recorded any more.
func (b *Box) report(err error) {
	if err != nil {
		b.logger.Error(err.Error(), "module", "haltbox")
	}
}

// executesProposals looks whether the application has the SDK's optimistic
// execution. That is no part of BaseApp's interface; where it cannot be seen it
// counts as on, which is right for both, but releases a block a moment later.
func (b *Box) executesProposals() bool {
	if b.base == nil {
		return true
	}
	field := reflect.ValueOf(b.base).Elem().FieldByName("optimisticExec")
	return !field.IsValid() || field.Kind() != reflect.Pointer || !field.IsNil()
}

// close ends the recorder, unless [Command] does so behind the application: a panic
// passes both.
func (b *Box) close() {
	b.opening.Do(func() {})
	if b.tap == nil {
		_ = b.recorder.Close()
	}
}
