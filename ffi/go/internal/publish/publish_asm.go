//go:build amd64 || arm64

// Package publish stores words into memory that others read, and that is not in the processor's
// caches yet.
package publish

// Word stores a word after all earlier stores (a release store). A store of package sync/atomic
// also waits until all of them have left the processor, which takes longer than writing the entry.
// No later read here needs that.
//
//go:noescape
func Word(at *uint64, word uint64)

// Ahead prefetches the cache lines of a range for writing, so that later stores do not wait for
// them. It reads and writes nothing, whatever the addresses are.
func Ahead(from, until uintptr)
