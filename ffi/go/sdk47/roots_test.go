package sdk47

import (
	"strings"
	"testing"

	storetypes "github.com/cosmos/cosmos-sdk/store/types"
)

// brokenStores have stores that tell the SDK what it asks for, and panic at all else. They
// stand for those of other authors.
type brokenStores struct {
	storetypes.CommitMultiStore
	asked int
}

func (s *brokenStores) StoreKeysByName() map[string]storetypes.StoreKey {
	keys := map[string]storetypes.StoreKey{}
	for _, name := range []string{"a", "b", "c"} {
		keys[name] = storetypes.NewKVStoreKey(name)
	}
	return keys
}

func (s *brokenStores) GetCommitStore(key storetypes.StoreKey) storetypes.CommitStore {
	s.asked++
	return &brokenStore{name: key.Name()}
}

type brokenStore struct {
	storetypes.CommitKVStore
	name string
}

func (s *brokenStore) GetStoreType() storetypes.StoreType { return storetypes.StoreTypeIAVL }

func (s *brokenStore) LastCommitID() storetypes.CommitID {
	if s.name != "a" {
		panic("not implemented")
	}
	return storetypes.CommitID{Hash: []byte{1}}
}

func TestStoresThatPanicHaveNoRootsAndStopNoNode(t *testing.T) {
	stores := &brokenStores{}
	roots := rootsOf(stores)
	var told []string
	record := func(line []byte) { told = append(told, string(line)) }
	if err := roots.record(record); err == nil || !strings.Contains(err.Error(), "panic: not implemented") {
		t.Error(err)
	}
	asked := stores.asked
	if err := roots.record(record); err != nil || stores.asked != asked {
		t.Error("they are asked again", err)
	}
	if len(told) != 0 {
		t.Error("half of the roots", told)
	}
}
