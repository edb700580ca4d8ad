// Package cometlog records the log of a CometBFT node, which has the AppHash of each block and
// reports consensus failures.
//
//	logger = cometlog.Wrap(logger, recorder, cometlog.Options{})
//	n, err := node.NewNode(config, ..., logger)
//
// It is written for CometBFT 0.38, and compiles with 0.39, 0.40 and 1.0, whose package libs/log has
// the same path.
package cometlog

import (
	"github.com/cometbft/cometbft/libs/log"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/internal/logline"
)

// Options of the wrapper.
type Options struct {
	// Debug records debug lines too. A node that gossips writes thousands of them a second, and
	// most loggers discard them later.
	Debug bool
}

// Wrap returns a logger that passes each line to the recorder, in the form of CometBFT's JSON log,
// and then passes the call on unchanged. It returns the logger itself if the recorder is switched
// off.
//
// Messages of the recorder for the operator are logged as errors of the module haltbox, by a
// goroutine that ends when the recorder is closed. The logger that is wrapped first gets all of
// them.
func Wrap(logger log.Logger, recorder *haltbox.Recorder, options Options) log.Logger {
	if recorder == nil {
		return logger
	}
	own := logger.With("module", "haltbox")
	go recorder.Tell(func(line string) { own.Error(line) })
	return &tap{Logger: logger, recorder: recorder, options: options}
}

// tap is a logger with the fields that With added.
type tap struct {
	log.Logger
	recorder *haltbox.Recorder
	options  Options
	fields   []any
}

func (t *tap) Debug(msg string, keyvals ...any) {
	if t.options.Debug {
		t.record("debug", msg, keyvals)
	}
	t.Logger.Debug(msg, keyvals...)
}

func (t *tap) Info(msg string, keyvals ...any) {
	t.record("info", msg, keyvals)
	t.Logger.Info(msg, keyvals...)
}

func (t *tap) Error(msg string, keyvals ...any) {
	t.record("error", msg, keyvals)
	t.Logger.Error(msg, keyvals...)
}

// Warn exists in loggers from CometBFT 0.39 on.
func (t *tap) Warn(msg string, keyvals ...any) {
	t.record("warn", msg, keyvals)
	if logger, has := t.Logger.(interface{ Warn(string, ...any) }); has {
		logger.Warn(msg, keyvals...)
	}
}

func (t *tap) With(keyvals ...any) log.Logger {
	next := *t
	next.Logger = t.Logger.With(keyvals...)
	next.fields = logline.Join(t.fields, keyvals)
	return &next
}

func (t *tap) record(level, msg string, keyvals []any) {
	logline.Give(t.recorder.Log, level, msg, t.fields, keyvals)
}
