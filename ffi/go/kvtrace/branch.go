package kvtrace

// Branch is a part of an execution with a cache of its own. What is written on it
// takes effect when the branch is written to the one it was made of, and never if it is
// thrown away. The zero value is the execution's own: what is written on that takes
// effect. A branch is used by one goroutine.
type Branch struct {
	parent *Branch
	// told is the attempt that told of this branch, under that number.
	told   *Attempt
	number int64
}

// Branch makes a branch of this one.
func (b *Branch) Branch() *Branch { return &Branch{parent: b} }

// Written tells that a branch was written to the one it was made of.
func (a *Attempt) Written(branch *Branch) {
	if branch == nil || branch.parent == nil || !a.enter() {
		return
	}
	if branch.told != a {
		// Nothing was done on it, nor on any that was made of it.
		a.tracer.lane.Unlock()
		return
	}
	a.tracer.entry.Begin("branch-written").Int("branch", branch.number)
	a.leave()
}

// on tells on which branch the next operations are made, if it is another one than
// before.
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

// numberOf a branch: that of the execution's own is 0, and the others are counted.
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
