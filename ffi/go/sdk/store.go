package sdk

import (
	"cosmossdk.io/store/cachekv"
	storetypes "cosmossdk.io/store/types"

	"github.com/haltbox/haltbox/ffi/go/internal/foreign"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// store is a KVStore whose operations are recorded.
type store struct {
	kvtrace.Store[storetypes.Iterator]
	inner storetypes.KVStore
}

// trace leaves a memory store as it is: what it holds is the process's own, and
// another after a start. So it does with a store that does not tell what it is.
func trace(
	attempt *kvtrace.Attempt, branch *kvtrace.Branch, name string, inner storetypes.KVStore,
) storetypes.KVStore {
	if attempt == nil || !isTraced(inner) {
		return inner
	}
	return &store{*kvtrace.WrapOn[storetypes.Iterator](attempt, branch, name, inner), inner}
}

func isTraced(inner storetypes.KVStore) (is bool) {
	err := foreign.Call(func() { is = inner.GetStoreType() != storetypes.StoreTypeMemory })
	return err == nil && is
}

func (s *store) GetStoreType() storetypes.StoreType { return s.inner.GetStoreType() }

// CacheWrap branches: what its cache asks this store for is recorded.
func (s *store) CacheWrap() storetypes.CacheWrap { return cachekv.NewStore(s) }
