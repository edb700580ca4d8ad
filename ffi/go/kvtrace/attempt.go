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

// outside of any transaction.
const outside = -1

// Options of a tracer.
type Options struct {
	// ValueBytes is the length up to which values are recorded as they are,
	// beside their digests; 0 for none. Nodes with different bounds can still be
	// compared. Mind who will see the box.
	ValueBytes int
}

// Tracer makes the attempts of one recorder. Nil is one that is switched off.
type Tracer struct {
	options Options
	current atomic.Pointer[Attempt]
	// lane is the recorder's. Its lock is held by an operation until it is recorded. One
	// attempt alone is under way, so what is used again is the tracer's, and outlives it.
	lane    *lane.Lane
	handle  *api.Handle
	entry   entry.Entry
	digests entry.Digests
}

// New gives nil for a recorder that is switched off.
func New(recorder *haltbox.Recorder, options Options) *Tracer {
	if recorder == nil {
		return nil
	}
	tracer := &Tracer{options: options}
	tracer.lane, tracer.handle = lane.Of(recorder)
	recorder.AtBoundary(tracer.End)
	return tracer
}

// Begin starts the execution of a block, behind [haltbox.Recorder.BeginBlock].
// What an earlier attempt still does is not recorded any more: it was thrown
// away. The ABCI adapter calls it.
func (t *Tracer) Begin() *Attempt { return t.BeginWith(nil, nil) }

// BeginWith does the same for who has digests (SHA-256) of the block's transactions:
// [Attempt.BeginTx] makes none then of one of these very slices. Nobody may change what is
// in them.
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

// End ends the attempt under way: an operation that is being recorded is waited
// for, and once End returned none of its operations is recorded any more. The
// recorder has it called before a block begins, ends or is aborted, so that what
// an execution does too late never stands in another block.
func (t *Tracer) End() {
	if t == nil {
		return
	}
	t.current.Swap(nil).retire()
}

// Attempt gives the one that is under way; nil between two blocks, and if the
// tracer is off. Take it once, as the execution begins, and keep to it. An
// execution that runs in a goroutine of its own, and may be aborted, takes it
// before that goroutine starts.
func (t *Tracer) Attempt() *Attempt {
	if t == nil {
		return nil
	}
	return t.current.Load()
}

// Attempt is one execution of a block. Nil is one that is not recorded.
type Attempt struct {
	tracer *Tracer
	// txs whose digests are known.
	txs     [][]byte
	digests [][sha256.Size]byte
	// Under the lane's lock.
	op int64
	// members that every operation has behind its type, up to the number: those of
	// the transaction.
	members []byte
	// branch that the operations are made on, as was told; nil if nobody knows.
	branch *Branch
	// branches that were told of, beside the execution's own.
	branches int64
	// over is looked at under the lock that an operation holds until it is
	// recorded: a look before taking it would be out of date.
	over bool
}

// BeginTx tells that the execution of the block's transaction with this number,
// counted from 0, begins. The types of its messages are told to people, and compared
// with nothing.
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

// digestOf a transaction, if it is known.
func (a *Attempt) digestOf(number int, tx []byte) []byte {
	if number < 0 || number >= len(a.txs) || len(tx) == 0 {
		return nil
	}
	if known := a.txs[number]; len(known) != len(tx) || &known[0] != &tx[0] {
		return nil
	}
	return a.digests[number][:]
}

// EndTx tells that it ended: what follows belongs to the block.
func (a *Attempt) EndTx() {
	if a == nil {
		return
	}
	a.tracer.lane.Lock()
	a.enterTx(outside)
	a.tracer.lane.Unlock()
}

// enterTx counts operations anew.
func (a *Attempt) enterTx(number int64) {
	a.op, a.members = 0, a.members[:0]
	if number != outside {
		a.members = strconv.AppendInt(append(a.members, `,"tx":`...), number, 10)
	}
	a.members = append(a.members, `,"op":`...)
}

// longestMembers is the length with the greatest number.
const longestMembers = 32

// Record keeps an entry of the application's own, as [haltbox.Recorder.Record]
// does, unless this execution was thrown away.
func (a *Attempt) Record(line []byte) {
	if !a.enter() {
		return
	}
	defer a.tracer.lane.Unlock()
	_ = a.tracer.lane.RecordLocked(*a.tracer.handle, line)
}

// kind of an operation: how its entry begins.
type kind string

const (
	read    kind = `{"type":"op-read"`
	has     kind = `{"type":"op-has"`
	write   kind = `{"type":"op-write"`
	remove  kind = `{"type":"op-delete"`
	iterate kind = `{"type":"op-iterate"`
	next    kind = `{"type":"op-next"`
)

// begin starts the entry of an operation on a branch, and gives its number. It is
// followed by leave if it gives an entry.
func (a *Attempt) begin(kind kind, branch *Branch, store string) (*entry.Entry, int64) {
	if !a.enter() {
		return nil, 0
	}
	a.on(branch)
	op := a.op
	a.op++
	return a.tracer.entry.BeginWith(string(kind), a.members, op).Text("store", store), op
}

// value writes a value's digest, and if it is short the value. A read has no
// other member that depends on it: two nodes' reads of a key differ in `value`
// alone, and that is how a comparison knows a read that gave something else.
func (a *Attempt) value(value []byte) {
	e := a.tracer.entry.DigestBy(&a.tracer.digests, "value", value)
	if bound := a.tracer.options.ValueBytes; value != nil && len(value) <= bound && bound > 0 {
		e.Open("local").Hex("value", value).Shut()
	}
}

// enter takes the lock if this attempt is recorded.
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

// retire waits for the operation under way, and lets no other begin.
func (a *Attempt) retire() {
	if a == nil {
		return
	}
	a.tracer.lane.Lock()
	a.over = true
	a.tracer.lane.Unlock()
}

// leave records the entry, and gives the lock back.
func (a *Attempt) leave() {
	a.record(&a.tracer.entry)
	a.tracer.lane.Unlock()
}

// record keeps an entry. What the recorder cannot keep is no matter for the execution.
func (a *Attempt) record(e *entry.Entry) {
	_ = a.tracer.lane.LayLocked(*a.tracer.handle, e.EndBehindRoom())
}

// present tells no bytes from nothing.
func present(bytes []byte) []byte {
	if bytes == nil {
		return []byte{}
	}
	return bytes
}
