package sdk54

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"cosmossdk.io/log/v2"
	abcitypes "github.com/cometbft/cometbft/abci/types"

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

func TestOnlyTheRunnerThatWasLaidIsInOrder(t *testing.T) {
	s := storeOf(t)
	if other := s.otherRunner(); other != "" || !s.expectsBranch() {
		t.Errorf("its own is %q", other)
	}
	s.base.SetBlockSTMTxRunner(each{})
	if other := s.otherRunner(); other != "sdk54.each" || s.expectsBranch() {
		t.Errorf("another is %q", other)
	}
	s.base.SetBlockSTMTxRunner(nil)
	if other := s.otherRunner(); other == "" || s.expectsBranch() {
		t.Error("none tells nothing")
	}
	// A chain's own runner stays.
	s.base.SetBlockSTMTxRunner(each{})
	s.follow()
	if s.otherRunner() != "sdk54.each" {
		t.Error("the chain's runner was replaced")
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
