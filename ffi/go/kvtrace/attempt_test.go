package kvtrace

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

// behindLastBegin returns the lines behind the last begin-block.
func behindLastBegin(t *testing.T, dir string) (found []string) {
	t.Helper()
	for _, line := range haltboxtest.Cat(t, dir) {
		if strings.HasPrefix(line, `{"type":"begin-block"`) {
			found = nil
		}
		found = append(found, line)
	}
	return found
}

// An operation of a discarded execution is held on its way into the ring, until the next execution
// is about to begin.
func TestAnOperationThatIsHeldNeverStandsInTheNextBlock(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	tracer := New(recorder, Options{})
	recorder.BeginBlock(7, time.Time{}, nil)
	old := tracer.Begin()
	var both sync.WaitGroup
	both.Add(2)
	tracer.lane.Lock()
	go func() {
		defer both.Done()
		old.BeginTx(0, []byte("old"))
	}()
	// By now it waits for the lock; if it does not yet, the test proves less.
	time.Sleep(50 * time.Millisecond)
	begun := make(chan *Attempt, 1)
	go func() {
		defer both.Done()
		recorder.Abort(7)
		recorder.BeginBlock(7, time.Time{}, nil)
		begun <- tracer.Begin()
	}()
	time.Sleep(50 * time.Millisecond)
	tracer.lane.Unlock()
	both.Wait()
	old.BeginTx(1, []byte("old"))
	(<-begun).BeginTx(2, []byte("new"))
	recorder.Close()
	lines := behindLastBegin(t, dir)
	if len(lines) != 2 || !strings.Contains(lines[1], `"tx":2`) {
		t.Errorf("the second execution is\n%s", strings.Join(lines, "\n"))
	}
}

// Operations after the end of a block, by a goroutine or an iterator that outlives it, would count
// as work that prepares the next block.
func TestNothingIsRecordedBetweenTwoBlocks(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	tracer := New(recorder, Options{})
	recorder.BeginBlock(7, time.Time{}, nil)
	old := tracer.Begin()
	recorder.EndBlock(7, []byte{1})
	old.BeginTx(0, nil)
	if tracer.Attempt() != nil {
		t.Error("an attempt is under way")
	}
	recorder.Commit(7, []byte{1})
	old.BeginTx(0, nil)
	recorder.BeginBlock(8, time.Time{}, nil)
	old.BeginTx(0, nil)
	recorder.Close()
	if said := strings.Join(haltboxtest.Cat(t, dir), "\n"); strings.Contains(said, "tx-begin") {
		t.Error(said)
	}
}
