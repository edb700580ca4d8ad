package api

import (
	"bytes"
	"hash/crc32"
	"testing"
	"unsafe"
)

func TestAChecksumIsThatOfTheLibrary(t *testing.T) {
	for length := range 400 {
		record := make([]byte, headerSize+length)
		for at := range record {
			record[at] = byte(at*7 + length)
		}
		payload := bytes.Clone(record[headerSize:])
		for _, seed := range []uint32{0, 1, 0x80000000, 0xffffffff, 0x12345678} {
			want := crc32.Update(seed, crc32.IEEETable, payload)
			if got := checksum(seed, record); got != want || !bytes.Equal(record[headerSize:], payload) {
				t.Fatalf("%d bytes, seed %x: %x, want %x, or the bytes are others", length, seed, got, want)
			}
		}
	}
}

// Words are aligned in the ring, so they are aligned here.
func spanOf(words []uint64, laid *uint64) Span {
	return Span{start: unsafe.Pointer(&words[0]), length: 8 * len(words), sequence: 5, key: 3, laid: laid}
}

func TestASpanEndsWhereItEnds(t *testing.T) {
	var laid uint64
	words := make([]uint64, 14) // 112 bytes
	guarded := words[:12:12]
	span := spanOf(guarded, &laid)
	if !span.Lay(make([]byte, 16)) || laid != 32 || !span.Lay(make([]byte, 1)) || laid != 64 {
		t.Fatalf("%d bytes are laid", laid)
	}
	if span.Lay(make([]byte, 17)) || laid != 64 {
		t.Errorf("a record that is longer than the room: %d", laid)
	}
	if !span.Lay(bytes.Repeat([]byte{0xff}, 16)) || laid != 96 || span.Lay(nil) {
		t.Errorf("the last room: %d", laid)
	}
	if words[12] != 0 || words[13] != 0 {
		t.Error("bytes behind the end are others")
	}
	if (&Span{}).Lay(nil) {
		t.Error("a span without room took a record")
	}
}
