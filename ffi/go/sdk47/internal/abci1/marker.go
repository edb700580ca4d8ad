package abci1

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

// Options of a marker.
type Options struct {
	// Tracer, if there is one, gets an attempt for each execution of a block.
	Tracer *kvtrace.Tracer
	// Config, if there is one, is a digest of what this node is set up with. It stands
	// beside the inputs, and is not compared.
	Config []byte
	// AtEnd, if there is one, is called when a block was committed and before its end
	// is marked. What it records with the function it gets belongs to the block, and
	// must be the same on all nodes that executed it alike. If it panics, OnError is
	// told, and it is not called again.
	AtEnd func(record func(entry []byte))
	// OnError, if there is one, is told the first error of the recorder. The
	// node goes on without.
	OnError func(error)
}

// Marker marks and records the blocks of one application. Nil is one that is switched
// off: it only calls.
type Marker struct {
	recorder *haltbox.Recorder
	options  Options
	failed   sync.Once

	// Requests of CometBFT's several connections may come at once.
	lock  sync.Mutex
	entry entry.Entry
	// last is the block whose AppHash is known: committed, or told by Info.
	last result
	// open is the height of the block that is executed; 0 for none.
	open uint64
	// txs is how many of its transactions came.
	txs int
}

// result of a block; the height is 0 for none.
type result struct {
	height  uint64
	appHash []byte
}

// NewMarker gives nil for a recorder that is switched off.
func NewMarker(recorder *haltbox.Recorder, options Options) *Marker {
	if recorder == nil {
		return nil
	}
	return &Marker{recorder: recorder, options: options}
}

// Info learns from the answer which block the application has.
func (m *Marker) Info(info func() types.ResponseInfo) types.ResponseInfo {
	response := info()
	if m == nil {
		return response
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	if height := natural(response.LastBlockHeight); height > m.last.height {
		m.last = result{height, bytes.Clone(response.LastBlockAppHash)}
	}
	return response
}

// BeginBlock begins a block, and confirms the one before.
func (m *Marker) BeginBlock(
	req types.RequestBeginBlock, begin func() types.ResponseBeginBlock,
) types.ResponseBeginBlock {
	if m != nil {
		m.begin(&req)
	}
	return begin()
}

// DeliverTx records a transaction, and what came of it. The application is called with
// the number that it has in its block.
func (m *Marker) DeliverTx(
	req types.RequestDeliverTx, deliver func(number int) types.ResponseDeliverTx,
) types.ResponseDeliverTx {
	if m == nil {
		return deliver(0)
	}
	number := m.take(req.Tx)
	response := deliver(number)
	m.lock.Lock()
	defer m.lock.Unlock()
	m.record(resultLine(&m.entry, number, &response))
	return response
}

// EndBlock records what the block changes of the rules.
func (m *Marker) EndBlock(end func() types.ResponseEndBlock) types.ResponseEndBlock {
	response := end()
	if m == nil {
		return response
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	// What follows is no operation of the block's.
	m.options.Tracer.End()
	if changesRules(&response) {
		m.record(updatesLine(&m.entry, &response))
	}
	return response
}

// Commit ends the block, and marks it as durable.
func (m *Marker) Commit(commit func() types.ResponseCommit) types.ResponseCommit {
	response := commit()
	if m == nil {
		return response
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.open == 0 {
		return response
	}
	m.callAtEnd()
	m.last = result{m.open, bytes.Clone(response.Data)}
	m.open = 0
	m.note(m.recorder.EndBlock(m.last.height, m.last.appHash))
	m.note(m.recorder.Commit(m.last.height, m.last.appHash))
	return response
}

func (m *Marker) begin(req *types.RequestBeginBlock) {
	m.lock.Lock()
	defer m.lock.Unlock()
	height := natural(req.Header.Height)
	m.confirm(height-1, req.Header.AppHash)
	m.open, m.txs = height, 0
	in := inputOf(req)
	m.note(m.recorder.BeginBlock(height, req.Header.Time, digest(in.line(&m.entry).End())))
	m.options.Tracer.Begin()
	line := in.line(&m.entry)
	if m.options.Config != nil {
		line.Open("local").Hex("config", m.options.Config).Shut()
	}
	m.record(line.End())
}

// confirm tells the network's AppHash of a block of which this node knows its own.
func (m *Marker) confirm(height uint64, appHash []byte) {
	if height == 0 || m.last.height != height || len(appHash) == 0 {
		return
	}
	_, err := m.recorder.Confirm(height, appHash)
	m.note(err)
}

// take records the next transaction, and gives its number.
func (m *Marker) take(tx []byte) int {
	m.lock.Lock()
	defer m.lock.Unlock()
	number := m.txs
	m.txs++
	m.entry.Begin("tx-input").Int("tx", int64(number)).Hex("digest", digest(tx))
	m.record(m.entry.Int("bytes", int64(len(tx))).End())
	return number
}

// callAtEnd: a node does not stop for what only its recorder calls.
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

// note tells the first error: a recorder that broke gives one at every call.
func (m *Marker) note(err error) {
	if err != nil && m.options.OnError != nil {
		m.failed.Do(func() { m.options.OnError(err) })
	}
}

// natural takes heights from ABCI, where they are signed.
func natural(height int64) uint64 {
	return uint64(max(height, 0))
}
