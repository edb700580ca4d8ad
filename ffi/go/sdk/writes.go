package sdk

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	storetypes "cosmossdk.io/store/types"

	"github.com/haltbox/haltbox/ffi/go/internal/entry"
	"github.com/haltbox/haltbox/ffi/go/internal/foreign"
)

// writes are what a block changed in the stores: each key once, with what stands there
// at the block's end. Nil, or without an inner store, is of stores of which nobody wants
// to know.
type writes struct {
	inner      storetypes.CommitMultiStore
	valueBytes int
	// failed: the store panicked when it was asked for them.
	failed bool
	// silent: the operations of a block are recorded, which tell more.
	silent atomic.Bool
	entry  entry.Entry
	// asked are the stores of which the chain wants to know the writes itself
	// (ADR-038), and left are those of the last block.
	asked map[string]bool
	left  []*storetypes.StoreKVPair
}

// listen has the store keep what is written to the stores that the AppHash is of. They
// are loaded by now.
func (w *writes) listen(inner storetypes.CommitMultiStore) bool {
	named, is := inner.(namedStores)
	if !is {
		return false
	}
	var keys []storetypes.StoreKey
	for name, key := range named.StoreKeysByName() {
		if committedStore(named, name) != nil {
			keys = append(keys, key)
		}
	}
	inner.AddListeners(keys)
	w.inner = inner
	return true
}

// record tells what the block under way wrote, store by store and key by key. The error
// comes once. After it the store is still asked, since it keeps all it was not asked for.
func (w *writes) record(record func([]byte)) error {
	if w == nil || w.inner == nil {
		return nil
	}
	w.left = nil
	err := foreign.Call(func() { w.left = w.inner.PopStateCache() })
	if w.failed {
		return nil
	}
	if err != nil {
		w.failed = true
		return fmt.Errorf("the stores do not tell what is written to them, which is not recorded any more: %w", err)
	}
	if w.silent.Load() {
		return nil
	}
	for _, pair := range final(w.left) {
		record(w.line(pair))
	}
	return nil
}

func (w *writes) line(pair *storetypes.StoreKVPair) []byte {
	if pair.Delete {
		return w.entry.Begin("step-unset").Text("store", pair.StoreKey).Key("key", pair.Key).End()
	}
	value := pair.Value
	if value == nil {
		value = []byte{}
	}
	w.entry.Begin("step-set").Text("store", pair.StoreKey).Key("key", pair.Key).
		Int("bytes", int64(len(value))).Digest("value", value)
	if w.valueBytes > 0 && len(value) <= w.valueBytes {
		w.entry.Open("local").Hex("value", value).Shut()
	}
	return w.entry.End()
}

// final gives the last write of each key, in the order of stores and keys: it does not
// depend on how the block came to it.
func final(pairs []*storetypes.StoreKVPair) []*storetypes.StoreKVPair {
	sorted := slices.Clone(pairs)
	slices.SortStableFunc(sorted, order)
	kept := sorted[:0]
	for at, pair := range sorted {
		if at+1 == len(sorted) || order(pair, sorted[at+1]) != 0 {
			kept = append(kept, pair)
		}
	}
	return kept
}

func order(a, b *storetypes.StoreKVPair) int {
	if by := strings.Compare(a.StoreKey, b.StoreKey); by != 0 {
		return by
	}
	return bytes.Compare(a.Key, b.Key)
}

// ask remembers what the chain's own listeners want.
func (w *writes) ask(keys []storetypes.StoreKey) {
	if w.asked == nil {
		w.asked = map[string]bool{}
	}
	for _, key := range keys {
		w.asked[key.Name()] = true
	}
}

// pop gives the chain's own listeners what they asked for of the last block.
func (w *writes) pop() []*storetypes.StoreKVPair {
	left := append(w.left, w.inner.PopStateCache()...)
	w.left = nil
	return slices.DeleteFunc(left, func(pair *storetypes.StoreKVPair) bool { return !w.asked[pair.StoreKey] })
}
