package sdk

import (
	"fmt"
	"strings"
	"testing"

	storetypes "cosmossdk.io/store/types"
)

// writtenStore is a store in which two stores are mounted and written to.
func writtenStore(t *testing.T) (*commitStore, [2]*storetypes.KVStoreKey, *writes) {
	s := storeOf(t)
	keys := [2]*storetypes.KVStoreKey{storetypes.NewKVStoreKey("b"), storetypes.NewKVStoreKey("a")}
	for _, key := range keys {
		s.CommitMultiStore.MountStoreWithDB(key, storetypes.StoreTypeIAVL, nil)
	}
	if err := s.CommitMultiStore.LoadLatestVersion(); err != nil {
		t.Fatal(err)
	}
	s.tracer, s.writes = nil, writes{valueBytes: 1}
	return s, keys, s.listen(s.CommitMultiStore)
}

func (s *commitStore) change(keys [2]*storetypes.KVStoreKey) {
	block := s.CacheMultiStore()
	for _, key := range keys {
		store := block.GetKVStore(key)
		store.Set([]byte{2}, []byte{1})
		store.Set([]byte{2}, []byte{3})
		store.Set([]byte{1}, []byte{1, 1})
		store.Delete([]byte{1})
	}
	block.Write()
}

func TestEachKeyThatABlockChangesIsToldOnce(t *testing.T) {
	s, keys, writes := writtenStore(t)
	for range 2 {
		// As the genesis and the first block do.
		s.change(keys)
		s.change(keys)
		var told []string
		writes.record(func(line []byte) { told = append(told, string(line)) })
		want := `{"type":"step-unset","store":"a","key":"01"}` + "\n" +
			`{"type":"step-set","store":"a","key":"02","bytes":1,"value":"` +
			`084fed08b978af4d7d196a7446a86b58009e636b611db16211b65a9aadff29c5","local":{"value":"03"}}`
		got := strings.Join(told, "\n")
		if !strings.HasPrefix(got, want) || len(told) != 4 {
			t.Errorf("got  %s\nwant %s, and the same of b", got, want)
		}
	}
	if len(s.writes.left) > 8 {
		t.Error("the writes of blocks before are kept")
	}
}

// A chain that streams its state changes gets what it asked for, and no more.
func TestTheChainsOwnListenersGetWhatTheyAskedFor(t *testing.T) {
	s, keys, writes := writtenStore(t)
	s.AddListeners([]storetypes.StoreKey{keys[0]})
	for range 2 {
		s.change(keys)
		writes.record(func([]byte) {})
		var got []string
		for _, pair := range s.PopStateCache() {
			got = append(got, fmt.Sprintf("%s %v %v", pair.StoreKey, pair.Key, pair.Delete))
		}
		if strings.Join(got, " ") != "b [1] true b [2] false" {
			t.Errorf("the listeners got %v", got)
		}
	}
	if len(s.PopStateCache()) != 0 {
		t.Error("a block comes twice")
	}
}
