package sdk54

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"
	"unsafe"

	abcitypes "github.com/cometbft/cometbft/abci/types"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/baseapp/txnrunner"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdktypes "github.com/cosmos/cosmos-sdk/types"

	"github.com/haltbox/haltbox/ffi/go/internal/foreign"
)

// runner tells which transaction is executed, and leaves that to the SDK's own one, or to
// the chain's. The SDK has no tracing of stores any more that would tell it.
type runner struct {
	sdktypes.TxRunner
}

// Run is asked by BaseApp to execute the transactions of a block on its branch.
func (r *runner) Run(
	ctx context.Context, stores storetypes.MultiStore, txs [][]byte, deliver sdktypes.DeliverTxFunc,
) ([]*abcitypes.ExecTxResult, error) {
	root, is := stores.(*branch)
	if !is {
		return r.TxRunner.Run(ctx, stores, txs, deliver)
	}
	results, err := r.TxRunner.Run(ctx, stores, txs, root.course.delivering(deliver))
	if err == nil {
		root.course.endTxs()
	}
	return results, err
}

// Unwrap is for BaseApp, which looks whether the runner inside executes in parallel.
func (r *runner) Unwrap() sdktypes.TxRunner { return r.TxRunner }

// delivering is told of each transaction.
func (c *course) delivering(deliver sdktypes.DeliverTxFunc) sdktypes.DeliverTxFunc {
	return func(
		tx []byte, decoded sdktypes.Tx, stores storetypes.MultiStore, number int, cache map[string]any,
	) *abcitypes.ExecTxResult {
		if c.attempt != nil {
			c.beginTx(int64(number), stores)
			c.attempt.BeginTx(number, tx, messageTypes(tx)...)
			defer c.endTx(int64(number))
		}
		return deliver(tx, decoded, stores, number, cache)
	}
}

// told: BaseApp's runner tells of all transactions.
type told struct{}

// transactions of a block.
type transactions struct {
	told
	// last is the number of the transaction that was begun last, counted from 1, and open
	// that of the one that is executed; 0 for none.
	last, open atomic.Int64
}

// beginTx looks whether a transaction comes behind those before it, each once, when none
// is executed, and on the block's own stores.
func (c *course) beginTx(number int64, stores storetypes.MultiStore) {
	c.executing.Store(true)
	alone := c.open.CompareAndSwap(0, number+1)
	before := c.last.Swap(number + 1)
	on, is := stores.(*branch)
	own := stores == nil || is && on.isRoot() && on.course == c
	switch {
	case !own:
		c.disorder("transaction %d is executed on a store that is not the block's", number)
	case !alone:
		c.disorder("transaction %d begins before transaction %d ends", number, before-1)
	case before > number:
		c.disorder("transaction %d is executed once more or out of order, behind transaction %d", number, before-1)
	}
}

// begunLast is the number of the transaction that was begun last; -1 for none.
func (t *transactions) begunLast() int64 { return t.last.Load() - 1 }

func (c *course) endTx(number int64) {
	c.open.CompareAndSwap(number+1, 0)
	c.close()
	c.attempt.EndTx()
}

// leave: the runner tells both ends of a transaction.
func (c *course) leave() {}

func (*transactions) wrote(*branch) {}

// partTransactions lays a runner around the one that executes one transaction after the
// other: the one that BaseApp makes if it has none, or the chain's.
func (s *commitStore) partTransactions() {
	inner, is := runnerOf(s.base)
	if !is || s.otherThan(inner) != "" {
		return
	}
	if _, laid := inner.(*runner); laid {
		return
	}
	if inner == nil {
		inner = txnrunner.NewDefaultRunner(s.base.TxDecode)
	}
	s.base.SetBlockSTMTxRunner(&runner{inner})
}

// otherRunner is what executes the transactions of a block, if that is not known to
// execute one after the other, or if it does not tell them. It is looked at before each
// block: BaseApp lets it be set at any time.
func (s *commitStore) otherRunner() string {
	found, is := runnerOf(s.base)
	if !is {
		return "a runner that this release of the SDK does not show"
	}
	if other := s.otherThan(found); other != "" {
		return other
	}
	if _, laid := found.(*runner); !laid {
		return "a runner that was not asked to tell them"
	}
	return ""
}

// otherThan is the type of a runner that is not known to execute one transaction after the
// other. One whose Unwrap panics is not.
func (s *commitStore) otherThan(found sdktypes.TxRunner) (other string) {
	if err := foreign.Call(func() { other = s.otherInside(found) }); err != nil {
		return fmt.Sprintf("%T", found)
	}
	return other
}

// otherInside is the type of the innermost runner, if that is not known to execute so.
// Block-STM is not, nor with one worker: what it reads comes out of its own memory, and a
// transaction that cannot be decoded is executed by it alone.
func (s *commitStore) otherInside(found sdktypes.TxRunner) string {
	switch inner := innermost(found).(type) {
	case nil, *txnrunner.DefaultRunner, txnrunner.DefaultRunner:
		return ""
	case *txnrunner.STMRunner, txnrunner.STMRunner:
		return fmt.Sprintf("%T", inner)
	default:
		if s.sequential {
			return ""
		}
		return fmt.Sprintf("%T", inner)
	}
}

// mayOverlap tells whether transactions may turn out to be executed at the same time: by
// any runner but the SDK's own for one after the other.
func (s *commitStore) mayOverlap() bool {
	found, _ := runnerOf(s.base)
	laid, is := found.(*runner)
	if !is {
		return true
	}
	switch laid.TxRunner.(type) {
	case *txnrunner.DefaultRunner, txnrunner.DefaultRunner:
		return false
	default:
		return true
	}
}

// wrappers is how many runners around another one are looked through.
const wrappers = 16

// innermost is the runner that others are wrapped around, as BaseApp finds it: a wrapper
// gives the one inside by Unwrap.
func innermost(found sdktypes.TxRunner) sdktypes.TxRunner {
	for range wrappers {
		wrapper, is := found.(interface{ Unwrap() sdktypes.TxRunner })
		if !is {
			break
		}
		inner := wrapper.Unwrap()
		if inner == nil {
			break
		}
		found = inner
	}
	return found
}

// runnerOf is what BaseApp executes transactions with, nil if it has not made one yet. It
// hands its runner to nobody.
func runnerOf(app *baseapp.BaseApp) (found sdktypes.TxRunner, is bool) {
	field := reflect.ValueOf(app).Elem().FieldByName("txRunner")
	if !field.IsValid() || field.Type() != reflect.TypeFor[sdktypes.TxRunner]() {
		return nil, false
	}
	// Safe: the field is of the very type that it is read as, and the application is alive.
	return *(*sdktypes.TxRunner)(unsafe.Pointer(field.UnsafeAddr())), true
}
