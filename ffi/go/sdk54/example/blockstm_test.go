package main

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"cosmossdk.io/log/v2"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/baseapp/txnrunner"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdktypes "github.com/cosmos/cosmos-sdk/types"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

// runner executes the transactions of an application's blocks.
type runner struct {
	workers  int
	estimate bool
	// late: it is set when the stores are loaded, and not before.
	late bool
	// sequential: it executes one after the other, but is not the SDK's own.
	sequential bool
	// other makes another one.
	other func(*App) sdktypes.TxRunner
	// options of the application beside it.
	options []func(*baseapp.BaseApp)
}

// execution of the nodes that are made; nil for the SDK's own.
var execution *runner

// with makes nodes with a runner.
func with(r *runner, make func() *node) *node {
	execution = r
	defer func() { execution = nil }()
	return make()
}

// own is a runner of the chain's, and wrapping one that tells what it is around.
type own struct{ sdktypes.TxRunner }

type wrapping struct{ own }

func (w wrapping) Unwrap() sdktypes.TxRunner { return w.TxRunner }

func (r *runner) set(app *App) {
	if r.other != nil {
		app.SetBlockSTMTxRunner(r.other(app))
		return
	}
	if r.sequential {
		app.SetBlockSTMTxRunner(own{txnrunner.NewDefaultRunner(app.TxDecode)})
		return
	}
	denom := func(storetypes.MultiStore) string { return "stake" }
	app.SetBlockSTMTxRunner(txnrunner.NewSTMRunner(app.TxDecode, app.GetStoreKeys(), r.workers, r.estimate, denom))
}

var runners = map[string]*runner{
	"parallel":       {workers: 4},
	"with estimates": {workers: 4, estimate: true},
	"optimistic":     {workers: 4, options: []func(*baseapp.BaseApp){baseapp.SetOptimisticExecution()}},
	"set late":       {workers: 3, late: true},
	"its own":        {sequential: true},
}

// crowded are blocks of many transactions that read and write the same balances. All can
// be decoded: for one that cannot, Block-STM of the SDK v0.54 and v0.55 tells other gas than
// the execution one by one.
func (n *node) crowded(from, to int64) {
	n.t.Helper()
	for height := from; height <= to; height++ {
		txs := slices.Delete(n.usual(), 1, 2)
		for number := range 24 {
			txs = append(txs, n.send(number%3, (number+1+int(height)%2)%3, int64(1+number)))
		}
		req := decided(height, txs)
		if height > 1 {
			n.propose(req)
		}
		n.finalize(req)
	}
}

// A chain with Block-STM has what one without has: AppHash and gas, and the names of
// its blocks, by what was written and by the roots.
func TestParallelExecutionLeavesTheSame(t *testing.T) {
	for _, stores := range []any{"writes", "roots"} {
		settings := map[string]any{"haltbox.stores": stores}
		run := func(extra ...func(*baseapp.BaseApp)) *node {
			n := start(t, settings, extra...)
			n.crowded(1, 5)
			return n
		}
		first := run()
		first.must(first.app.Close())
		for way, r := range runners {
			n := with(r, func() *node { return run(r.options...) })
			if !reflect.DeepEqual(n.hashes, first.hashes) || !reflect.DeepEqual(n.gas, first.gas) {
				t.Fatalf("%s: %v %v, one by one %v %v", way, n.hashes, n.gas, first.hashes, first.gas)
			}
			n.must(n.app.Close())
			sameNames(t, first, n)
		}
	}
}

// sameNames asserts that two nodes that are over name their blocks alike.
func sameNames(t *testing.T, a, b *node) {
	t.Helper()
	for height := int64(2); height <= 4; height++ {
		one, other := name(a.frozen(height)), name(b.frozen(height))
		if one != other || strings.Contains(one, "incomplete") {
			t.Errorf("height %d is %s and %s", height, one, other)
		}
	}
}

// said is a log that goroutines write.
type said struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(line []byte) (int, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.text.Write(line)
}

// times is how often the log has a text.
func (s *said) times(text string) int {
	s.lock.Lock()
	defer s.lock.Unlock()
	return strings.Count(s.text.String(), text)
}

// listen gives what the nodes say until the test ends.
func listen(t *testing.T) *said {
	heard := &said{}
	logger = log.NewLogger(heard, log.ColorOption(false))
	t.Cleanup(func() { logger = log.NewNopLogger() })
	return heard
}

// Operations that are executed at the same time come in an order of chance: what was
// written is recorded instead, and the block has the name of a node that records it.
func TestParallelExecutionHasNoOperations(t *testing.T) {
	writes := start(t, map[string]any{"haltbox.stores": "writes"})
	writes.crowded(1, 4)
	writes.must(writes.app.Close())
	for way, r := range runners {
		heard := listen(t)
		n := with(r, func() *node { return start(t, nil) })
		n.crowded(1, 4)
		if got := heard.times("what each block changes is recorded instead of reads and writes"); got != 1 {
			t.Errorf("%s: the log says it %d times", way, got)
		}
		kinds := map[string]int{}
		for _, entry := range n.entries() {
			kind, _, _ := strings.Cut(entry["type"].(string), "-")
			kinds[kind+" "+fmt.Sprint(entry["type"] == "step-set")]++
		}
		if kinds["op false"] > 0 || kinds["step true"] < 40 {
			t.Errorf("%s: %v", way, kinds)
		}
		sameNames(t, writes, n)
	}
}

// A node that executes in parallel compares with one that records operations: what
// both have is the same, and what differs is found in what both have.
func TestParallelExecutionCompares(t *testing.T) {
	run := func(r *runner) *node {
		n := with(r, func() *node { return start(t, nil) })
		n.crowded(1, 4)
		n.must(n.app.Close())
		return n
	}
	operations, parallel := run(nil), run(runners["parallel"])
	if said := haltboxtest.Run(t, "diff", operations.dir(), parallel.dir()); !strings.Contains(said, "IDENTICAL") {
		t.Error(said)
	}
	t.Setenv("EXAMPLE_LAPSE", "3")
	said := haltboxtest.Differs(t, "diff", operations.dir(), run(runners["parallel"]).dir())
	for _, part := range []string{"height 3", "bank"} {
		if !strings.Contains(said, part) {
			t.Errorf("no %q in %s", part, said)
		}
	}
}

// A node that goes over to parallel execution while it runs stops to record operations,
// and says so.
func TestAChangeToParallelExecutionEndsTheOperations(t *testing.T) {
	heard := listen(t)
	n := start(t, nil)
	n.crowded(1, 2)
	runners["parallel"].set(n.bare)
	n.crowded(3, 5)
	if got := heard.times("reads and writes are not recorded any more"); got != 1 {
		t.Errorf("the log says it %d times", got)
	}
	height := 0.0
	operations := map[float64]int{}
	for _, entry := range n.entries() {
		if entry["type"] == "begin-block" {
			height = entry["height"].(float64)
		}
		if strings.HasPrefix(entry["type"].(string), "op-") {
			operations[height]++
		}
	}
	if operations[2] == 0 || operations[3]+operations[4]+operations[5] > 0 {
		t.Errorf("operations by height: %v", operations)
	}
}
