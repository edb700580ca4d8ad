package haltbox_test

import (
	"errors"
	"testing"
	"time"

	haltbox "github.com/haltbox/haltbox/ffi/go"
)

// Every method, also with arguments that a recorder would reject.
func TestASwitchedOffRecorderDoesNothing(t *testing.T) {
	var off *haltbox.Recorder
	agreement, confirmed := off.Confirm(1, nil)
	path, frozen := off.Freeze(1)
	stats, read := off.Stats()
	off.Tell(nil)
	off.LogPanic()
	err := errors.Join(confirmed, frozen, read,
		off.BeginBlock(1, time.Now(), []byte{1}), off.Record(nil), off.Log(nil), off.Crank(1, nil, nil),
		off.EndBlock(1, nil), off.Commit(1, nil), off.Abort(1), off.Diverged(1, nil, nil, ""), off.Flush(), off.Close())
	if err != nil || agreement != haltbox.Unknown || path != "" || stats != (haltbox.Stats{}) || off.Notice() != "" {
		t.Error(err, agreement, path, stats, off.Notice())
	}
}
