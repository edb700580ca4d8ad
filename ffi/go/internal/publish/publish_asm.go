//go:build amd64 || arm64

// Package publish puts words into memory that others read, and that is not in the
// processor's caches yet.
package publish

// Word stores a word behind all that was stored before. A store of package sync/atomic
// waits besides until all of that has left the processor, which takes longer than the
// entry: nothing is read behind it that would need this.
//
//go:noescape
func Word(at *uint64, word uint64)

// Ahead asks for the caches' lines that stand in a range, to be written: who stores there
// later does not wait for them. Nothing is read or written, whatever the addresses are.
func Ahead(from, until uintptr)
