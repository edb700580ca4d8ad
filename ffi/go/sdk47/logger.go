// Code generated from sdk/logger.go; DO NOT EDIT.

package sdk47

import (
	"sync/atomic"

	"github.com/cometbft/cometbft/libs/log"
	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/internal/logline"
)

// tap is the node's logger, which hands each line to the recorder, in the form of
// CometBFT's JSON log, from when that is open.
type tap struct {
	log.Logger
	recorder *atomic.Pointer[haltbox.Recorder]
	fields   []any
}

func newTap(logger log.Logger) *tap {
	return &tap{Logger: logger, recorder: new(atomic.Pointer[haltbox.Recorder])}
}

// begin hands lines over from now on. A nil tap has none.
func (t *tap) begin(recorder *haltbox.Recorder) {
	if t != nil {
		t.recorder.Store(recorder)
	}
}

func (t *tap) Info(msg string, keyvals ...any) {
	t.record("info", msg, keyvals)
	t.Logger.Info(msg, keyvals...)
}

// Warn is a level that the SDK's loggers have from cosmossdk.io/log 1.4 on.
func (t *tap) Warn(msg string, keyvals ...any) {
	t.record("warn", msg, keyvals)
	if logger, has := t.Logger.(interface{ Warn(string, ...any) }); has {
		logger.Warn(msg, keyvals...)
	}
}

func (t *tap) Error(msg string, keyvals ...any) {
	t.record("error", msg, keyvals)
	t.Logger.Error(msg, keyvals...)
}

func (t *tap) With(keyvals ...any) log.Logger {
	return &tap{Logger: t.Logger.With(keyvals...), recorder: t.recorder, fields: logline.Join(t.fields, keyvals)}
}

func (t *tap) record(level, msg string, keyvals []any) {
	if recorder := t.recorder.Load(); recorder != nil {
		logline.Give(recorder.Log, level, msg, t.fields, keyvals)
	}
}
