// Code generated from sdk/writes.go; DO NOT EDIT.

package sdk47

import (
	"bytes"
	"slices"
	"strings"

	storetypes "github.com/cosmos/cosmos-sdk/store/types"
)

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
