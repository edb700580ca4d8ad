package abci

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/cometbft/cometbft/abci/types"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/internal/entry"
	"github.com/haltbox/haltbox/ffi/go/internal/foreign"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// Options of a wrapper or marker.
type Options struct {
	// Tracer, if set, gets an attempt for each execution of a block. The application takes it with
	// Tracer.Attempt when the execution begins.
	Tracer *kvtrace.Tracer
	// OptimisticExecution is for an application that executes a proposal before it is decided, such
	// as a cosmos-sdk one with that option. A block then begins with ProcessProposal, and
	// FinalizeBlock continues or aborts it.
	OptimisticExecution bool
	// AtEnd, if set, is called after a block was executed and before its end is marked. Entries
	// that it records with the given function belong to the block, and must be the same on all
	// nodes that executed it alike. If it panics, OnError gets the error, and AtEnd is not called
	// again.
	AtEnd func(record func(entry []byte))
	// Config, if set, is a digest of this node's configuration. It stands beside the input of a
	// block, is no part of it and is not compared.
	Config []byte
	// OnError, if set, gets the first error of the recorder. The node continues without recording.
	OnError func(error)
}

// Marker does what [Wrap] does for an application that CometBFT reaches in
// another way, by its own methods. In a cosmos-sdk application:
//
//	func (app *App) FinalizeBlock(req *abci.RequestFinalizeBlock) (*abci.ResponseFinalizeBlock, error) {
//		return app.marker.FinalizeBlock(req, func() (*abci.ResponseFinalizeBlock, error) {
//			return app.BaseApp.FinalizeBlock(req)
//		})
//	}
//
// A nil Marker is switched off: it only makes the calls.
type Marker struct {
	recorder *haltbox.Recorder
	options  Options
	failed   sync.Once

	// Requests of CometBFT's several connections may come at the same time.
	lock  sync.Mutex
	entry entry.Entry
	// last is the newest block whose AppHash is known, from its execution or from Info.
	last result
	// uncommitted is true if last was executed and is not durable yet.
	uncommitted bool
	// params are the consensus parameters of the next block.
	params params
	// under is the input of the block under way.
	under input
	// proposed is the proposal whose execution began before its decision.
	proposed proposal
}

// result is the result of a block; the height is 0 for none.
type result struct {
	height  uint64
	appHash []byte
}

// proposal is a proposed block; the height is 0 for none.
type proposal struct {
	height uint64
	hash   []byte
}

// NewMarker returns nil for a recorder that is switched off.
func NewMarker(recorder *haltbox.Recorder, options Options) *Marker {
	if recorder == nil {
		return nil
	}
	return &Marker{recorder: recorder, options: options}
}

