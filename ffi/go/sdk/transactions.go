package sdk

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"cosmossdk.io/store/cachekv"
	"cosmossdk.io/store/tracekv"
	storetypes "cosmossdk.io/store/types"
	sdktypes "github.com/cosmos/cosmos-sdk/types"
)

// told is what a chain's blocks have in common: who tells of their transactions.
type told struct {
	// anteTells: the ante handler is asked to tell.
	anteTells bool
}

// transactions of a block. The ante handler tells which one it is called for. Where
// BaseApp has none, its own tracing of stores tells it, which costs two digests and two
// texts for each transaction.
type transactions struct {
	told
	// inTx: operations belong to the transaction that was begun last.
	inTx atomic.Bool
	// lock is for transactions that begin at the same time.
	lock sync.Mutex
	// ante is the branch that the ante handler was called on last.
	ante *branch
	// next is the number of the transaction behind the one that was begun last.
	next int
	// hash of that, and the branch on which its first half runs; only if BaseApp tells.
	hash  string
	first *branch
	// passed: that branch was written.
	passed bool
}

// leave ends a transaction where the block's own branch is used: BaseApp reads
// consensus parameters before each transaction.
func (c *course) leave() {
	if c.executing.Load() {
		c.close()
	}
	if c.inTx.Load() && c.inTx.CompareAndSwap(true, false) {
		c.attempt.EndTx()
	}
}

