package sdk

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"runtime/debug"
	"strings"
	"testing"

	storetypes "cosmossdk.io/store/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	sdktypes "github.com/cosmos/cosmos-sdk/types"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// A transaction that comes twice is two, also where nothing is read in between: its
// messages are only executed behind an ante handler that passed.
func TestATransactionThatComesTwiceIsTwo(t *testing.T) {
	tx := []byte("tx")
	digest := sha256.Sum256(tx)
	hash := fmt.Sprintf("%X", digest)
	recorder, _ := haltboxtest.Open(t)
	c := &course{attempt: kvtrace.New(recorder, kvtrace.Options{}).Begin(), txs: [][]byte{tx, []byte("other"), tx}}
	root := &branch{course: c}
	var begun []int
	for _, passes := range []bool{true, false, false} {
		on := &branch{course: c, parent: root, number: c.number(root)}
		c.beginTxOf(hash, on)
		begun = append(begun, c.next-1)
		if passes {
			c.wrote(on)
		}
	}
	if fmt.Sprint(begun) != "[0 0 2]" {
		t.Error(begun)
	}
}

// The ante handler is called once for each, so each call is another transaction. BaseApp
// uses the block's own branch before each.
func TestTheAnteHandlerTellsEachTransactionOnce(t *testing.T) {
	recorder, _ := haltboxtest.Open(t)
	tx := []byte("tx")
	c := &course{attempt: kvtrace.New(recorder, kvtrace.Options{}).Begin(), txs: [][]byte{tx, []byte("other"), tx}}
	var begun []int
	for _, told := range []string{"tx", "tx", "unknown"} {
		c.beginTx([]byte(told), &branch{})
		begun = append(begun, c.next-1)
		c.leave()
	}
	if fmt.Sprint(begun) != "[0 2 2]" {
		t.Error(begun)
	}
}

// A module calls it in BeginBlock, say, on a branch of its own.
func TestAnAnteHandlerThatIsCalledOutsideOfTransactionsBeginsNone(t *testing.T) {
	recorder, _ := haltboxtest.Open(t)
	c := &course{attempt: kvtrace.New(recorder, kvtrace.Options{}).Begin(), txs: [][]byte{{}, []byte("tx")}}
	c.beginTx(nil, &branch{})
	if c.inTx.Load() || c.next != 0 {
		t.Error("the empty transaction begins")
	}
	c.beginTx([]byte("tx"), &branch{})
	if !c.inTx.Load() || c.next != 2 {
		t.Error("the one behind it does not")
	}
}

// A message may call the ante handler for its own transaction, which is not another one, also
// if it comes once more.
func TestAMessageThatCallsTheAnteHandlerIsNoDisorder(t *testing.T) {
	recorder, _ := haltboxtest.Open(t)
	tx, told := []byte("tx"), ""
	c := &course{
		attempt: kvtrace.New(recorder, kvtrace.Options{}).Begin(), txs: [][]byte{[]byte("one"), tx, tx},
		onDisorder: func(found string) { told += found },
	}
	var begun []int
	for _, call := range []string{"one", "one", "tx", "tx"} {
		c.beginTx([]byte(call), &branch{})
		begun = append(begun, c.next-1)
	}
	if fmt.Sprint(begun) != "[0 0 1 1]" || told != "" {
		t.Error(begun, told)
	}
	c.leave()
	c.beginTx([]byte("one"), &branch{})
	if told != "transaction 0 is executed once more or out of order, behind transaction 1" {
		t.Errorf("a transaction that is over goes on: %q", told)
	}
}

// An application may load its stores twice, as when it tries without an upgrade first.
// A transaction that the block holds twice then still begins twice.
func TestAnAnteHandlerThatIsWrappedTwiceTellsOnce(t *testing.T) {
	s := storeOf(t)
	called := 0
	s.base.SetAnteHandler(func(ctx sdktypes.Context, _ sdktypes.Tx, _ bool) (sdktypes.Context, error) {
		called++
		return ctx, nil
	})
	s.follow()
	s.follow()
	s.tracer.Begin()
	tx := []byte("tx")
	s.expect(first, [][]byte{tx, tx})
	root := s.CacheMultiStore()
	for number := range 2 {
		// BaseApp reads consensus parameters on it.
		s.course.use(root.(*branch), "bank")
		ctx := sdktypes.NewContext(root.CacheMultiStore(), cmtproto.Header{}, false, nil).WithTxBytes(tx)
		if _, err := s.base.AnteHandler()(ctx, nil, false); err != nil || called != number+1 || s.course.next != number+1 {
			t.Errorf("call %d: %v, %d begun", called, err, s.course.next)
		}
	}
}

// A query may have a transaction executed while a block is, on a store of its own. One of
// the block's is executed by a fork of the SDK then.
func TestAQueryThatCallsTheAnteHandlerIsNoDisorder(t *testing.T) {
	s := storeOf(t)
	var told []string
	s.onDisorder = func(found string) { told = append(told, found) }
	s.base.SetAnteHandler(func(ctx sdktypes.Context, _ sdktypes.Tx, _ bool) (sdktypes.Context, error) {
		return ctx, nil
	})
	s.follow()
	s.tracer.Begin()
	s.expect(first, [][]byte{[]byte("tx")})
	s.CacheMultiStore()
	s.course.begun.Store(true)
	for at, tx := range []string{"another", "tx", "tx"} {
		ctx := sdktypes.NewContext(flat{}, cmtproto.Header{}, false, nil).
			WithTxBytes([]byte(tx)).WithExecMode(sdktypes.ExecModeFinalize)
		if _, err := s.base.AnteHandler()(ctx, nil, false); err != nil || len(told) != min(at, 1) {
			t.Errorf("%s: %v, told %q", tx, err, told)
		}
	}
	if told[0] != "transaction 0 is executed on a store that is not the block's" {
		t.Error(told)
	}
}

