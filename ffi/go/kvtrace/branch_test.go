package kvtrace_test

import (
	"strings"
	"testing"
	"time"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// told returns the entries of branches, and the type and key of each operation.
func told(t *testing.T, dir string) (found []string) {
	t.Helper()
	for _, line := range haltboxtest.Cat(t, dir) {
		if strings.HasPrefix(line, `{"type":"branch`) {
			found = append(found, line)
		} else if _, key, is := strings.Cut(line, `"key":"`); is {
			kind, _, _ := strings.Cut(strings.TrimPrefix(line, `{"type":"`), `"`)
			found = append(found, kind+" "+key[:2])
		}
	}
	return found
}

func TestARecordingTellsWhichBranchWasWritten(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	tracer := kvtrace.New(recorder, kvtrace.Options{})
	recorder.BeginBlock(1, time.Time{}, nil)
	root := &kvtrace.Branch{}
	parent := root.Branch()
	unused, inner := root.Branch(), parent.Branch()
	for range 2 {
		attempt := tracer.Begin()
		on := func(branch *kvtrace.Branch) *kvtrace.Store[sdkIterator] {
			return kvtrace.WrapOn(attempt, branch, "s", sdkStore(memory{}))
		}
		// The branch in between was not used itself.
		on(inner).Set([]byte("a"), nil)
		on(inner).Has([]byte("b"))
		on(parent).Has([]byte("c"))
		attempt.Written(inner)
		attempt.Written(unused)
		on(root).Has([]byte("d"))
		attempt.Written(parent)
		attempt.Written(root)
		kvtrace.Wrap(attempt, "s", sdkStore(memory{})).Has([]byte("e"))
	}
	recorder.Close()
	want := []string{
		`{"type":"branch","branch":0}`,
		`{"type":"branch","branch":1,"of":0}`,
		`{"type":"branch","branch":2,"of":1}`,
		`op-write 61`,
		`op-has 62`,
		`{"type":"branch","branch":1,"of":0}`,
		`op-has 63`,
		`{"type":"branch-written","branch":2}`,
		`{"type":"branch","branch":0}`,
		`op-has 64`,
		`{"type":"branch-written","branch":1}`,
		`{"type":"branch","branch":null}`,
		`op-has 65`,
	}
	// Another attempt numbers its branches from the start.
	same(t, told(t, dir), append(want, want...))
}

func TestTheTypesOfMessagesAreBesideATransaction(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	attempt := kvtrace.New(recorder, kvtrace.Options{}).Begin()
	attempt.BeginTx(1, []byte("the tx"), "/a.B", `/"`)
	recorder.Close()
	same(t, traced(t, dir), []string{
		`{"type":"tx-begin","tx":1,"digest":"` + digest("the tx") + `","bytes":6,"local":{"messages":["/a.B","/\""]}}`,
	})
}
