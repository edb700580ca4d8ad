package sdk47

import (
	storetypes "github.com/cosmos/cosmos-sdk/store/types"

	"github.com/haltbox/haltbox/ffi/go/internal/entry"
)

// writes are what a block changed in the stores: each key once, with what stands there
// at the block's end. Nil is of a store of which nobody wants to know.
type writes struct {
	valueBytes int
	entry      entry.Entry
	// left are those since the last block.
	left []*storetypes.StoreKVPair
}

// listen has the store tell what is written to the stores that the AppHash is of, by a
// listener beside the chain's own (ADR-038). They are loaded by now.
func (w *writes) listen(inner storetypes.CommitMultiStore) bool {
	named, is := inner.(keyed)
	if !is {
		return false
	}
	for _, key := range named.StoreKeysByName() {
		store := inner.GetCommitStore(key)
		if store != nil && store.GetStoreType() == storetypes.StoreTypeIAVL {
			inner.AddListeners(key, []storetypes.WriteListener{w})
		}
	}
	return true
}

// OnWrite is called for each write that a block gives to a store, as the block is
// committed.
func (w *writes) OnWrite(store storetypes.StoreKey, key, value []byte, deletes bool) error {
	w.left = append(w.left, &storetypes.StoreKVPair{StoreKey: store.Name(), Delete: deletes, Key: key, Value: value})
	return nil
}

// record tells what the block wrote, store by store and key by key.
func (w *writes) record(record func([]byte)) {
	if w == nil {
		return
	}
	for _, pair := range final(w.left) {
		record(w.line(pair))
	}
	w.left = nil
}
