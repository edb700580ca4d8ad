package sdk

import (
	"fmt"
	"strings"
	"testing"

	storetypes "cosmossdk.io/store/types"
)

// brokenStores have stores that tell the SDK what it asks for, and panic at all else. They
// stand for those of other authors.
type brokenStores struct {
	storetypes.CommitMultiStore
	asked int
}

func (s *brokenStores) StoreKeysByName() map[string]storetypes.StoreKey {
	return map[string]storetypes.StoreKey{"a": nil, "b": nil, "c": nil}
}

func (s *brokenStores) GetStoreByName(name string) storetypes.Store {
	s.asked++
	return &brokenStore{name: name}
}

func (s *brokenStores) PopStateCache() []*storetypes.StoreKVPair {
	s.asked++
	panic("not implemented")
}

func (s *brokenStores) AddListeners([]storetypes.StoreKey) { panic("not implemented") }

type brokenStore struct {
	storetypes.KVStore
	name string
}

func (s *brokenStore) GetStoreType() storetypes.StoreType { return storetypes.StoreTypeIAVL }

func (s *brokenStore) WorkingHash() []byte {
	if s.name != "a" {
		panic("not implemented")
	}
	return []byte{1}
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

func TestRootsAreToldInTheOrderOfTheStores(t *testing.T) {
	s, keys, _ := writtenStore(t)
	s.change(keys)
	var told []string
	if err := rootsOf(s.CommitMultiStore).record(func(line []byte) { told = append(told, string(line)) }); err != nil {
		t.Fatal(err)
	}
	for at, store := range []string{"a", "b"} {
		if want := fmt.Sprintf(`{"type":"step-store-root","store":"%s","hash":"`, store); !strings.HasPrefix(told[at], want) {
			t.Error(told)
		}
	}
}

// A store keeps what was written until it is asked, so it is asked also after a panic.
func TestWritesThatPanicStopNoNode(t *testing.T) {
	stores := &brokenStores{}
	writes := &writes{inner: stores, left: []*storetypes.StoreKVPair{{StoreKey: "a"}}}
	record := func(line []byte) { t.Errorf("%s", line) }
	if err := writes.record(record); err == nil || !strings.Contains(err.Error(), "panic: not implemented") {
		t.Error(err)
	}
	if err := writes.record(record); err != nil || stores.asked != 2 || len(writes.left) != 0 {
		t.Error(err, stores.asked, writes.left)
	}
}

// typeless does not tell what it is, which the SDK never asks.
type typeless struct{ storetypes.KVStore }

func (typeless) GetStoreType() storetypes.StoreType { panic("not implemented") }

func TestAStoreThatDoesNotTellItsTypeIsNotTraced(t *testing.T) {
	s := storeOf(t)
	if inner := (typeless{}); trace(s.tracer.Begin(), nil, "a", inner) != inner {
		t.Error("it is traced")
	}
}
