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

// longestPath is Linux's PATH_MAX. longestMessage has room for two paths, as the library requires,
// and for a hint of the same length.
const (
	longestPath    = 4096
	longestMessage = 1024 + 3*longestPath
)

// Handle is the handle of an open recorder.
type Handle struct{ c *C.haltbox }

// Open opens a recorder. The message is for people: the reason of a failure, or notices about a
// successful opening.
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

// BeginBlock takes a digest of 32 bytes, or none.
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

// Lend returns a part of the ring. It has no room if nothing can be lent now. NotLent means that
// this ring is never lent.
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

// GiveBack returns the lent part.
func (h Handle) GiveBack() { C.haltbox_lend(h.c, nil) }

// littleEndian reports whether this machine stores words as the ring does.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// Log copies the line.
func (h Handle) Log(line []byte) Status {
	status := C.haltbox_log(h.c, unsafe.Pointer(octets(line)), C.size_t(len(line)))
	runtime.KeepAlive(line)
	return Status(status)
}

// Crank takes two digests of 32 bytes.
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

// Confirm returns OK, Differs or Unknown, or an error.
func (h Handle) Confirm(height uint64, network []byte) Status {
	status := C.haltbox_confirm(h.c, C.uint64_t(height), octets(network), C.size_t(len(network)))
	runtime.KeepAlive(network)
	return Status(status)
}

// Abort aborts the execution of a height.
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

// Freeze returns the path of the box; the message is empty on success.
func (h Handle) Freeze(height uint64) (string, Status, string) {
	path := (*C.char)(C.calloc(1, longestPath))
	defer C.free(unsafe.Pointer(path))
	var why C.haltbox_error
	status := C.haltbox_freeze(h.c, C.uint64_t(height), path, longestPath, &why)
	return C.GoString(path), Status(status), C.GoString(&why.message[0])
}

// TakeMessage returns the oldest message that was not taken; empty for none.
func (h Handle) TakeMessage() (string, Status) {
	message := (*C.char)(C.calloc(1, longestMessage))
	defer C.free(unsafe.Pointer(message))
	status := C.haltbox_take_message(h.c, message, longestMessage)
	return C.GoString(message), Status(status)
}

// Stats returns the state of the recorder.
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

// Flush starts to write the ring to the disk.
func (h Handle) Flush() Status { return Status(C.haltbox_flush(h.c)) }

// Close closes the ring. The handle stays valid, and calls return Closed.
func (h Handle) Close() Status { return Status(C.haltbox_close(&h.c)) }

// Version returns the version of the library.
func Version() string { return C.GoString(C.haltbox_version()) }

// octets returns NULL for no bytes: the address of an empty slice has no meaning.
func octets(bytes []byte) *C.uint8_t {
	if len(bytes) == 0 {
		return nil
	}
	return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(bytes)))
}

// texts are copies for C, which live until the call returns.
type texts []*C.char

// add returns NULL for an empty text, which means the library's default.
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
