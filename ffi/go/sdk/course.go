package sdk

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// course of the execution of one block.
type course struct {
	// attempt that is recorded; nil if this execution is not.
	attempt *kvtrace.Attempt
	txs     [][]byte
	// hasPreBlock: BeginBlock is told.
	hasPreBlock bool
	// next is the number of the transaction behind the one that was begun last.
	next int
	// inTx: operations belong to the transaction that was begun last.
	inTx bool
	// hash of that, and the branch on which its ante handler runs.
	hash string
	ante *branch
	// begun, written: the block's own branch was used, and written.
	begun, written bool
	// passed: the ante handler's branch was written.
	passed bool
}

// use tells that a store of a branch is asked for. What is done on the block's own
// branch is not a transaction's: BaseApp reads consensus parameters before each.
func (c *course) use(of *branch) {
	if c.attempt == nil || !of.isRoot() {
		return
	}
	if !c.begun {
		c.begun = true
		c.attempt.Record(phase(c.beginning()))
	}
	if c.inTx {
		c.inTx = false
		c.attempt.EndTx()
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
			c.next, c.inTx, c.hash, c.ante, c.passed = number+1, true, hash, on, false
			c.attempt.BeginTx(number, c.txs[number], messageTypes(c.txs[number])...)
			return
		}
	}
}

// wrote tells that a branch was given to its parent.
func (c *course) wrote(of *branch) {
	c.attempt.Written(of.traced)
	switch {
	case of.isRoot():
		c.written = true
	case of == c.ante:
		c.ante, c.passed = nil, true
	}
}

// endTxs: what follows is the end of the block.
func (c *course) endTxs() {
	if c.attempt == nil {
		return
	}
	c.inTx = false
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

// preBlockEnded: what follows is BeginBlock.
func (c *course) preBlockEnded() {
	if c.attempt != nil {
		c.attempt.EndTx()
		c.attempt.Record(phase("BeginBlock"))
	}
}

// phase is an entry that parts what no transaction does.
func phase(name string) []byte {
	return []byte(`{"type":"step-phase","phase":"` + name + `"}`)
}