// With an ante handler that tells, BaseApp makes no digests for it; where there is none,
// BaseApp tells. That there are no more transactions it tells in both cases.
func TestBaseAppTellsOfTransactionsOnlyWithoutAnAnteHandler(t *testing.T) {
	for _, has := range []bool{false, true} {
		s := storeOf(t)
		if has {
			s.base.SetAnteHandler(func(ctx sdktypes.Context, _ sdktypes.Tx, _ bool) (sdktypes.Context, error) {
				return ctx, nil
			})
			s.follow()
		}
		s.expect(first, nil)
		root := s.CacheMultiStore()
		if !root.TracingEnabled() || root.CacheMultiStore().TracingEnabled() == has {
			t.Errorf("an ante handler: %v", has)
		}
	}
}

// An application that has something of its own to execute transactions, as forks of the
// SDK do, shows it in a field.
func TestAnExecutorOfTheChainsIsSeen(t *testing.T) {
	execute := func() {}
	for want, app := range map[string]any{
		"":                                   struct{ txExecutor func() }{},
		"the chain's own BaseApp.txExecutor": struct{ txExecutor func() }{execute},
		"the chain's own BaseApp.txRunner":   struct{ txRunner any }{execute},
	} {
		if got := executorOf(reflect.ValueOf(app)); got != want {
			t.Errorf("%q, expected %q", got, want)
		}
	}
	s := storeOf(t)
	if s.otherRunner() != "" || s.mayOverlap() {
		t.Error("the SDK's own may execute at the same time")
	}
	s.sequential = true
	if !s.mayOverlap() {
		t.Error("what is said to be sequential is believed")
	}
}

func TestAForkOfTheSDKIsSeen(t *testing.T) {
	sdk := &debug.Module{Path: "github.com/cosmos/cosmos-sdk"}
	fork := &debug.Module{Path: sdk.Path, Replace: &debug.Module{Path: "example.org/sdk"}}
	other := &debug.Module{Path: "github.com/cosmos/iavl", Replace: fork.Replace}
	if isFork([]*debug.Module{sdk, other}) || !isFork([]*debug.Module{other, fork}) {
		t.Error("the SDK's own and a fork are not told apart")
	}
}

// A branch off the block's is not used again by a transaction once one made after it was,
// nor once its transaction is over.
func TestBranchesInSequence(t *testing.T) {
	for name, step := range map[string]struct {
		executing bool
		run       func(c *course, root *branch)
		found     string
	}{
		"one behind the other": {true, func(c *course, root *branch) {
			one := root.branchOff()
			c.use(one, "bank")
			c.use(one.branchOff(), "bank")
			c.use(root.branchOff(), "bank")
		}, ""},
		"at the same time": {true, func(c *course, root *branch) {
			one := root.branchOff()
			c.use(root.branchOff(), "bank")
			c.use(one.branchOff(), "bank")
		}, "store bank is used on a branch of transaction 4 after it ended, or of an earlier one"},
		"behind its end": {true, func(c *course, root *branch) {
			one := root.branchOff()
			c.use(one, "bank")
			c.use(root, "bank")
			c.use(one, "bank")
		}, "store bank is used on a branch of transaction 4 after it ended, or of an earlier one"},
		"written behind the next": {true, func(c *course, root *branch) {
			one := root.branchOff()
			c.use(one, "bank")
			c.use(root.branchOff(), "bank")
			c.wrote(one)
		}, "a branch of transaction 4 is written after it ended, or one of an earlier one"},
		"written in time": {true, func(c *course, root *branch) {
			one := root.branchOff()
			inner := one.branchOff()
			c.use(inner, "bank")
			c.wrote(inner)
			two := root.branchOff()
			c.wrote(one)
			c.use(two, "bank")
			c.wrote(two)
			c.use(root, "bank")
			c.wrote(root)
		}, ""},
		"outside of transactions": {false, func(c *course, root *branch) {
			one := root.branchOff()
			c.use(root.branchOff(), "bank")
			c.use(root, "bank")
			c.use(one, "bank")
		}, ""},
	} {
		recorder, _ := haltboxtest.Open(t)
		var told []string
		c := &course{
			attempt:      kvtrace.New(recorder, kvtrace.Options{}).Begin(),
			onDisorder:   func(found string) { told = append(told, found) },
			transactions: transactions{next: 5},
		}
		c.executing.Store(step.executing)
		root := &branch{cached: flat{}, course: c, traced: &kvtrace.Branch{}}
		step.run(c, root)
		step.run(c, root)
		if strings.Join(told, "; ") != step.found {
			t.Errorf("%s: told %q", name, told)
		}
	}
}

// flat is a store whose branches are nothing.
type flat struct{ cached }

func (flat) CacheMultiStore() storetypes.CacheMultiStore { return flat{} }
