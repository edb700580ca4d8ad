package sdk

import (
	"testing"

	"cosmossdk.io/log"
	dbm "github.com/cosmos/cosmos-db"

	"github.com/cosmos/cosmos-sdk/baseapp"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

func storeOf(t *testing.T) *commitStore {
	recorder, _ := haltboxtest.Open(t)
	base := baseapp.NewBaseApp("test", log.NewNopLogger(), dbm.NewMemDB(), nil)
	s := &commitStore{CommitMultiStore: base.CommitMultiStore(), base: base, left: none, follows: true}
	s.follow()
	s.tracer = kvtrace.New(recorder, kvtrace.Options{})
	return s
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
