package api

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"unsafe"

	"github.com/haltbox/haltbox/ffi/go/internal/publish"
)

// Span is a part of the ring in which this program lays records itself, as
// docs/format.md tells: a kill leaves them as it leaves the library's own. The zero
// value has no room.
type Span struct {
	start    unsafe.Pointer
	length   int
	at       int
	sequence uint64
	key      uint64
	laid     *uint64
	askedFor int
	scratch  []byte
}

// shortRecord is the length of the longest that is put together apart.
const shortRecord = 1 << 10

// HeaderSize is the room that a record needs before its payload.
const HeaderSize = headerSize

const (
	headerSize = 16
	// longestRecord is that of a record that is not split, and which the library's
	// checksum takes at once.
	longestRecord = 64 << 10
	// wholeSlog is what a header has above the length: kind 1, no flag.
	wholeSlog = 1 << 24
)

// Renew takes the place of one that is used up, but for its room for short records.
func (s *Span) Renew(next Span) {
	next.scratch = s.scratch
	if next.scratch == nil {
		next.scratch = make([]byte, shortRecord)
	}
	*s = next
	s.ask()
}

// Lay lays a record of a payload; false if there is no room for it. Bytes without a line
// end. That of a short one is put together where the processor has the bytes at hand:
// the ring's own are not yet.
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

// LayRecord lays a record of the bytes behind the header's, which it changes.
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

// room gives the place of the next record; nil if there is none.
func (s *Span) room(length int) []byte {
	if padded(length) > s.length-s.at || length > longestRecord {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Add(s.start, s.at)), headerSize+length)
}

func padded(length int) int { return headerSize + (length+15)&^15 }

// finish makes a record of what has its payload.
func (s *Span) finish(record []byte, word uint64) {
	binary.LittleEndian.PutUint64(record, s.sequence^s.key)
	// Last, and whole: a kill before it leaves no record.
	publish.Word((*uint64)(unsafe.Pointer(&record[8])), word)
	s.sequence++
	s.at += padded(len(record) - headerSize)
	publish.Word(s.laid, uint64(s.at))
	s.ask()
}

// ask asks for the ring's lines that the next records need: whoever takes a lock waits
// until all that was stored is in a cache.
func (s *Span) ask() {
	until := min(s.at+asked, s.length)
	if s.askedFor < until {
		publish.Ahead(uintptr(s.start)+uintptr(s.askedFor), uintptr(s.start)+uintptr(until))
		s.askedFor = (until + line - 1) &^ (line - 1)
	}
}

// asked is how far ahead, and line what a cache takes at once.
const asked, line = 512, 64

// commitWord has length, kind and checksum of the payload behind a header that is not
// written yet, and whose bytes it changes.
func commitWord(masked uint64, record []byte) uint64 {
	meta := wholeSlog | uint64(len(record)-headerSize)
	mixed := (masked ^ bits.RotateLeft64(meta, 32)) * 0xff51afd7ed558ccd
	return uint64(checksum(uint32(mixed^mixed>>32), record))<<32 | meta
}

// checksum is crc32.Update of the bytes behind the header. That is fast where their
// number is a multiple of 16, so zeroes are taken before them: they change no checksum
// whose inner state is 0. What the state is to be instead is the same as so much put
// into the first four bytes.
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
