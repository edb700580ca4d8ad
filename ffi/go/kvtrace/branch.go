package kvtrace

// Branch is a part of an execution with its own cache. Its writes take effect when the branch is
// written to its parent, and never if it is discarded. The zero value is the execution's own
// branch, whose writes take effect. A branch is used by one goroutine.
type Branch struct {
	parent *Branch
	// told is the attempt that recorded this branch, under that number.
	told   *Attempt
	number int64
}

// Branch returns a new branch of this one.
func (b *Branch) Branch() *Branch { return &Branch{parent: b} }

// Written records that a branch was written to its parent.
func (a *Attempt) Written(branch *Branch) {
	if branch == nil || branch.parent == nil || !a.enter() {
		return
	}
	if branch.told != a {
		// Nothing was done on it, nor on any branch of it.
		a.tracer.lane.Unlock()
		return
	}
	a.tracer.entry.Begin("branch-written").Int("branch", branch.number)
	a.leave()
}

// on records the branch of the next operations, if it differs from the one before.
func (a *Attempt) on(branch *Branch) {
	if a.branch == branch {
		return
	}
	a.branch = branch
	if branch == nil {
		a.record(a.tracer.entry.Begin("branch").Hex("branch", nil))
		return
	}
	if branch.parent != nil && branch.parent.told != a {
		a.on(branch.parent)
		a.branch = branch
	}
	e := a.tracer.entry.Begin("branch").Int("branch", a.numberOf(branch))
	if branch.parent != nil {
		e.Int("of", branch.parent.number)
	}
	a.record(e)
}

// numberOf returns the number of a branch: 0 for the execution's own; the others are counted.
func (a *Attempt) numberOf(branch *Branch) int64 {
	if branch.told != a {
		branch.told, branch.number = a, 0
		if branch.parent != nil {
			a.branches++
			branch.number = a.branches
		}
	}
	return branch.number
}