// Info takes the application's block from the response.
func (m *Marker) Info(info func() (*types.ResponseInfo, error)) (*types.ResponseInfo, error) {
	response, err := info()
	if m == nil || err != nil || response == nil {
		return response, err
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	if height := natural(response.LastBlockHeight); height > m.last.height {
		m.last = result{height, bytes.Clone(response.LastBlockAppHash)}
	}
	return response, nil
}

// InitChain takes the consensus parameters that the chain begins with.
func (m *Marker) InitChain(
	req *types.RequestInitChain, begin func() (*types.ResponseInitChain, error),
) (*types.ResponseInitChain, error) {
	response, err := begin()
	if m == nil || err != nil {
		return response, err
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	m.params.begin(req, response)
	return response, nil
}

// ProcessProposal begins the block, if the application executes proposals.
func (m *Marker) ProcessProposal(
	req *types.RequestProcessProposal, process func() (*types.ResponseProcessProposal, error),
) (*types.ResponseProcessProposal, error) {
	if m == nil || req == nil || !m.options.OptimisticExecution {
		return process()
	}
	m.propose(inputOfProposal(req))
	response, err := process()
	if err != nil || response == nil || !response.IsAccepted() {
		m.lock.Lock()
		defer m.lock.Unlock()
		m.drop()
	}
	return response, err
}

// FinalizeBlock marks and records the execution of a block.
func (m *Marker) FinalizeBlock(
	req *types.RequestFinalizeBlock, execute func() (*types.ResponseFinalizeBlock, error),
) (*types.ResponseFinalizeBlock, error) {
	if m == nil || req == nil {
		return execute()
	}
	m.decide(inputOf(req))
	response, err := execute()
	// A node stops on an error; the block stays unfinished.
	if err == nil && response != nil {
		m.finish(natural(req.Height), response)
	}
	return response, err
}

// Commit marks the block as durable after it is.
func (m *Marker) Commit(commit func() (*types.ResponseCommit, error)) (*types.ResponseCommit, error) {
	response, err := commit()
	if m == nil || err != nil {
		return response, err
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.uncommitted {
		m.uncommitted = false
		m.note(m.recorder.Commit(m.last.height, m.last.appHash))
	}
	return response, nil
}

// propose begins a block that is not decided yet. Each call is another attempt, even at a proposal
// that came before.
func (m *Marker) propose(in input) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.drop()
	m.begin(in, true)
	m.proposed = proposal{in.height, bytes.Clone(in.hash)}
}

// decide begins a block that was decided, or continues it if its execution began before.
func (m *Marker) decide(in input) {
	m.lock.Lock()
	defer m.lock.Unlock()
	if !m.options.OptimisticExecution {
		m.confirm(in.height - 1)
	}
	if m.proposed.height == in.height && bytes.Equal(m.proposed.hash, in.hash) {
		m.proposed = proposal{}
		return
	}
	m.drop()
	m.begin(in, false)
}

// drop aborts the block that was begun on a proposal.
func (m *Marker) drop() {
	if m.proposed.height != 0 {
		m.note(m.recorder.Abort(m.proposed.height))
		m.proposed = proposal{}
	}
}

// confirm records that the network agreed with a block, if this node still knows its own AppHash of
// it.
func (m *Marker) confirm(height uint64) {
	if height == 0 || m.last.height != height || len(m.last.appHash) == 0 {
		return
	}
	_, err := m.recorder.Confirm(height, m.last.appHash)
	m.note(err)
}

// begin begins a block. The input of a proposed block says that it is proposed: if the node is
// killed before the decision, another block may get this height.
func (m *Marker) begin(in input, proposed bool) {
	m.under = in
	digests := in.txDigests()
	m.note(m.recorder.BeginBlock(in.height, in.time, digest(in.line(&m.entry, digests))))
	m.options.Tracer.BeginWith(in.txs, digests)
	m.record(m.withOwn(in.members(&m.entry, digests), proposed).End())
	for at, tx := range in.txs {
		m.entry.Begin("tx-input").Int("tx", int64(at)).Hex("digest", digests[at][:])
		m.record(m.entry.Int("bytes", int64(len(tx))).End())
	}
}

// BeginAgain begins the block under way again: what was recorded of it is thrown away, and
// what the tracer still gives of it is not recorded. The application goes on with the block.
// It is for one that finds out that its operations come in an order of chance. If no attempt
// is under way, there is nothing to throw away. Then, if set, is called in either case, and
// never while AtEnd runs: what it changes holds for a whole block.
func (m *Marker) BeginAgain(then func()) {
	if m == nil {
		return
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.under.height != 0 && m.options.Tracer.Attempt() != nil {
		m.note(m.recorder.Abort(m.under.height))
		m.begin(m.under, m.proposed.height != 0)
		m.options.Tracer.End()
	}
	if then != nil {
		then()
	}
}

// withOwn adds what only this node has: its configuration, and whether the block is only proposed.
// The digest of the input is that of the line without it.
func (m *Marker) withOwn(e *entry.Entry, proposed bool) *entry.Entry {
	params := m.params.digest()
	if !proposed && params == nil && m.options.Config == nil {
		return e
	}
	e.Open("local")
	if proposed {
		e.Bool("proposal", true)
	}
	if params != nil {
		e.Hex("params", params)
	}
	if m.options.Config != nil {
		e.Hex("config", m.options.Config)
	}
	return e.Shut()
}

func (m *Marker) finish(height uint64, response *types.ResponseFinalizeBlock) {
	m.lock.Lock()
	defer m.lock.Unlock()
	// The results follow from the operations recorded until now, so the attempt ends first.
	m.options.Tracer.End()
	for at, tx := range response.TxResults {
		m.record(resultLine(&m.entry, at, tx))
	}
	if changesRules(response) {
		m.record(updatesLine(&m.entry, response))
	}
	m.params.change(response.ConsensusParamUpdates)
	m.callAtEnd()
	m.last = result{height, bytes.Clone(response.AppHash)}
	m.uncommitted, m.under = true, input{}
	m.note(m.recorder.EndBlock(height, response.AppHash))
}

// callAtEnd catches panics, because a callback of the recorder must not stop the node.
func (m *Marker) callAtEnd() {
	if m.options.AtEnd == nil {
		return
	}
	if err := foreign.Call(func() { m.options.AtEnd(m.record) }); err != nil {
		m.options.AtEnd = nil
		m.note(fmt.Errorf("Options.AtEnd is not called any more: %w", err))
	}
}

func (m *Marker) record(line []byte) { m.note(m.recorder.Record(line)) }

// note reports the first error alone: a broken recorder returns one at every call.
func (m *Marker) note(err error) {
	if err != nil && m.options.OnError != nil {
		m.failed.Do(func() { m.options.OnError(err) })
	}
}

// natural converts heights of ABCI, where they are signed.
func natural(height int64) uint64 {
	return uint64(max(height, 0))
}
