package sdk

import (
	"slices"

	storetypes "cosmossdk.io/store/types"

	"github.com/haltbox/haltbox/ffi/go/internal/entry"
)

// namedStores are those of a multi-store that tells them by their names, as the SDK's
// own does.
type namedStores interface {
	StoreKeysByName() map[string]storetypes.StoreKey
	GetStoreByName(name string) storetypes.Store
}

// committed is a store that the AppHash is made of.
type committed interface {
	storetypes.Store
	WorkingHash() []byte
}

// committedStore gives one by its name; nil for others, such as transient ones.
func committedStore(stores namedStores, name string) committed {
	store, is := stores.GetStoreByName(name).(committed)
	if !is || store.GetStoreType() != storetypes.StoreTypeIAVL {
		return nil
	}
	return store
}

// roots of the stores of which the AppHash is made. Nil is of stores that do not
// tell them.
type roots struct {
	stores namedStores
	entry  entry.Entry
}

func rootsOf(store storetypes.CommitMultiStore) *roots {
	named, is := store.(namedStores)
	if !is {
		return nil
	}
	return &roots{stores: named}
}

// record tells the root that each store has with what the block wrote: the SDK
// has computed them for the AppHash, so they are looked up.
func (r *roots) record(record func([]byte)) {
	if r == nil {
		return
	}
	keys := r.stores.StoreKeysByName()
	names := make([]string, 0, len(keys))
	for name := range keys {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if store := committedStore(r.stores, name); store != nil {
			record(r.entry.Begin("step-store-root").Text("store", name).Hex("hash", store.WorkingHash()).End())
		}
	}
}
