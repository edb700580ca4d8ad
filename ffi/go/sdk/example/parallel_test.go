package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"cosmossdk.io/log"
	storetypes "cosmossdk.io/store/types"
	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/cosmos/cosmos-sdk/baseapp"
	sdktypes "github.com/cosmos/cosmos-sdk/types"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

// job is a transaction on a branch of its own.
type job struct {
	ctx sdktypes.Context
	tx  sdktypes.Tx
}

// executor stands for a fork of the SDK that executes transactions at the same time: it
// has their ante handlers and some more run in PreBlock, and writes their branches in the
// order of the block. BaseApp executes them once more, where they fail.
type executor struct {
	app *App
	// on is the store that a transaction gets for its branch.
	on func(storetypes.CacheMultiStore) storetypes.MultiStore
	// run executes the jobs.
	run func(e *executor, jobs []job)
}

// cached has another name than the method that it is embedded for.
type cached = storetypes.CacheMultiStore

// foreign is a store of a fork's own: the tracer does not know it.
type foreign struct{ cached }

func own(branch storetypes.CacheMultiStore) storetypes.MultiStore      { return foreign{branch} }
func branched(branch storetypes.CacheMultiStore) storetypes.MultiStore { return branch }

func (e *executor) ante(of job) { _, _ = e.app.AnteHandler()(of.ctx, of.tx, false) }

// rest is what a message does: it reads.
func (e *executor) rest(of job) { e.app.bank.GetSupply(of.ctx, "stake") }

// together executes by goroutines.
func together(e *executor, jobs []job) {
	var all sync.WaitGroup
	for _, one := range jobs {
		all.Add(1)
		go func() {
			defer all.Done()
			e.ante(one)
			for range 20 {
				e.rest(one)
			}
		}()
	}
	all.Wait()
}

// interleaved begins each transaction while the one before is executed.
func interleaved(e *executor, jobs []job) {
	for at, one := range jobs {
		e.ante(one)
		if at > 0 {
			e.rest(jobs[at-1])
		}
	}
}

// reversed executes one after the other, in another order than the block's.
func reversed(e *executor, jobs []job) {
	for at := len(jobs) - 1; at >= 0; at-- {
		e.ante(jobs[at])
	}
}

// preBlock executes.
func (e *executor) preBlock(ctx sdktypes.Context, txs [][]byte) {
	var jobs []job
	var branches []storetypes.CacheMultiStore
	for _, tx := range txs {
		decoded, err := e.app.txConfig.TxDecoder()(tx)
		if err != nil {
			continue
		}
		branch := ctx.MultiStore().CacheMultiStore()
		branches = append(branches, branch)
		own := ctx.WithTxBytes(tx).WithMultiStore(e.on(branch)).WithEventManager(sdktypes.NewEventManager()).
			WithGasMeter(storetypes.NewInfiniteGasMeter())
		jobs = append(jobs, job{own, decoded})
	}
	e.run(e, jobs)
	for _, branch := range branches {
		branch.Write()
	}
}

// forked makes nodes whose applications execute so, from a height on.
func forked(t *testing.T, from int64, e executor) {
	change = func(app *App) {
		e := e
		e.app = app
		inner := app.BaseApp.PreBlocker()
		app.SetPreBlocker(func(
			ctx sdktypes.Context, req *abci.RequestFinalizeBlock,
		) (*sdktypes.ResponsePreBlock, error) {
			response, err := inner(ctx, req)
			if err == nil && req.Height >= from {
				e.preBlock(ctx, req.Txs)
			}
			return response, err
		})
	}
	t.Cleanup(func() { change = nil })
}

// each executes one after the other, in the order of the block.
func each(e *executor, jobs []job) {
	for _, one := range jobs {
		e.ante(one)
		e.rest(one)
	}
}

