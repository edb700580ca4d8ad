package sdk54

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cosmossdk.io/log/v2"
	abcitypes "github.com/cometbft/cometbft/abci/types"

	"github.com/cosmos/cosmos-sdk/baseapp/txnrunner"
	snapshottypes "github.com/cosmos/cosmos-sdk/store/v2/snapshots/types"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdktypes "github.com/cosmos/cosmos-sdk/types"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// each executes one transaction after the other, and ends with an error.
type each struct{ fails error }

func (e each) Run(
	_ context.Context, stores storetypes.MultiStore, txs [][]byte, deliver sdktypes.DeliverTxFunc,
) (results []*abcitypes.ExecTxResult, err error) {
	for number, tx := range txs {
		results = append(results, deliver(tx, nil, nil, number, nil))
	}
	return results, e.fails
}

// course that a runner tells: the operations of a block of two equal transactions, which
// end with an error or not.
func toldCourse(t *testing.T, fails error) string {
	recorder, dir := haltboxtest.Open(t)
	attempt := kvtrace.New(recorder, kvtrace.Options{}).Begin()
	root := &branch{course: &course{attempt: attempt}}
	deliver := func([]byte, sdktypes.Tx, storetypes.MultiStore, int, map[string]any) *abcitypes.ExecTxResult {
		attempt.Record([]byte(`{"type":"op-read"}`))
		return &abcitypes.ExecTxResult{GasUsed: 3}
	}
	tx := []byte("tx")
	results, err := (&runner{each{fails}}).Run(context.Background(), root, [][]byte{tx, tx}, deliver)
	if len(results) != 2 || results[1].GasUsed != 3 || err != fails {
		t.Errorf("%v, %v", results, err)
	}
	recorder.Close()
	var told []string
	for _, line := range haltboxtest.Cat(t, dir) {
		if kind, _, _ := strings.Cut(line, ","); !strings.Contains(kind, "host-start") {
			told = append(told, strings.TrimSuffix(strings.TrimPrefix(kind, `{"type":"`), `"`))
		}
	}
	return strings.Join(told, " ")
}

func TestARunnerTellsTheTransactions(t *testing.T) {
	if got := toldCourse(t, nil); got != `tx-begin op-read"} tx-begin op-read"} step-phase` {
		t.Error(got)
	}
	if got := toldCourse(t, errors.New("aborted")); strings.Contains(got, "step-phase") {
		t.Errorf("an execution that was aborted has an end: %s", got)
	}
}

// around is a runner that tells what it is around.
type around struct{ each }

func (a around) Unwrap() sdktypes.TxRunner { return txnrunner.NewDefaultRunner(nil) }

// hollow tells that there is nothing inside it.
type hollow struct{ each }

func (hollow) Unwrap() sdktypes.TxRunner { return nil }

// broken panics when it is asked what is inside it.
type broken struct{ each }

func (broken) Unwrap() sdktypes.TxRunner { panic("not implemented") }

// What is known to execute one transaction after the other has its operations recorded, and
// so has what is said to do so.
func TestRunnersInSequenceAreTraced(t *testing.T) {
	stm := txnrunner.NewSTMRunner(nil, nil, 1, false, nil)
	for name, step := range map[string]struct {
		runner sdktypes.TxRunner
		// known, said: its operations are recorded, anyway or if it is said to be sequential.
		known, said bool
		// overlaps: it may yet turn out to execute at the same time.
		overlaps bool
	}{
		"none":              {nil, true, true, false},
		"the SDK's":         {txnrunner.NewDefaultRunner(nil), true, true, false},
		"the SDK's, a copy": {*txnrunner.NewDefaultRunner(nil), true, true, false},
		"around the SDK's":  {around{}, true, true, true},
		"the chain's":       {each{}, false, true, true},
		"hollow":            {hollow{}, false, true, true},
		"broken":            {broken{}, false, false, true},
		"Block-STM":         {stm, false, false, true},
		"Block-STM, a copy": {*stm, false, false, true},
	} {
		for _, sequential := range []bool{false, true} {
			s := storeOf(t)
			s.sequential = sequential
			s.base.SetBlockSTMTxRunner(step.runner)
			s.follow()
			traced := step.known || sequential && step.said
			if other := s.otherRunner(); (other == "") != traced || s.expectsBranch() != traced {
				t.Errorf("%s, %v: %q", name, sequential, other)
			}
			if traced && s.mayOverlap() != step.overlaps {
				t.Errorf("%s, %v: expected that it may overlap: %v", name, sequential, step.overlaps)
			}
		}
	}
}

