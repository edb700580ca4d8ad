// Package lane orders the entries of the execution on their way into the ring.
package lane

import (
	"bytes"
	"sync"

	"github.com/haltbox/haltbox/ffi/go/internal/api"
)

// Lane belongs to one recorder. Entries of which a block has thousands are written directly into a
// lent part of the ring, because a call through cgo costs as much as the entry. All other entries
// are calls, which end the lending, so calls and direct writes never overlap.
//
// Whoever records holds its lock, from the first byte of an entry that is assembled in a reused
// buffer. The zero value is ready.
type Lane struct {
	sync.Mutex
	span api.Span
	// calls is true if this ring is written by calls alone.
	calls bool
}

// Of returns the lane and the handle of a recorder, for packages of this module that hold the lock
// for more than one entry. Package haltbox sets it.
var Of func(recorder any) (*Lane, *api.Handle)

// Record writes an entry directly, or lets the library record it.
func (l *Lane) Record(handle api.Handle, entry []byte) api.Status {
	l.Lock()
	status := l.RecordLocked(handle, entry)
	l.Unlock()
	return status
}

// RecordLocked does the same. The caller holds the lock.
func (l *Lane) RecordLocked(handle api.Handle, entry []byte) api.Status {
	if isLaid(entry) && (l.span.Lay(entry) || l.renew(handle) && l.span.Lay(entry)) {
		return api.OK
	}
	return l.record(handle, entry)
}

// LayLocked writes a record directly: room for its header, and behind it an entry of a type that
// may be written so, without a line end. The caller holds the lock.
func (l *Lane) LayLocked(handle api.Handle, record []byte) api.Status {
	if l.span.LayRecord(record) || l.renew(handle) && l.span.LayRecord(record) {
		return api.OK
	}
	return l.record(handle, record[api.HeaderSize:])
}

// renew borrows a new part; false if this ring is never lent.
func (l *Lane) renew(handle api.Handle) bool {
	if l.calls {
		return false
	}
	span, status := handle.Lend()
	l.span.Renew(span)
	l.calls = status < 0
	return !l.calls
}

func (l *Lane) record(handle api.Handle, entry []byte) api.Status {
	l.span.Renew(api.Span{})
	return handle.Record(entry)
}

// Call makes a call that records, behind all direct writes.
func (l *Lane) Call(call func() api.Status) api.Status {
	l.Lock()
	defer l.Unlock()
	l.span.Renew(api.Span{})
	return call()
}

// Close returns the lent part, and closes the recorder.
func (l *Lane) Close(handle *api.Handle) api.Status {
	return l.Call(func() api.Status {
		handle.GiveBack()
		return handle.Close()
	})
}

// isLaid reports whether an entry may be written directly: its type marks nothing, whatever else it
// contains.
func isLaid(entry []byte) bool {
	begins := func(kind string) bool {
		return len(entry) >= len(kind) && string(entry[:len(kind)]) == kind
	}
	return (begins(operation) || begins(transaction) || begins(branch)) && bytes.IndexByte(entry, '\n') < 0
}

const operation, transaction, branch = `{"type":"op-`, `{"type":"tx-`, `{"type":"branch`
