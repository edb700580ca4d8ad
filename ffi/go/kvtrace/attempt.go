package kvtrace

import (
	"crypto/sha256"
	"strconv"
	"sync/atomic"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/internal/api"
	"github.com/haltbox/haltbox/ffi/go/internal/entry"
	"github.com/haltbox/haltbox/ffi/go/internal/lane"
)

// outside is the number for operations outside any transaction.
const outside = -1

// Options of a tracer.
type Options struct {
	// ValueBytes is the length up to which values are recorded as they are, beside their digests; 0
	// for none. Nodes with different limits can still be compared. Consider who will see the box.
	ValueBytes int
}

// Tracer creates the attempts of one recorder. A nil Tracer is switched off.
type Tracer struct {
	options Options
	current atomic.Pointer[Attempt]
	// lane belongs to the recorder. An operation holds its lock until it is recorded. Only one
	// attempt runs at a time, so the reused buffers below belong to the tracer and outlive it.
	lane    *lane.Lane
	handle  *api.Handle
	entry   entry.Entry
	digests entry.Digests
}

// New returns nil for a recorder that is switched off.
func New(recorder *haltbox.Recorder, options Options) *Tracer {
	if recorder == nil {
		return nil
	}
	tracer := &Tracer{options: options}
	tracer.lane, tracer.handle = lane.Of(recorder)
	recorder.AtBoundary(tracer.End)
	return tracer
}

// Begin starts the execution of a block, after [haltbox.Recorder.BeginBlock]. Operations of an
// earlier attempt are not recorded any more: that attempt was discarded. The ABCI adapter calls it.
func (t *Tracer) Begin() *Attempt { return t.BeginWith(nil, nil) }

// BeginWith does the same if the caller has digests (SHA-256) of the block's transactions:
// [Attempt.BeginTx] then computes none for these very slices. Nobody may change their contents.
func (t *Tracer) BeginWith(txs [][]byte, digests [][sha256.Size]byte) *Attempt {
	if t == nil {
		return nil
	}
	attempt := &Attempt{tracer: t, txs: txs[:min(len(txs), len(digests))], digests: digests}
	attempt.members = make([]byte, 0, longestMembers)
	attempt.enterTx(outside)
	t.current.Swap(attempt).retire()
	return attempt
}

// End ends the current attempt. It waits for an operation that is being recorded, and afterwards
// none of the attempt's operations is recorded. The recorder calls it before a block begins, ends
// or is aborted, so that a late operation never stands in another block.
func (t *Tracer) End() {
	if t == nil {
		return
	}
	t.current.Swap(nil).retire()
}

// Attempt returns the current attempt; nil between two blocks, and if the tracer is off. Take it
// once, when the execution begins, and keep it. An execution that runs in its own goroutine, and
// may be aborted, takes it before that goroutine starts.
func (t *Tracer) Attempt() *Attempt {
	if t == nil {
		return nil
	}
	return t.current.Load()
}

// Attempt is one execution of a block. A nil Attempt is not recorded.
type Attempt struct {
	tracer *Tracer
	// txs are transactions whose digests are known.
	txs     [][]byte
	digests [][sha256.Size]byte
	// The fields below are under the lane's lock.
	op int64
	// members are the members behind the type of every operation, up to its number: those of the
	// transaction.
	members []byte
	// branch is the branch of the operations, as recorded last; nil if unknown.
	branch *Branch
	// branches counts the recorded branches, without the execution's own.
	branches int64
	// over must be read under the lock that an operation holds until it is recorded: a read before
	// taking the lock could be out of date.
	over bool
}

// BeginTx records that the execution of the block's transaction with this number, counted from 0,
// begins. The types of its messages are for people, and are not compared.
func (a *Attempt) BeginTx(number int, tx []byte, messages ...string) {
	if !a.enter() {
		return
	}
	a.enterTx(int64(number))
	e := a.tracer.entry.Begin("tx-begin").Int("tx", int64(number))
	if known := a.digestOf(number, tx); known != nil {
		e.Hex("digest", known)
	} else {
		e.Digest("digest", present(tx))
	}
	e.Int("bytes", int64(len(tx)))
	if len(messages) > 0 {
		e.Open("local").Texts("messages", messages).Shut()
	}
	a.leave()
}

