package haltbox

import (
	"bytes"
	"sync"

	"github.com/haltbox/haltbox/ffi/go/internal/api"
)

// lane is the order in which entries of the execution come into the ring. Those of
// which a block has thousands are laid into a part of the ring that is lent: the way
// through cgo and back costs as much as the entry. All others are calls, which end the
// lending, so a call and what is laid never meet.
type lane struct {
	lock sync.Mutex
	span api.Span
	// calls: this ring is written by calls alone.
	calls bool
}

// record lays an entry, or has the library record it.
func (l *lane) record(handle api.Handle, entry []byte) api.Status {
	l.lock.Lock()
	if isLaid(entry) && l.lay(handle, entry) {
		l.lock.Unlock()
		return api.OK
	}
	l.span.Renew(api.Span{})
	status := handle.Record(entry)
	l.lock.Unlock()
	return status
}

// lay lays an entry into what is lent, or into what can be lent anew.
func (l *lane) lay(handle api.Handle, entry []byte) bool {
	if l.span.Lay(entry) {
		return true
	}
	if l.calls {
		return false
	}
	span, status := handle.Lend()
	l.span.Renew(span)
	l.calls = status < 0
	return !l.calls && l.span.Lay(entry)
}

// call makes a call that records, behind all that was laid.
func (l *lane) call(call func() api.Status) api.Status {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.span.Renew(api.Span{})
	return call()
}

// close gives back what is lent, and closes.
func (l *lane) close(handle *api.Handle) api.Status {
	return l.call(func() api.Status {
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
