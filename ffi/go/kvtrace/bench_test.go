package kvtrace_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// A transfer reads two balances and writes two.
func transfer(store kvtrace.KVStore[sdkIterator], number uint64) {
	var from, to [21]byte
	from[0], to[0] = 2, 2
	binary.BigEndian.PutUint64(from[1:], number%1000)
	binary.BigEndian.PutUint64(to[1:], (number+1)%1000)
	store.Set(from[:], store.Get(from[:]))
	store.Set(to[:], store.Get(to[:]))
}

func balances() memory {
	store := memory{}
	for number := range uint64(1000) {
		var key [21]byte
		key[0] = 2
		binary.BigEndian.PutUint64(key[1:], number)
		store[string(key[:])] = "12345678901234567890123456789012"
	}
	return store
}

// BenchmarkTransfer measures four operations on a store in memory: without this package, with a
// tracer that is off, and with one that is on.
func BenchmarkTransfer(b *testing.B) {
	store := sdkStore(balances())
	b.Run("bare", func(b *testing.B) {
		transfers(b, func(uint64) kvtrace.KVStore[sdkIterator] { return store })
	})
	b.Run("off", func(b *testing.B) {
		transfers(b, func(uint64) kvtrace.KVStore[sdkIterator] { return kvtrace.Wrap(nil, "bank", store) })
	})
	b.Run("on", func(b *testing.B) {
		recorder, _ := haltboxtest.Open(b)
		tracer := kvtrace.New(recorder, kvtrace.Options{})
		transfers(b, func(height uint64) kvtrace.KVStore[sdkIterator] {
			recorder.Commit(height-1, nil)
			recorder.BeginBlock(height, time.Time{}, nil)
			return kvtrace.Wrap(tracer.Begin(), "bank", store)
		})
		if stats, _ := recorder.Stats(); stats.Dropped > 0 {
			b.Fatalf("%+v", stats)
		}
	})
}

// transfersOfBlock keeps a block small. A commit releases the block before; a ring in which nothing
// may be overwritten would only count.
const transfersOfBlock = 128

func transfers(b *testing.B, block func(height uint64) kvtrace.KVStore[sdkIterator]) {
	b.ReportAllocs()
	b.ResetTimer()
	defer haltboxtest.CPU(b)()
	var store kvtrace.KVStore[sdkIterator]
	for number := range uint64(b.N) {
		if number%transfersOfBlock == 0 {
			store = block(1 + number/transfersOfBlock)
		}
		transfer(store, number)
	}
}