// wrote tells that a branch was given to its parent.
func (t *transactions) wrote(of *branch) {
	if t.anteTells {
		return
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	if of == t.first {
		t.first, t.passed = nil, true
	}
}

// beginTx is told by the ante handler. BaseApp calls it once for each transaction, on a
// new branch. A handler that is wrapped twice tells twice of one branch. A module may call
// it outside of any transaction, where the context has no bytes: they would be those of an
// empty transaction. One that the block holds is not told either, since nothing tells the
// two apart; the SDK refuses it before the ante handler. A message may call it with the bytes
// of its own transaction, which goes on then.
func (c *course) beginTx(tx []byte, on *branch) {
	if c.isLate(tx, on) {
		c.disorder("transaction %d is executed once more or out of order, behind transaction %d", c.placeOf(tx), c.begunLast())
	}
}

// isLate begins the transaction that the ante handler is called for, and tells whether it is
// one of the block's whose turn it is not.
func (c *course) isLate(tx []byte, on *branch) bool {
	c.lock.Lock()
	defer c.lock.Unlock()
	if len(tx) == 0 || on == c.ante || c.isUnderWay(tx) {
		return false
	}
	c.ante = on
	return !c.enterTx(tx) && c.executing.Load() && c.holds(tx)
}

// isUnderWay tells whether a transaction is the one that was begun last, and not over.
func (c *course) isUnderWay(tx []byte) bool {
	return c.inTx.Load() && c.next > 0 && bytes.Equal(c.txs[c.next-1], tx)
}

// enterTx begins the next transaction of these bytes, if there is one.
func (c *course) enterTx(tx []byte) bool {
	for number := c.next; number < len(c.txs); number++ {
		if bytes.Equal(c.txs[number], tx) {
			c.enter(number)
			return true
		}
	}
	return false
}

// holds tells whether a transaction is one of the block's.
func (c *course) holds(tx []byte) bool { return c.placeOf(tx) >= 0 }

// placeOf is a transaction's number in the block; -1 if it is none of the block's.
func (c *course) placeOf(tx []byte) int {
	return slices.IndexFunc(c.txs, func(one []byte) bool { return bytes.Equal(one, tx) })
}

// begunLast is the number of the transaction that was begun last; -1 for none.
func (t *transactions) begunLast() int {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.next - 1
}

func (c *course) enter(number int) {
	c.next = number + 1
	c.inTx.Store(true)
	c.executing.Store(true)
	c.attempt.BeginTx(number, c.txs[number], messageTypes(c.txs[number])...)
}

// beginTxOf is told by BaseApp on a branch for the ante handler, and if that passed on
// one for the messages.
func (c *course) beginTxOf(hash string, on *branch) {
	c.lock.Lock()
	defer c.lock.Unlock()
	if c.inTx.Load() && c.passed && c.hash == hash {
		c.passed = false
		return
	}
	for number := c.next; number < len(c.txs); number++ {
		sum := sha256.Sum256(c.txs[number])
		if strings.EqualFold(hex.EncodeToString(sum[:]), hash) {
			c.hash, c.first, c.passed = hash, on, false
			c.enter(number)
			return
		}
	}
}

// partTransactions has the ante handler tell which transaction it is called for. A chain
// that executes transactions at the same time calls it on stores of its own.
func (s *commitStore) partTransactions() {
	inner := s.base.AnteHandler()
	if inner == nil {
		return
	}
	s.told.anteTells = true
	s.base.SetAnteHandler(func(ctx sdktypes.Context, tx sdktypes.Tx, simulate bool) (sdktypes.Context, error) {
		on, is := ctx.MultiStore().(*branch)
		switch {
		case !is && !simulate && ctx.ExecMode() == sdktypes.ExecModeFinalize && len(ctx.TxBytes()) > 0:
			s.untold(ctx.TxBytes())
		case is && on.parent.isRoot() && on.course.attempt != nil:
			on.course.beginTx(ctx.TxBytes(), on)
		}
		return inner(ctx, tx, simulate)
	})
}

// untold: a transaction is executed on a store that is not traced. One that the block under
// way does not hold is none of its own: a query may execute one meanwhile, as debug_trace of
// EVM chains does.
func (s *commitStore) untold(tx []byte) {
	s.lock.Lock()
	at := s.course
	executes := at != nil && at.attempt != nil && at.begun.Load() && !at.lost.Load() && at.holds(tx)
	s.lock.Unlock()
	if executes {
		at.disorder("transaction %d is executed on a store that is not the block's", at.placeOf(tx))
	}
}

// executors are the fields of BaseApp that forks of the SDK have for what executes
// transactions in its place, as Cronos's fork has for Block-STM.
var executors = []string{"txExecutor", "txRunner"}

// otherRunner is what executes the transactions of a block if that is not BaseApp, unless
// it is said that it executes one after the other. The SDK before v0.54 has none.
func (s *commitStore) otherRunner() string {
	if s.sequential {
		return ""
	}
	return executorOf(reflect.ValueOf(s.base).Elem())
}

// executorOf is the field that an application has an executor in; empty for none.
func executorOf(app reflect.Value) string {
	for _, name := range executors {
		field := app.FieldByName(name)
		if kind := field.Kind(); (kind == reflect.Interface || kind == reflect.Func) && !field.IsNil() {
			return "the chain's own BaseApp." + name
		}
	}
	return ""
}

// mayOverlap tells whether transactions may turn out to be executed at the same time. The
// SDK before v0.54 never does that. A fork of it may, and so may what is said to be
// sequential.
func (s *commitStore) mayOverlap() bool {
	built, is := debug.ReadBuildInfo()
	return s.sequential || is && isFork(built.Deps)
}

func isFork(modules []*debug.Module) bool {
	return slices.ContainsFunc(modules, func(module *debug.Module) bool {
		return module.Path == "github.com/cosmos/cosmos-sdk" && module.Replace != nil
	})
}

// TracingEnabled: BaseApp then tells by SetTracingContext which transaction it
// executes, and on the block's own branch that there are no more.
func (b *branch) TracingEnabled() bool {
	return b.isRoot() || !b.course.anteTells || b.cached.TracingEnabled()
}

// SetTracingContext is told of a transaction by BaseApp on a new branch of its own, and
// of none at all behind the last.
func (b *branch) SetTracingContext(told storetypes.TraceContext) storetypes.MultiStore {
	if b.cached.TracingEnabled() {
		b.cached = b.cached.SetTracingContext(told).(storetypes.CacheMultiStore)
	}
	hash, is := told["txHash"]
	switch {
	case told == nil && b.isRoot():
		b.course.endTxs()
	case is && b.parent.isRoot() && !b.course.anteTells && b.course.attempt != nil:
		b.course.beginTxOf(fmt.Sprint(hash), b)
	}
	return b
}

// SetTracer is that of the SDK's own tracing, which stays as it is.
func (b *branch) SetTracer(writer io.Writer) storetypes.MultiStore {
	b.cached = b.cached.SetTracer(writer).(storetypes.CacheMultiStore)
	return b
}

// CacheWrapWithTrace branches off, as do the SDK's own.
func (b *branch) CacheWrapWithTrace(io.Writer, storetypes.TraceContext) storetypes.CacheWrap {
	return b.CacheWrap()
}

func (s *store) CacheWrapWithTrace(w io.Writer, tc storetypes.TraceContext) storetypes.CacheWrap {
	return cachekv.NewStore(tracekv.NewStore(s, w, tc))
}