// A node that was to record operations and does not says so as an error.
func TestAnotherRunnerIsAnErrorInTheLog(t *testing.T) {
	var printed strings.Builder
	s := storeOf(t)
	s.base.SetBlockSTMTxRunner(each{})
	box := &Box{
		logger: log.NewLogger(&printed, log.ColorOption(false)), stores: s,
		config: &config{stores: operations},
	}
	if box.detail() != written || !strings.Contains(printed.String(), "ERR transactions are executed by ") {
		t.Errorf("%q", printed.String())
	}
}

// A runner that is set later tells nothing.
func TestARunnerThatIsSetLateIsNotTraced(t *testing.T) {
	s := storeOf(t)
	for _, late := range []sdktypes.TxRunner{each{}, txnrunner.NewDefaultRunner(nil), nil} {
		s.base.SetBlockSTMTxRunner(late)
		if other := s.otherRunner(); other == "" || s.expectsBranch() {
			t.Errorf("%T is traced", late)
		}
	}
}

// Transactions are in sequence if each is begun once, behind those before, when none is
// executed, and on the block's own stores.
func TestTransactionsThatAreNotInSequence(t *testing.T) {
	other := &branch{course: &course{}}
	for name, step := range map[string]struct {
		run   func(c *course, root *branch)
		found string
	}{
		"in sequence":         {func(c *course, root *branch) { c.beginTx(0, nil); c.endTx(0); c.beginTx(2, root) }, ""},
		"at the same time":    {func(c *course, _ *branch) { c.beginTx(0, nil); c.beginTx(1, nil) }, "transaction 1 begins before transaction 0 ends"},
		"once more":           {func(c *course, _ *branch) { c.beginTx(0, nil); c.endTx(0); c.beginTx(0, nil) }, "transaction 0 is executed once more or out of order, behind transaction 0"},
		"backwards":           {func(c *course, _ *branch) { c.beginTx(1, nil); c.endTx(1); c.beginTx(0, nil) }, "transaction 0 is executed once more or out of order, behind transaction 1"},
		"on a branch":         {func(c *course, root *branch) { c.beginTx(0, root.branchOff()) }, "transaction 0 is executed on a store that is not the block's"},
		"on another's stores": {func(c *course, _ *branch) { c.beginTx(0, other) }, "transaction 0 is executed on a store that is not the block's"},
	} {
		told := ""
		s := storeOf(t)
		s.tracer.Begin()
		s.expect(first, nil)
		root := s.CacheMultiStore().(*branch)
		s.onDisorder = func(found string) { told += found }
		c := root.course
		step.run(c, root)
		if told != step.found {
			t.Errorf("%s: told %q", name, told)
		}
	}
}

// expectsBranch tells whether the branch of an execution would be traced.
func (s *commitStore) expectsBranch() bool {
	defer s.expect(first, nil)()
	return s.traced()
}

func TestLinesWithAContextAreRecorded(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	logger := newTap(log.NewNopLogger())
	logger.begin(recorder)
	ctx := context.Background()
	logger.InfoContext(ctx, "one")
	logger.WarnContext(ctx, "two")
	logger.ErrorContext(ctx, "three", "err", fmt.Errorf("no"))
	recorder.Close()
	said := strings.Join(haltboxtest.Cat(t, dir, "--stream", "node"), "\n")
	for _, part := range []string{`"_msg":"one"`, `"_msg":"two"`, `"_msg":"three"`, `"err":"no"`} {
		if !strings.Contains(said, part) {
			t.Errorf("no %s in %s", part, said)
		}
	}
}

// announced is a store that is told of snapshots.
type announced struct {
	storetypes.CommitMultiStore
	heights []int64
}

func (a *announced) AnnounceSnapshotHeight(height int64) { a.heights = append(a.heights, height) }

func TestTheStoreIsToldOfSnapshots(t *testing.T) {
	s := storeOf(t)
	inner := &announced{CommitMultiStore: s.CommitMultiStore}
	s.CommitMultiStore = inner
	announcer, is := s.queryable().(snapshottypes.SnapshotAnnouncer)
	if !is {
		t.Fatal("it takes no announcement")
	}
	announcer.AnnounceSnapshotHeight(7)
	if fmt.Sprint(inner.heights) != "[7]" {
		t.Error(inner.heights)
	}
}
