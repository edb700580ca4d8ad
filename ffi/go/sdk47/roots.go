package sdk47

import (
	"fmt"
	"slices"
	"strings"

	storetypes "github.com/cosmos/cosmos-sdk/store/types"

	"github.com/haltbox/haltbox/ffi/go/internal/entry"
	"github.com/haltbox/haltbox/ffi/go/internal/foreign"
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
	named, is := store.(keyed)
	if !is {
		return nil
	}
	return &roots{store: store, names: named.StoreKeysByName}
}

// record tells the root that each store has with what the block wrote and committed. A
// block has all of them or none. The error comes once.
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
	for name, key := range r.names() {
		store := r.store.GetCommitStore(key)
		if store != nil && store.GetStoreType() == storetypes.StoreTypeIAVL {
			all = append(all, root{name, store.LastCommitID().Hash})
		}
	}
	slices.SortFunc(all, func(a, b root) int { return strings.Compare(a.store, b.store) })
	return all
}
