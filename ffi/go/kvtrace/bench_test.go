package kvtrace_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// What a transfer does to its store: read two balances, write two.
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

// BenchmarkTransfer is four operations on a store in memory: without this
// package, with a tracer that is off, and with one that is on.
func BenchmarkTransfer(b *testing.B) {
	b.Run("bare", func(b *testing.B) { transfers(b, balances()) })
	b.Run("off", func(b *testing.B) { transfers(b, kvtrace.Wrap(nil, "bank", sdkStore(balances()))) })
	b.Run("on", func(b *testing.B) {
		recorder, _ := haltboxtest.Open(b)
		recorder.BeginBlock(1, time.Time{}, nil)
		attempt := kvtrace.New(recorder, kvtrace.Options{}).Begin()
		transfers(b, kvtrace.Wrap(attempt, "bank", sdkStore(balances())))
	})
}

func transfers(b *testing.B, store kvtrace.KVStore[sdkIterator]) {
	b.ReportAllocs()
	b.ResetTimer()
	defer haltboxtest.CPU(b)()
	for number := range uint64(b.N) {
		transfer(store, number)
	}
}