var executors = map[string]executor{
	"its own stores":           {on: own, run: together},
	"its own stores, in order": {on: own, run: each},
	"branches":                 {on: branched, run: together},
	"interleaved":              {on: branched, run: interleaved},
	"reversed":                 {on: branched, run: reversed},
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

// overlaps is what the log says of a fork.
const overlaps = "transactions are executed at the same time"

// A fork that executes transactions at the same time has the names, the AppHashes and the
// gas of a node that records writes, from its first transaction on, and says so once.
func TestAForkThatExecutesAtTheSameTimeRecordsWrites(t *testing.T) {
	for way, e := range executors {
		for _, extra := range [][]func(*baseapp.BaseApp){nil, {baseapp.SetOptimisticExecution()}} {
			forked(t, 1, e)
			run := func(settings map[string]any) *node {
				n := start(t, settings, extra...)
				n.blocks(1, 3)
				n.restart()
				n.blocks(4, 5)
				n.must(n.app.Close())
				return n
			}
			off := run(map[string]any{"haltbox.enable": false})
			writes := run(map[string]any{"haltbox.stores": "writes"})
			heard := listen(t)
			n := run(map[string]any{"haltbox.sequential": true})
			// One process, and the one behind the restart.
			if got := heard.times(overlaps + ": what each block changes"); got != 2 {
				t.Errorf("%s, %d: the log says it %d times", way, len(extra), got)
			}
			if !reflect.DeepEqual(n.hashes, off.hashes) || !reflect.DeepEqual(n.gas, off.gas) {
				t.Errorf("%s, %d: %v, without the recorder %v", way, len(extra), n.hashes, off.hashes)
			}
			sameNames(t, 1, 5, writes, n)
			accusesNobody(t, writes, n)
		}
	}
}

// sameNames asserts that two nodes that are over name their blocks alike.
func sameNames(t *testing.T, from, to int64, a, b *node) {
	t.Helper()
	for height := from; height <= to; height++ {
		one, other := name(a.frozen(height)), name(b.frozen(height))
		if one != other || strings.Contains(one, "incomplete") {
			t.Errorf("height %d is %s and %s", height, one, other)
		}
	}
}

// accusesNobody asserts that nothing that nodes recorded speaks against one of them.
func accusesNobody(t *testing.T, a, b *node) {
	t.Helper()
	for _, pair := range [][2]*node{{a, b}, {b, a}} {
		if said := haltboxtest.Run(t, "diff", pair[0].dir(), pair[1].dir()); !strings.Contains(said, "IDENTICAL") {
			t.Error(said)
		}
	}
	for _, n := range []*node{a, b} {
		if said := haltboxtest.Any(t, "verify", "--reads", n.dir()+"/ring"); strings.Contains(said, "READS DIFFER") {
			t.Error(said)
		}
	}
}

// operations is how many a node that is over recorded at each height.
func (n *node) operations() map[uint64]int {
	n.t.Helper()
	height, found := uint64(0), map[uint64]int{}
	for _, line := range haltboxtest.Cat(n.t, n.dir()) {
		var entry struct {
			Type   string
			Height uint64
		}
		n.must(json.Unmarshal([]byte(line), &entry))
		if entry.Type == "begin-block" {
			height = entry.Height
		}
		if strings.HasPrefix(entry.Type, "op-") {
			found[height]++
		}
	}
	return found
}

// Where nobody expects it, no writes are told either: the blocks are those of a node that
// records roots. Until then they have operations, as on any node.
func TestAnUnexpectedForkRecordsRoots(t *testing.T) {
	forked(t, 3, executors["its own stores"])
	run := func(settings map[string]any) *node {
		n := start(t, settings)
		n.blocks(1, 5)
		n.must(n.app.Close())
		return n
	}
	roots := run(map[string]any{"haltbox.stores": "roots"})
	heard := listen(t)
	n := run(nil)
	if got := heard.times(overlaps + ": the roots"); got != 1 {
		t.Errorf("the log says it %d times", got)
	}
	sameNames(t, 3, 5, roots, n)
	accusesNobody(t, roots, n)
	if found := n.operations(); found[2] < 100 || found[4]+found[5] > 0 {
		t.Error("operations by height: ", found)
	}
}

// What such a node does wrong is found in what it has in common with others, also in the
// block in which it is found out.
func TestAForkComparesWithOthers(t *testing.T) {
	forked(t, 3, executors["branches"])
	run := func(settings map[string]any) *node {
		n := start(t, settings)
		n.blocks(1, 4)
		n.must(n.app.Close())
		return n
	}
	settings := map[string]any{"haltbox.sequential": true}
	healthy, other := run(settings), run(settings)
	accusesNobody(t, healthy, other)
	t.Setenv("EXAMPLE_LAPSE", "3")
	wrong := run(settings)
	for _, pair := range [][2]*node{{healthy, wrong}, {wrong, healthy}} {
		said := haltboxtest.Differs(t, "diff", pair[0].dir(), pair[1].dir())
		for _, part := range []string{"STATE DIFFERS", "height 3", "supply of stake"} {
			if !strings.Contains(said, part) {
				t.Errorf("no %q in %s", part, said)
			}
		}
	}
}

// Transactions that are executed one after the other are recorded as they are, also where
// it is said that something else than BaseApp executes them.
func TestTransactionsInSequenceKeepTheirOperations(t *testing.T) {
	heard := listen(t)
	plain, said := start(t, nil), start(t, map[string]any{"haltbox.sequential": true})
	for _, n := range []*node{plain, said} {
		n.blocks(1, 4)
		n.must(n.app.Close())
	}
	sameNames(t, 1, 4, plain, said)
	if found := fmt.Sprint(plain.operations()); found != fmt.Sprint(said.operations()) || heard.times(overlaps) > 0 {
		t.Error(found, heard.text.String())
	}
}
