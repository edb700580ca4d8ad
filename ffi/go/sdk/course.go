package sdk

import (
	"fmt"
	"sync/atomic"

	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// course of the execution of one block.
type course struct {
	// attempt that is recorded; nil if this execution is not.
	attempt *kvtrace.Attempt
	txs     [][]byte
	// hasPreBlock: BeginBlock is told.
	hasPreBlock bool
	// begun, written: the block's own branch was used, and written.
	begun   atomic.Bool
	written bool
	// preBlocked: PreBlock told its end.
	preBlocked bool
	// sequence of the transactions, and who is told that there is none.
	sequence
	onDisorder func(found string)
	// transactions of the block.
	transactions
}

// use tells that a store of a branch is asked for.
func (c *course) use(of *branch, store string) {
	if c.attempt == nil {
		return
	}
	if !c.allows(of) {
		c.disorder("store %s is used on a branch of transaction %d after it ended, or of an earlier one", store, c.begunLast())
		return
	}
	if !of.isRoot() {
		return
	}
	if !c.begun.Load() && c.begun.CompareAndSwap(false, true) {
		c.attempt.Record(phase(c.beginning()))
	}
	c.leave()
}

// wrote tells that a branch was given to its parent. A transaction that is executed late
// may have taken its stores before, and shows here. One that fails writes no branch: what
// such a one does late is noticed only where it asks for a store.
func (c *course) wrote(of *branch) {
	if c.attempt != nil && !c.allows(of) {
		c.disorder("a branch of transaction %d is written after it ended, or one of an earlier one", c.begunLast())
	}
	c.attempt.Written(of.traced)
	if of.isRoot() {
		c.written = true
	}
	c.transactions.wrote(of)
}

// disorder: transactions are executed at the same time. It is told once, with what was found.
func (c *course) disorder(format string, found ...any) {
	if c.lost.CompareAndSwap(false, true) && c.onDisorder != nil {
		c.onDisorder(fmt.Sprintf(format, found...))
	}
}

// endTxs: what follows is the end of the block.
func (c *course) endTxs() {
	if c.attempt == nil {
		return
	}
	c.leave()
	c.executing.Store(false)
	c.attempt.EndTx()
	c.attempt.Record(phase("EndBlock"))
}

// beginning is what a block begins with.
func (c *course) beginning() string {
	if c.hasPreBlock {
		return "PreBlock"
	}
	return "BeginBlock"
}

// preBlockEnded: what follows is BeginBlock. A block has one such end: told twice, it
// would have another HASH than on a node where it is told once.
func (c *course) preBlockEnded() {
	if c.attempt == nil || c.preBlocked {
		return
	}
	c.preBlocked = true
	c.attempt.EndTx()
	c.attempt.Record(phase("BeginBlock"))
}

// phase is an entry that parts what no transaction does.
func phase(name string) []byte {
	return []byte(`{"type":"step-phase","phase":"` + name + `"}`)
}
