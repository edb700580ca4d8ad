package sdk

import (
	"fmt"
	"slices"
	"strings"

	storetypes "cosmossdk.io/store/types"

	"github.com/haltbox/haltbox/ffi/go/internal/entry"
	"github.com/haltbox/haltbox/ffi/go/internal/foreign"
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
	// failed: they panicked when they were asked. They are not asked again.
	failed bool
	entry  entry.Entry
}

// root is that of one store.
type root struct {
	store string
	hash  []byte
}

func rootsOf(store storetypes.CommitMultiStore) *roots {
	named, is := store.(namedStores)
	if !is {
		return nil
	}
	return &roots{stores: named}
}

// record tells the root that each store has with what the block wrote: the SDK
// has computed them for the AppHash, so they are looked up. A block has all of them or
// none. The error comes once.
func (r *roots) record(record func([]byte)) error {
	if r == nil || r.failed {
		return nil
	}
	var all []root
	// A store that is not the SDK's may have the method and no code behind it.
	if err := foreign.Call(func() { all = r.all() }); err != nil {
		r.failed = true
		return fmt.Errorf("the stores do not tell their roots, which are not recorded any more: %w", err)
	}
	for _, one := range all {
		record(r.entry.Begin("step-store-root").Text("store", one.store).Hex("hash", one.hash).End())
	}
	return nil
}

// all are in the order of their stores' names.
func (r *roots) all() (all []root) {
	for name := range r.stores.StoreKeysByName() {
		if store := committedStore(r.stores, name); store != nil {
			all = append(all, root{name, store.WorkingHash()})
		}
	}
	slices.SortFunc(all, func(a, b root) int { return strings.Compare(a.store, b.store) })
	return all
}
