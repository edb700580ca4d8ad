//go:build go1.24

package haltbox_test

import (
	"testing"
	"time"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

// An entry that a node builds on its stack does not escape to the heap.
func TestEntriesDoNotEscapeToTheHeap(t *testing.T) {
	recorder, _ := haltboxtest.Open(t)
	recorder.BeginBlock(1, time.Time{}, nil)
	allocations := testing.AllocsPerRun(100, func() {
		var entry [200]byte
		recorder.Record(entry[:])
		recorder.Log(entry[:100])
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}