// digestOf returns the digest of a transaction, if it is known.
func (a *Attempt) digestOf(number int, tx []byte) []byte {
	if number < 0 || number >= len(a.txs) || len(tx) == 0 {
		return nil
	}
	if known := a.txs[number]; len(known) != len(tx) || &known[0] != &tx[0] {
		return nil
	}
	return a.digests[number][:]
}

// EndTx ends the transaction: later operations belong to the block.
func (a *Attempt) EndTx() {
	if a == nil {
		return
	}
	a.tracer.lane.Lock()
	a.enterTx(outside)
	a.tracer.lane.Unlock()
}

// enterTx starts to count operations again.
func (a *Attempt) enterTx(number int64) {
	a.op, a.members = 0, a.members[:0]
	if number != outside {
		a.members = strconv.AppendInt(append(a.members, `,"tx":`...), number, 10)
	}
	a.members = append(a.members, `,"op":`...)
}

// longestMembers is the length of the members with the greatest number.
const longestMembers = 32

// Record records an entry of the application's own, like [haltbox.Recorder.Record], unless this
// execution was discarded.
func (a *Attempt) Record(line []byte) {
	if !a.enter() {
		return
	}
	defer a.tracer.lane.Unlock()
	_ = a.tracer.lane.RecordLocked(*a.tracer.handle, line)
}

// kind is the kind of an operation: the beginning of its entry.
type kind string

const (
	read    kind = `{"type":"op-read"`
	has     kind = `{"type":"op-has"`
	write   kind = `{"type":"op-write"`
	remove  kind = `{"type":"op-delete"`
	iterate kind = `{"type":"op-iterate"`
	next    kind = `{"type":"op-next"`
)

// begin starts the entry of an operation on a branch, and returns its number. If it returns an
// entry, the caller must call leave.
func (a *Attempt) begin(kind kind, branch *Branch, store string) (*entry.Entry, int64) {
	if !a.enter() {
		return nil, 0
	}
	a.on(branch)
	op := a.op
	a.op++
	return a.tracer.entry.BeginWith(string(kind), a.members, op).Text("store", store), op
}

// value writes the digest of a value, and a short value itself. A read has no other member that
// depends on the value: the reads of a key on two nodes differ in `value` alone, and a comparison
// recognises a different result by that.
func (a *Attempt) value(value []byte) {
	e := a.tracer.entry.DigestBy(&a.tracer.digests, "value", value)
	if bound := a.tracer.options.ValueBytes; value != nil && len(value) <= bound && bound > 0 {
		e.Open("local").Hex("value", value).Shut()
	}
}

// enter takes the lock, if this attempt is recorded.
func (a *Attempt) enter() bool {
	if a == nil {
		return false
	}
	a.tracer.lane.Lock()
	if a.over {
		a.tracer.lane.Unlock()
		return false
	}
	return true
}

// retire waits for the current operation, and prevents any other.
func (a *Attempt) retire() {
	if a == nil {
		return
	}
	a.tracer.lane.Lock()
	a.over = true
	a.tracer.lane.Unlock()
}

// leave records the entry, and releases the lock.
func (a *Attempt) leave() {
	a.record(&a.tracer.entry)
	a.tracer.lane.Unlock()
}

// record records an entry. A failure of the recorder does not concern the execution.
func (a *Attempt) record(e *entry.Entry) {
	_ = a.tracer.lane.LayLocked(*a.tracer.handle, e.EndBehindRoom())
}

// present returns an empty slice for nil, so that an empty value is not recorded as absent.
func present(bytes []byte) []byte {
	if bytes == nil {
		return []byte{}
	}
	return bytes
}
