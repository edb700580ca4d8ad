//go:build cgo && linux && (amd64 || arm64 || sys_haltbox) && !nolink_haltbox

package api

// #include <stdlib.h>
// #include "haltbox.h"
import "C"

import (
	"encoding/binary"
	"runtime"
	"unsafe"
)

// longestPath is Linux's PATH_MAX; longestMessage has room for two, as the library
// asks, and for a hint of the same length.
const (
	longestPath    = 4096
	longestMessage = 1024 + 3*longestPath
)

// Handle of an open recorder.
type Handle struct{ c *C.haltbox }

// Open opens a recorder. The message is for people: why there is none, or what
// they should hear of although there is one.
func Open(options Options) (Handle, Status, string) {
	if C.haltbox_abi_version() != C.HALTBOX_ABI_VERSION {
		return Handle{}, OtherABI, ""
	}
	var texts texts
	defer texts.free()
	lowered := C.haltbox_options{
		struct_size:     C.sizeof_haltbox_options,
		dir:             texts.add(options.Dir),
		ring_size:       C.uint64_t(options.RingSize),
		profile:         texts.add(options.Profile),
		node_program:    texts.add(options.NodeProgram),
		upload_hint:     texts.add(options.UploadHint),
		archive_bytes:   C.uint64_t(options.ArchiveBytes),
		persist_seconds: C.uint32_t(options.PersistSeconds),
		engine:          C.uint32_t(options.Engine),
	}
	if options.Background {
		lowered.background = 1
	}
	var handle Handle
	var why C.haltbox_error
	status := C.haltbox_open(&lowered, &handle.c, &why)
	return handle, Status(status), C.GoString(&why.message[0])
}

// BeginBlock needs a digest of 32 bytes, or none.
func (h Handle) BeginBlock(height uint64, timeNs int64, digest []byte) Status {
	status := C.haltbox_begin_block(h.c, C.uint64_t(height), C.int64_t(timeNs), octets(digest))
	runtime.KeepAlive(digest)
	return Status(status)
}

// Record copies the entry.
func (h Handle) Record(entry []byte) Status {
	status := C.haltbox_record(h.c, unsafe.Pointer(octets(entry)), C.size_t(len(entry)))
	runtime.KeepAlive(entry)
	return Status(status)
}

// Lend gives a part of the ring, with no room if none can be had now. NotLent: never.
func (h Handle) Lend() (Span, Status) {
	if !littleEndian {
		return Span{}, NotLent
	}
	raw := C.haltbox_span{struct_size: C.sizeof_haltbox_span}
	status := C.haltbox_lend(h.c, &raw)
	return Span{
		start:    unsafe.Pointer(raw.start),
		length:   int(raw.length),
		sequence: uint64(raw.sequence),
		key:      uint64(raw.key),
		laid:     (*uint64)(unsafe.Pointer(raw.laid)),
	}, Status(status)
}

// GiveBack ends what was lent.
func (h Handle) GiveBack() { C.haltbox_lend(h.c, nil) }

// littleEndian: words stand in the ring as they stand in this machine's memory.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// Log copies the line.
func (h Handle) Log(line []byte) Status {
	status := C.haltbox_log(h.c, unsafe.Pointer(octets(line)), C.size_t(len(line)))
	runtime.KeepAlive(line)
	return Status(status)
}

// Crank needs two digests of 32 bytes.
func (h Handle) Crank(number uint64, crankhash, activityhash []byte) Status {
	status := C.haltbox_crank(h.c, C.uint64_t(number), octets(crankhash), octets(activityhash))
	runtime.KeepAlive(crankhash)
	runtime.KeepAlive(activityhash)
	return Status(status)
}

// EndBlock takes an empty hash for one that is not known.
func (h Handle) EndBlock(height uint64, hash []byte) Status {
	status := C.haltbox_end_block(h.c, C.uint64_t(height), octets(hash), C.size_t(len(hash)))
	runtime.KeepAlive(hash)
	return Status(status)
}

// Commit takes an empty hash for one that is not known.
func (h Handle) Commit(height uint64, hash []byte) Status {
	status := C.haltbox_commit(h.c, C.uint64_t(height), octets(hash), C.size_t(len(hash)))
	runtime.KeepAlive(hash)
	return Status(status)
}

// Confirm gives OK, Differs or Unknown.
func (h Handle) Confirm(height uint64, network []byte) Status {
	status := C.haltbox_confirm(h.c, C.uint64_t(height), octets(network), C.size_t(len(network)))
	runtime.KeepAlive(network)
	return Status(status)
}

// Abort of the execution of a height.
func (h Handle) Abort(height uint64) Status {
	return Status(C.haltbox_abort(h.c, C.uint64_t(height)))
}

// Diverged takes an empty text for "AppHash".
func (h Handle) Diverged(height uint64, expected, got []byte, what string) Status {
	var texts texts
	defer texts.free()
	status := C.haltbox_diverged(h.c, C.uint64_t(height), octets(expected), C.size_t(len(expected)),
		octets(got), C.size_t(len(got)), texts.add(what))
	runtime.KeepAlive(expected)
	runtime.KeepAlive(got)
	return Status(status)
}

// Freeze gives the box's path; the message is empty on success.
func (h Handle) Freeze(height uint64) (string, Status, string) {
	path := (*C.char)(C.calloc(1, longestPath))
	defer C.free(unsafe.Pointer(path))
	var why C.haltbox_error
	status := C.haltbox_freeze(h.c, C.uint64_t(height), path, longestPath, &why)
	return C.GoString(path), Status(status), C.GoString(&why.message[0])
}

// TakeMessage gives the oldest that was not taken; empty for none.
func (h Handle) TakeMessage() (string, Status) {
	message := (*C.char)(C.calloc(1, longestMessage))
	defer C.free(unsafe.Pointer(message))
	status := C.haltbox_take_message(h.c, message, longestMessage)
	return C.GoString(message), Status(status)
}

// Stats of the recorder.
func (h Handle) Stats() (Stats, Status) {
	raw := C.haltbox_stats{struct_size: C.sizeof_haltbox_stats}
	status := C.haltbox_stats_read(h.c, &raw)
	return Stats{
		Records:  uint64(raw.records),
		Bytes:    uint64(raw.bytes),
		Dropped:  uint64(raw.dropped),
		Head:     uint64(raw.head),
		Released: uint64(raw.released),
		Oldest:   uint64(raw.oldest),
		Pinned:   uint64(raw.pinned),
		Diverged: uint64(raw.diverged),
	}, Status(status)
}

// Flush begins to write to the disk.
func (h Handle) Flush() Status { return Status(C.haltbox_flush(h.c)) }

// Close closes the ring; the handle stays valid, and answers Closed.
func (h Handle) Close() Status { return Status(C.haltbox_close(&h.c)) }

// Version of the library.
func Version() string { return C.GoString(C.haltbox_version()) }

// octets is NULL for no bytes: the address of an empty slice says nothing.
func octets(bytes []byte) *C.uint8_t {
	if len(bytes) == 0 {
		return nil
	}
	return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(bytes)))
}

// texts are copies for C that live until the call returned.
type texts []*C.char

// add gives NULL for an empty text: the library's default.
func (t *texts) add(text string) *C.char {
	if text == "" {
		return nil
	}
	copied := C.CString(text)
	*t = append(*t, copied)
	return copied
}

func (t texts) free() {
	for _, text := range t {
		C.free(unsafe.Pointer(text))
	}
}
