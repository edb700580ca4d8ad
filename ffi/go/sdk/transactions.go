package sdk

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"cosmossdk.io/store/cachekv"
	"cosmossdk.io/store/tracekv"
	storetypes "cosmossdk.io/store/types"
	sdktypes "github.com/cosmos/cosmos-sdk/types"

	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// transactions of a block. The ante handler tells which one it is called for. Where
// BaseApp has none, its own tracing of stores tells it, which costs two digests and two
// texts for each transaction.
type transactions struct {
	// anteTells: the ante handler is asked to tell.
	anteTells bool
	// ante is the branch that the ante handler was called on last.
	ante *branch
	// next is the number of the transaction behind the one that was begun last.
	next int
	// inTx: operations belong to the transaction that was begun last.
	inTx bool
	// hash of that, and the branch on which its first half runs; only if BaseApp tells.
	hash  string
	first *branch
	// passed: that branch was written.
	passed bool
}

// leave ends a transaction where the block's own branch is used: BaseApp reads
// consensus parameters before each transaction.
func (t *transactions) leave(attempt *kvtrace.Attempt) {
	if t.inTx {
		t.inTx = false
		attempt.EndTx()
	}
}

// wrote tells that a branch was given to its parent.
func (t *transactions) wrote(of *branch) {
	if of == t.first {
		t.first, t.passed = nil, true
	}
}

// beginTx is told by the ante handler. BaseApp calls it once for each transaction, on a
// new branch. A handler that is wrapped twice tells twice of one branch. A module may call
// it outside of any transaction, where the context has no bytes: they would be those of an
// empty transaction. One that the block holds is not told either, since nothing tells the
// two apart; the SDK refuses it before the ante handler.
func (c *course) beginTx(tx []byte, on *branch) {
	if len(tx) == 0 || on == c.ante {
		return
	}
	c.ante = on
	for number := c.next; number < len(c.txs); number++ {
		if bytes.Equal(c.txs[number], tx) {
			c.enterTx(number)
			return
		}
	}
}

func (c *course) enterTx(number int) {
	c.next, c.inTx = number+1, true
	c.attempt.BeginTx(number, c.txs[number], messageTypes(c.txs[number])...)
}

// beginTxOf is told by BaseApp on a branch for the ante handler, and if that passed on
// one for the messages.
func (c *course) beginTxOf(hash string, on *branch) {
	if c.inTx && c.passed && c.hash == hash {
		c.passed = false
		return
	}
	for number := c.next; number < len(c.txs); number++ {
		sum := sha256.Sum256(c.txs[number])
		if strings.EqualFold(hex.EncodeToString(sum[:]), hash) {
			c.hash, c.first, c.passed = hash, on, false
			c.enterTx(number)
			return
		}
	}
}

// partTransactions has the ante handler tell which transaction it is called for.
func (s *commitStore) partTransactions() {
	inner := s.base.AnteHandler()
	if inner == nil {
		return
	}
	s.told.anteTells = true
	s.base.SetAnteHandler(func(ctx sdktypes.Context, tx sdktypes.Tx, simulate bool) (sdktypes.Context, error) {
		on, is := ctx.MultiStore().(*branch)
		if is && on.parent.isRoot() && on.course.attempt != nil {
			on.course.beginTx(ctx.TxBytes(), on)
		}
		return inner(ctx, tx, simulate)
	})
}

// otherRunner is what executes the transactions of a block if that is not BaseApp,
// which executes one after the other. Before v0.54 there is none.
func (s *commitStore) otherRunner() string { return "" }

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
