package sdk

import "sync/atomic"

// sequence tells whether the transactions of a block are executed one after the other. Then
// each has branches of its own off the block's branch, which are made after those of the
// transaction before, and no earlier one is used again. Operations of transactions that
// are executed at the same time come in an order of chance: recorded, they would make honest
// nodes look different.
type sequence struct {
	// executing: transactions are.
	executing atomic.Bool
	// made is how many branches were made off the block's own, and those up to the
	// number closed are not to be used by a transaction any more.
	made, closed atomic.Int64
	// lost: transactions were executed at the same time.
	lost atomic.Bool
}

// number of a branch that is made of another one: that of the branch off the block's own
// that it comes from.
func (s *sequence) number(parent *branch) int64 {
	if parent.isRoot() {
		return s.made.Add(1)
	}
	return parent.number
}

// close tells that a transaction ended, or that the next one begins.
func (s *sequence) close() { s.closed.Store(s.made.Load()) }

// allows tells whether a branch may be used now.
func (s *sequence) allows(of *branch) bool {
	if !s.executing.Load() || of.isRoot() {
		return true
	}
	for {
		closed := s.closed.Load()
		if of.number <= closed {
			return false
		}
		if of.number-1 == closed || s.closed.CompareAndSwap(closed, of.number-1) {
			return true
		}
	}
}
