package sdk47

import (
	"sync"

	"github.com/cometbft/cometbft/libs/log"
	"github.com/cosmos/cosmos-sdk/baseapp"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"

	haltbox "github.com/haltbox/haltbox/ffi/go"
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
// the stores. It does nothing if the recorder is off, or records their roots alone.
func (b *Box) Option(app *baseapp.BaseApp) {
	if b == nil || b.config.stores == rootsAlone {
		return
	}
	b.stores = &commitStore{CommitMultiStore: app.CommitMultiStore()}
	if b.config.stores == written {
		b.stores.writes = &writes{valueBytes: b.config.valueBytes}
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
		b.record(app)
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
	if b.config.stores == operations && b.stores != nil {
		tracer = kvtrace.New(b.recorder, kvtrace.Options{ValueBytes: b.config.valueBytes})
	}
	b.stores.trace(tracer)
	bare := b.bare(app)
	writes := b.stores.listen(bare)
	if writes == nil && b.config.stores == written {
		b.logger.Error("the stores do not tell what is written to them, so it is not recorded", "module", "haltbox")
	}
	roots := rootsOf(bare)
	if roots == nil {
		b.logger.Info("the stores do not tell their roots", "module", "haltbox")
	}
	b.marker = abci1.NewMarker(b.recorder, abci1.Options{
		Tracer: tracer,
		AtEnd: func(record func([]byte)) {
			writes.record(record)
			roots.record(record)
		},
		OnError: func(err error) { b.logger.Error("the flight recorder", "err", err) },
	})
}

// close ends the recorder, unless [Command] does so behind the application: a panic
// passes both.
func (b *Box) close() {
	b.opening.Do(func() {})
	if b.tap == nil {
		_ = b.recorder.Close()
	}
}
