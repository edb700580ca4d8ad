// Package app is an ABCI application that can go wrong on command: a sorted
// key-value store whose AppHash is over every value.
package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/abci/types"

	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// Rounding of a division is part of the build: -ldflags "-X ....Rounding=up" makes
// another program.
var Rounding = "down"

// Options of the application.
type Options struct {
	// StateFile keeps what is committed.
	StateFile string
	// FaultFile arms a fault once it is there.
	FaultFile string
	// Tracer records what the execution reads and writes; nil for no recording.
	Tracer *kvtrace.Tracer
	// Address of this validator.
	Address []byte
	// Txs is the number of transactions of a block that this node proposes.
	Txs int
}

// App is the application.
type App struct {
	types.BaseApplication
	options Options
	state   *state
	fault   Fault
	// executed is the block that Commit commits.
	executed int64
	appHash  []byte
	// proposed is the height of this node's last proposal that was decided.
	proposed int64
}

// New opens the application's state.
func New(options Options) (*App, error) {
	state, err := openState(options.StateFile)
	if err != nil {
		return nil, err
	}
	return &App{options: options, state: state}, nil
}

// Info tells what is committed.
func (a *App) Info(context.Context, *types.RequestInfo) (*types.ResponseInfo, error) {
	a.state.lock.RLock()
	defer a.state.lock.RUnlock()
	return &types.ResponseInfo{LastBlockHeight: a.state.height, LastBlockAppHash: a.state.appHash}, nil
}

// PrepareProposal fills the block with this node's load, behind what the
// mempool has.
func (a *App) PrepareProposal(_ context.Context, req *types.RequestPrepareProposal) (*types.ResponsePrepareProposal, error) {
	return &types.ResponsePrepareProposal{Txs: append(req.Txs, load(req.Height, a.options.Txs)...)}, nil
}

// CheckTx takes what can be parsed.
func (a *App) CheckTx(_ context.Context, req *types.RequestCheckTx) (*types.ResponseCheckTx, error) {
	if _, err := parse(req.Tx); err != nil {
		return &types.ResponseCheckTx{Code: 1, Log: err.Error()}, nil
	}
	return &types.ResponseCheckTx{}, nil
}

// FinalizeBlock executes the block.
func (a *App) FinalizeBlock(_ context.Context, req *types.RequestFinalizeBlock) (*types.ResponseFinalizeBlock, error) {
	a.state.discard()
	a.fault = a.armed(req)
	attempt := a.options.Tracer.Attempt()
	store := kvtrace.Wrap[dbm.Iterator](attempt, "kv", a.state)
	var results []*types.ExecTxResult
	for number, tx := range req.Txs {
		attempt.BeginTx(number, tx)
		execution := execution{app: a, store: store, tx: number}
		results = append(results, execution.run(tx))
		attempt.EndTx()
	}
	a.executed, a.appHash = req.Height, a.state.hash()
	return &types.ResponseFinalizeBlock{TxResults: results, AppHash: a.appHash}, nil
}

// armed gives the fault of this block, if it is this block's.
func (a *App) armed(req *types.RequestFinalizeBlock) Fault {
	fault := armed(a.options.FaultFile)
	beforeOwn := a.proposed > 0 && req.Height == a.proposed+validators-1
	if bytes.Equal(req.ProposerAddress, a.options.Address) {
		a.proposed = req.Height
	}
	if fault.Height == req.Height || fault.Height == 0 && fault.Kind != "" && beforeOwn {
		return fault
	}
	return Fault{}
}

// validators of equal power propose in turn.
const validators = 4

// Commit makes the block's changes durable.
func (a *App) Commit(context.Context, *types.RequestCommit) (*types.ResponseCommit, error) {
	if a.fault.Kind == "kill-commit" {
		die(a.options.FaultFile)
	}
	return &types.ResponseCommit{}, a.state.commit(a.executed, a.appHash)
}

// Query reads a committed value. With the path "slow" it takes until the next
// commit is done, and a client of that kind is all it needs to leave a value of
// the past in the cache.
func (a *App) Query(_ context.Context, req *types.RequestQuery) (*types.ResponseQuery, error) {
	pause := func() {}
	if req.Path == "slow" {
		committed := a.state.nextCommit()
		pause = func() { <-committed }
	}
	return &types.ResponseQuery{Key: req.Data, Value: a.state.refresh(string(req.Data), pause)}, nil
}

// execution is that of one transaction.
type execution struct {
	app   *App
	store *kvtrace.Store[dbm.Iterator]
	tx    int
	// op counts operations on the store, as the recording does.
	op  int
	gas int64
}

func (e *execution) run(tx []byte) *types.ExecTxResult {
	parsed, err := parse(tx)
	if err != nil {
		return &types.ExecTxResult{Code: 1, Codespace: "kv", Log: err.Error()}
	}
	for _, operation := range parsed.operations {
		e.perform(operation)
	}
	sum := sha256.Sum256(tx)
	result := &types.ExecTxResult{Data: sum[:4], GasWanted: 1000, GasUsed: e.gas}
	if e.app.fault.Tx == e.tx {
		switch e.app.fault.Kind {
		case "gas":
			result.GasUsed++
		case "data":
			result.Data = []byte("other")
		}
	}
	return result
}

func (e *execution) perform(o operation) {
	switch o.kind {
	case "get":
		e.get(o.key)
	case "set":
		e.set(o.key, o.value)
	case "del":
		e.step(2)
		e.store.Delete([]byte(o.key))
	case "add":
		e.set(o.key, number(integer(e.get(o.key))+o.number))
	case "div":
		e.set(o.key, number(divided(integer(e.get(o.key)), o.number)))
	case "fold":
		e.fold(o.key)
	}
}

// fold makes one value of all values under a prefix. Their order matters.
func (e *execution) fold(prefix string) {
	keys := e.app.state.keys(prefix)
	if e.app.fault.Kind != "order" {
		slices.Sort(keys)
	}
	sum := sha256.New()
	for _, key := range keys {
		sum.Write(e.get(key))
	}
	e.set("fold/"+prefix, fmt.Appendf(nil, "%x", sum.Sum(nil)))
}

func (e *execution) get(key string) []byte {
	e.step(1)
	return e.store.Get([]byte(key))
}

func (e *execution) set(key string, value []byte) {
	if e.step(2) && e.app.fault.Kind == "value" {
		value = append(slices.Clone(value), '0')
	}
	e.store.Set([]byte(key), value)
}

// step counts an operation, and tells whether the fault is at it.
func (e *execution) step(gas int64) bool {
	fault := e.app.fault
	here := fault.Tx == e.tx && fault.Op == e.op
	if here && fault.Kind == "kill" {
		die(e.app.options.FaultFile)
	}
	e.op++
	e.gas += gas
	return here
}

func integer(value []byte) int64 {
	parsed, _ := strconv.ParseInt(string(value), 10, 64)
	return parsed
}

func number(value int64) []byte { return strconv.AppendInt(nil, value, 10) }

func divided(value, by int64) int64 {
	if Rounding == "up" {
		value += by - 1
	}
	return value / by
}
