//go:build !amd64 && !arm64

// Package publish stores words into memory that others read, and that is not in the processor's
// caches yet.
package publish

import "sync/atomic"

// Word stores a word after all earlier stores.
func Word(at *uint64, word uint64) { atomic.StoreUint64(at, word) }

// Ahead does nothing.
func Ahead(from, until uintptr) {}
