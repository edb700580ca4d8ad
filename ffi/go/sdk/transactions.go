package sdk

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"cosmossdk.io/store/cachekv"
	"cosmossdk.io/store/tracekv"
	storetypes "cosmossdk.io/store/types"

	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// transactions of a block. Up to v0.53 the SDK tells by its own tracing of stores which
// one it executes.
type transactions struct {
	// next is the number of the transaction behind the one that was begun last.
	next int
	// inTx: operations belong to the transaction that was begun last.
	inTx bool
	// hash of that, and the branch on which its ante handler runs.
	hash string
	ante *branch
	// passed: the ante handler's branch was written.
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
	if of == t.ante {
		t.ante, t.passed = nil, true
	}
}

// beginTx is told on a branch for the ante handler, and if that passed on one for the
// messages.
func (c *course) beginTx(on *branch, hash string) {
	if c.attempt == nil {
		return
	}
	if c.inTx && c.passed && c.hash == hash {
		c.passed = false
		return
	}
	for number := c.next; number < len(c.txs); number++ {
		sum := sha256.Sum256(c.txs[number])
		if strings.EqualFold(hex.EncodeToString(sum[:]), hash) {
			c.transactions = transactions{next: number + 1, inTx: true, hash: hash, ante: on}
			c.attempt.BeginTx(number, c.txs[number], messageTypes(c.txs[number])...)
			return
		}
	}
}

// partTransactions has nothing to do: the branch is told, see SetTracingContext.
func (s *commitStore) partTransactions() {}

// otherRunner is what executes the transactions of a block if that is not BaseApp,
// which executes one after the other. Before v0.54 there is none.
func (s *commitStore) otherRunner() string { return "" }

// TracingEnabled: BaseApp then tells by SetTracingContext which transaction it
// executes.
func (b *branch) TracingEnabled() bool { return true }

// SetTracingContext is told of a transaction by BaseApp on a new branch of its own, and
// of none at all behind the last.
func (b *branch) SetTracingContext(told storetypes.TraceContext) storetypes.MultiStore {
	if b.cached.TracingEnabled() {
		b.cached = b.cached.SetTracingContext(told).(storetypes.CacheMultiStore)
	}
	if hash, is := told["txHash"]; is && b.parent.isRoot() {
		b.course.beginTx(b, fmt.Sprint(hash))
	} else if told == nil && b.isRoot() {
		b.course.endTxs()
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
