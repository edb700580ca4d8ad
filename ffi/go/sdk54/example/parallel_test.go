package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/baseapp/txnrunner"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdktypes "github.com/cosmos/cosmos-sdk/types"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

// overlaps is what the log says where transactions turn out to be executed at the same time.
const overlaps = "transactions are executed at the same time"

// inSequence are runners whose transactions have their operations recorded, with what has
// to be said for that.
var inSequence = map[string]struct {
	runner   func(app *App) sdktypes.TxRunner
	settings map[string]any
}{
	"the SDK's": {func(app *App) sdktypes.TxRunner { return txnrunner.NewDefaultRunner(app.TxDecode) }, nil},
	"around the SDK's": {func(app *App) sdktypes.TxRunner {
		return wrapping{own{txnrunner.NewDefaultRunner(app.TxDecode)}}
	}, nil},
	"the chain's": {func(app *App) sdktypes.TxRunner {
		return own{txnrunner.NewDefaultRunner(app.TxDecode)}
	}, map[string]any{"haltbox.sequential": true}},
}

// A runner of the chain's that executes one after the other has the operations that the
// SDK's own has: the blocks have the same names, and nothing differs.
func TestARunnerInSequenceHasItsOperations(t *testing.T) {
	run := func(r *runner, settings map[string]any) *node {
		n := with(r, func() *node { return start(t, settings) })
		n.crowded(1, 4)
		n.must(n.app.Close())
		return n
	}
	heard := listen(t)
	plain := run(nil, nil)
	for way, step := range inSequence {
		n := run(&runner{other: step.runner}, step.settings)
		if !reflect.DeepEqual(n.hashes, plain.hashes) || !reflect.DeepEqual(n.gas, plain.gas) {
			t.Errorf("%s: %v", way, n.hashes)
		}
		sameNames(t, plain, n)
		accusesNobody(t, plain, n)
		if found := n.operations(); found[2] < 300 || fmt.Sprint(found) != fmt.Sprint(plain.operations()) {
			t.Errorf("%s: operations by height %v", way, found)
		}
	}
	if heard.times("haltbox.sequential")+heard.times(overlaps) > 0 {
		t.Error(heard.text.String())
	}
}

// A runner of which it is wrongly said that it is sequential is found out with the first
// transaction: the block has the name that it has where writes are recorded.
func TestARunnerThatIsNotSequentialIsFoundOut(t *testing.T) {
	denom := func(storetypes.MultiStore) string { return "stake" }
	stm := &runner{other: func(app *App) sdktypes.TxRunner {
		return own{txnrunner.NewSTMRunner(app.TxDecode, app.GetStoreKeys(), 4, false, denom)}
	}}
	for _, extra := range [][]func(*baseapp.BaseApp){nil, {baseapp.SetOptimisticExecution()}} {
		run := func(r *runner, settings map[string]any) *node {
			n := with(r, func() *node {
				n := start(t, settings, extra...)
				n.crowded(1, 3)
				n.restart()
				return n
			})
			n.crowded(4, 5)
			n.must(n.app.Close())
			return n
		}
		writes := run(nil, map[string]any{"haltbox.stores": "writes"})
		heard := listen(t)
		n := run(stm, map[string]any{"haltbox.sequential": true})
		// One process, and the one behind the restart.
		if got := heard.times(overlaps + ": what each block changes"); got != 2 {
			t.Errorf("%d: the log says it %d times", len(extra), got)
		}
		if !reflect.DeepEqual(n.hashes, writes.hashes) || !reflect.DeepEqual(n.gas, writes.gas) {
			t.Errorf("%d: %v, one by one %v", len(extra), n.hashes, writes.hashes)
		}
		sameNames(t, writes, n)
		accusesNobody(t, writes, n)
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
