package sdk

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"cosmossdk.io/log"
	"cosmossdk.io/store/metrics"
	"cosmossdk.io/store/rootmulti"
	dbm "github.com/cosmos/cosmos-db"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

func storeOf(t *testing.T) *commitStore {
	recorder, _ := haltboxtest.Open(t)
	inner := rootmulti.NewStore(dbm.NewMemDB(), log.NewNopLogger(), metrics.NewNoOpMetrics())
	return &commitStore{CommitMultiStore: inner, left: none, tracer: kvtrace.New(recorder, kvtrace.Options{})}
}

func (s *commitStore) traced() bool {
	_, is := s.CacheMultiStore().(*branch)
	return is
}

func TestTheBranchOfTheExecutionIsTraced(t *testing.T) {
	s := storeOf(t)
	if s.traced() {
		t.Error("outside of a call")
	}
	over := s.expect(first, nil)
	if !s.traced() || s.traced() {
		t.Error("not the first alone")
	}
	over()
	over = s.expect(second, nil)
	if s.traced() || !s.traced() || s.traced() {
		t.Error("not the second alone")
	}
	over()
	if s.traced() {
		t.Error("behind the call")
	}
}

// A release of the SDK that makes its branches in another order is found out at the
// first block.
func TestAnotherBranchThanTheWrittenEndsTheTracing(t *testing.T) {
	s := storeOf(t)
	over := s.expect(first, nil)
	root := s.CacheMultiStore()
	over()
	root.Write()
	if !s.wasWritten() || s.tracer == nil {
		t.Error("the right one")
	}
	over = s.expect(first, nil)
	s.traced()
	over()
	if s.wasWritten() || s.tracer != nil {
		t.Error("it goes on")
	}
	s.expect(first, nil)
	if s.traced() || !s.wasWritten() {
		t.Error("it is traced")
	}
}

// A transaction that comes twice is two, also where nothing is read in between: its
// messages are only executed behind an ante handler that passed.
func TestATransactionThatComesTwiceIsTwo(t *testing.T) {
	tx := []byte("tx")
	digest := sha256.Sum256(tx)
	hash := fmt.Sprintf("%X", digest)
	recorder, _ := haltboxtest.Open(t)
	c := &course{attempt: kvtrace.New(recorder, kvtrace.Options{}).Begin(), txs: [][]byte{tx, []byte("other"), tx}}
	root := &branch{course: c}
	var begun []int
	for _, passes := range []bool{true, false, false} {
		on := &branch{course: c, parent: root}
		c.beginTx(on, hash)
		begun = append(begun, c.next-1)
		if passes {
			c.wrote(on)
		}
	}
	if fmt.Sprint(begun) != "[0 0 2]" {
		t.Error(begun)
	}
}
