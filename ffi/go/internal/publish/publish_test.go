package publish

import (
	"testing"
	"unsafe"
)

func TestOnlyTheWordIsStored(t *testing.T) {
	words := [3]uint64{1, 2, 3}
	Word(&words[1], 1<<63|5)
	if words != [3]uint64{1, 1<<63 | 5, 3} {
		t.Error(words)
	}
}

// Ahead only prefetches: unmapped memory, or a range that ends before it begins, does no harm.
func TestWhatIsAskedForIsNotTouched(t *testing.T) {
	words := [64]uint64{7: 7}
	from := uintptr(unsafe.Pointer(&words))
	Ahead(from, from+unsafe.Sizeof(words))
	Ahead(from+8, from)
	Ahead(8, 4096)
	Ahead(^uintptr(0)-200, ^uintptr(0)-100)
	if words != [64]uint64{7: 7} {
		t.Error(words)
	}
}
