package sdk47

import (
	"slices"

	storetypes "github.com/cosmos/cosmos-sdk/store/types"

	"github.com/haltbox/haltbox/ffi/go/internal/entry"
)

// keyed is a store that tells which stores it has.
type keyed interface {
	StoreKeysByName() map[string]storetypes.StoreKey
}

// roots of the stores of which the AppHash is made. Nil is of stores that do not
// tell them.
type roots struct {
	store storetypes.CommitMultiStore
	names func() map[string]storetypes.StoreKey
	entry entry.Entry
}

func rootsOf(store storetypes.CommitMultiStore) *roots {
	named, is := store.(keyed)
	if !is {
		return nil
	}
	return &roots{store: store, names: named.StoreKeysByName}
}

// record tells the root that each store has with what the block wrote and committed.
func (r *roots) record(record func([]byte)) {
	if r == nil {
		return
	}
	keys := r.names()
	names := make([]string, 0, len(keys))
	for name := range keys {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		store := r.store.GetCommitStore(keys[name])
		if store == nil || store.GetStoreType() != storetypes.StoreTypeIAVL {
			continue
		}
		record(r.entry.Begin("step-store-root").Text("store", name).Hex("hash", store.LastCommitID().Hash).End())
	}
}
