package sdk

import (
	"testing"

	"cosmossdk.io/log"
	storetypes "cosmossdk.io/store/types"
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

// Modules ask for a store before each operation. What a branch gave is of the execution
// that was under way.
func TestABranchGivesAStoreOnceForEachExecution(t *testing.T) {
	s := storeOf(t)
	keys := []storetypes.StoreKey{storetypes.NewKVStoreKey("a"), storetypes.NewKVStoreKey("b")}
	for _, key := range keys {
		s.MountStoreWithDB(key, storetypes.StoreTypeIAVL, nil)
	}
	if err := s.LoadLatestVersion(); err != nil {
		t.Fatal(err)
	}
	s.tracer.Begin()
	s.expect(first, nil)
	root := s.CacheMultiStore()
	one, other := root.GetKVStore(keys[0]), root.GetKVStore(keys[1])
	if one == other || root.GetKVStore(keys[0]) != one || root.GetKVStore(keys[1]) != other {
		t.Error("not one for each key")
	}
	if root.CacheMultiStore().GetKVStore(keys[0]) == one {
		t.Error("another branch's")
	}
	s.course.attempt = s.tracer.Begin()
	if root.GetKVStore(keys[0]) == one {
		t.Error("another execution's")
	}
	s.course.attempt = nil
	if _, is := root.GetKVStore(keys[0]).(*store); is {
		t.Error("it is traced")
	}
}
