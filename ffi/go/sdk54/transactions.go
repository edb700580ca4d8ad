package sdk54

import (
	"context"
	"reflect"

	abcitypes "github.com/cometbft/cometbft/abci/types"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/baseapp/txnrunner"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdktypes "github.com/cosmos/cosmos-sdk/types"

	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// runner tells which transaction is executed, and leaves that to the SDK's own one. The
// SDK has no tracing of stores any more that would tell it.
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
	results, err := r.TxRunner.Run(ctx, stores, txs, root.course.told(deliver))
	if err == nil {
		root.course.endTxs()
	}
	return results, err
}

// Unwrap is for BaseApp, which looks whether the runner inside executes in parallel.
func (r *runner) Unwrap() sdktypes.TxRunner { return r.TxRunner }

// told is told of each transaction.
func (c *course) told(deliver sdktypes.DeliverTxFunc) sdktypes.DeliverTxFunc {
	return func(
		tx []byte, decoded sdktypes.Tx, stores storetypes.MultiStore, number int, cache map[string]any,
	) *abcitypes.ExecTxResult {
		c.attempt.BeginTx(number, tx, messageTypes(tx)...)
		defer c.attempt.EndTx()
		return deliver(tx, decoded, stores, number, cache)
	}
}

// transactions of a block need nothing kept: the runner tells both ends of each.
type transactions struct{}

func (transactions) leave(*kvtrace.Attempt) {}
func (transactions) wrote(*branch)          {}

// partTransactions lays a runner around the one that BaseApp makes if it has none.
func (s *commitStore) partTransactions() {
	if field := runnerOf(s.base); field.Kind() == reflect.Interface && field.IsNil() {
		s.base.SetBlockSTMTxRunner(&runner{txnrunner.NewDefaultRunner(s.base.TxDecode)})
	}
}

// otherRunner is the type of what executes the transactions of a block, if that is not
// known to execute one after the other. It is looked at before each block: BaseApp
// lets it be set at any time.
func (s *commitStore) otherRunner() string {
	field := runnerOf(s.base)
	switch {
	case field.Kind() != reflect.Interface:
		return "a runner that this release of the SDK does not show"
	case field.IsNil():
		return "a runner that was not asked to tell them"
	case field.Elem().Type() != reflect.TypeFor[*runner]():
		return field.Elem().Type().String()
	}
	return ""
}

// runnerOf looks into BaseApp, which hands its runner to nobody.
func runnerOf(app *baseapp.BaseApp) reflect.Value {
	return reflect.ValueOf(app).Elem().FieldByName("txRunner")
}
