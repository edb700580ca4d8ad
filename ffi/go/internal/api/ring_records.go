package api

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"unsafe"

	"github.com/haltbox/haltbox/ffi/go/internal/publish"
)

// Span is a lent part of the ring, into which this program writes records itself, as docs/format.md
// specifies: a kill treats them like the library's own. The zero value has no room.
type Span struct {
	start      unsafe.Pointer
	length     int
	at         int
	sequence   uint64
	key        uint64
	laid       *uint64
	prefetched int
	scratch    []byte
}

// shortRecord is the length of the longest record that is assembled in a buffer first.
const shortRecord = 1 << 10

// HeaderSize is the size of the header before a record's payload.
const HeaderSize = headerSize

const (
	headerSize = 16
	// longestRecord is the length of the longest payload that is not split.
	longestRecord = 64 << 10
	// wholeSlog is the header's word above the length: kind 1, no flag.
	wholeSlog = 1 << 24
)

// Renew replaces a span that is used up, and keeps its buffer for short records.
func (s *Span) Renew(next Span) {
	next.scratch = s.scratch
	if next.scratch == nil {
		next.scratch = make([]byte, shortRecord)
	}
	*s = next
	s.prefetch()
}

// Lay writes a record with a payload, which has no line end; false if there is no room for it. A
// short record is assembled in a buffer that is in the processor's cache: the ring's bytes are not
// there yet.
func (s *Span) Lay(payload []byte) bool {
	if headerSize+len(payload) <= len(s.scratch) {
		record := s.scratch[:headerSize+len(payload)]
		copy(record[headerSize:], payload)
		return s.LayRecord(record)
	}
	into := s.room(len(payload))
	if into == nil {
		return false
	}
	copy(into[headerSize:], payload)
	s.finish(into, commitWord(s.sequence^s.key, into))
	return true
}

// LayRecord writes a record. The payload stands behind room for the header, which this changes.
func (s *Span) LayRecord(record []byte) bool {
	into := s.room(len(record) - headerSize)
	if into == nil {
		return false
	}
	word := commitWord(s.sequence^s.key, record)
	copy(into[headerSize:], record[headerSize:])
	s.finish(into, word)
	return true
}

// room returns the place of the next record; nil if there is none.
func (s *Span) room(length int) []byte {
	if padded(length) > s.length-s.at || length > longestRecord {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Add(s.start, s.at)), headerSize+length)
}

func padded(length int) int { return headerSize + (length+15)&^15 }

// finish publishes a record whose payload is in place: first the sequence number, then the commit
// word.
func (s *Span) finish(record []byte, word uint64) {
	binary.LittleEndian.PutUint64(record, s.sequence^s.key)
	// This store is the last one, and atomic: a kill before it leaves no record.
	publish.Word((*uint64)(unsafe.Pointer(&record[8])), word)
	s.sequence++
	s.at += padded(len(record) - headerSize)
	publish.Word(s.laid, uint64(s.at))
	s.prefetch()
}

// prefetch requests the cache lines of the ring that the next records need. Without it, taking a
// lock would wait until all earlier stores are in a cache.
func (s *Span) prefetch() {
	until := min(s.at+readAhead, s.length)
	if s.prefetched < until {
		publish.Ahead(uintptr(s.start)+uintptr(s.prefetched), uintptr(s.start)+uintptr(until))
		s.prefetched = (until + cacheLine - 1) &^ (cacheLine - 1)
	}
}

// readAhead is how far ahead to prefetch; cacheLine is the size of a cache line. Both are in bytes.
const readAhead, cacheLine = 512, 64

// commitWord returns the commit word of a record: length, kind and checksum of its payload. The
// header is not written yet; this changes its bytes.
func commitWord(masked uint64, record []byte) uint64 {
	meta := wholeSlog | uint64(len(record)-headerSize)
	mixed := (masked ^ bits.RotateLeft64(meta, 32)) * 0xff51afd7ed558ccd
	return uint64(checksum(uint32(mixed^mixed>>32), record))<<32 | meta
}

// checksum is crc32.Update over the bytes behind the header. That function is fast if the length is
// a multiple of 16, so zeros are put before the payload: they change no checksum whose inner state
// is 0. The seed is instead XORed into the first four bytes, which gives the same result.
func checksum(seed uint32, record []byte) uint32 {
	payload := record[headerSize:]
	if len(payload) < 4 {
		return crc32.Update(seed, crc32.IEEETable, payload)
	}
	clear(record[:headerSize])
	first := binary.LittleEndian.Uint32(payload)
	binary.LittleEndian.PutUint32(payload, first^^seed)
	sum := crc32.Update(^uint32(0), crc32.IEEETable, record[len(record)%headerSize:])
	binary.LittleEndian.PutUint32(payload, first)
	return sum
}
