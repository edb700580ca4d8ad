// Package lane has the order in which entries of the execution come into the ring.
package lane

import (
	"bytes"
	"sync"

	"github.com/haltbox/haltbox/ffi/go/internal/api"
)

// Lane is that of one recorder. Entries of which a block has thousands are laid into a
// part of the ring that is lent: the way through cgo and back costs as much as the entry.
// All others are calls, which end the lending, so a call and what is laid never meet.
//
// Its lock is held by who records, from the first byte of an entry on that is put
// together in memory that is used again. The zero value is ready.
type Lane struct {
	sync.Mutex
	span api.Span
	// calls: this ring is written by calls alone.
	calls bool
}

// Of gives the lane of a recorder, and what it calls, for packages of this module that
// hold the lock for more than one entry. Package haltbox sets it.
var Of func(recorder any) (*Lane, *api.Handle)

// Record lays an entry, or has the library record it.
func (l *Lane) Record(handle api.Handle, entry []byte) api.Status {
	l.Lock()
	status := l.RecordLocked(handle, entry)
	l.Unlock()
	return status
}

// RecordLocked does the same for who has the lock.
func (l *Lane) RecordLocked(handle api.Handle, entry []byte) api.Status {
	if isLaid(entry) && (l.span.Lay(entry) || l.renew(handle) && l.span.Lay(entry)) {
		return api.OK
	}
	return l.record(handle, entry)
}

// LayLocked lays a record: room for its header, and behind it an entry of a type that is
// laid, without a line end.
func (l *Lane) LayLocked(handle api.Handle, record []byte) api.Status {
	if l.span.LayRecord(record) || l.renew(handle) && l.span.LayRecord(record) {
		return api.OK
	}
	return l.record(handle, record[api.HeaderSize:])
}

// renew has a part lent anew; false if there is none.
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

// Call makes a call that records, behind all that was laid.
func (l *Lane) Call(call func() api.Status) api.Status {
	l.Lock()
	defer l.Unlock()
	l.span.Renew(api.Span{})
	return call()
}

// Close gives back what is lent, and closes.
func (l *Lane) Close(handle *api.Handle) api.Status {
	return l.Call(func() api.Status {
		handle.GiveBack()
		return handle.Close()
	})
}

// isLaid: an entry that marks nothing, whatever else stands in it.
func isLaid(entry []byte) bool {
	begins := func(kind string) bool {
		return len(entry) >= len(kind) && string(entry[:len(kind)]) == kind
	}
	return (begins(operation) || begins(transaction) || begins(branch)) && bytes.IndexByte(entry, '\n') < 0
}

const operation, transaction, branch = `{"type":"op-`, `{"type":"tx-`, `{"type":"branch`
