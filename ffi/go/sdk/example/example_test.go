package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	storetypes "cosmossdk.io/store/types"
	abci "github.com/cometbft/cometbft/abci/types"

	"github.com/cosmos/cosmos-sdk/baseapp"
	sdktypes "github.com/cosmos/cosmos-sdk/types"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

// entries of a node that is over.
func (n *node) entries(arguments ...string) (found []map[string]any) {
	n.t.Helper()
	n.must(n.app.Close())
	for _, line := range haltboxtest.Cat(n.t, n.dir(), arguments...) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			n.t.Fatalf("%s: %v", line, err)
		}
		found = append(found, entry)
	}
	return found
}

func TestTheChainIsTheSameWithAndWithoutTheRecorder(t *testing.T) {
	var hashes, gas [][]string
	for _, settings := range []map[string]any{
		{"haltbox.enable": false}, {"haltbox.stores": false}, {"haltbox.stores": "writes"}, {}, {"haltbox.value-bytes": 32},
	} {
		for _, optimistic := range []bool{false, true} {
			var extra []func(*baseapp.BaseApp)
			if optimistic {
				extra = append(extra, baseapp.SetOptimisticExecution())
			}
			n := start(t, settings, extra...)
			n.blocks(1, 5)
			hashes, gas = append(hashes, n.hashes), append(gas, n.gas)
		}
	}
	for at := range hashes {
		if !reflect.DeepEqual(hashes[at], hashes[0]) || !reflect.DeepEqual(gas[at], gas[0]) {
			t.Errorf("%d\n%v\n%v\nwant\n%v\n%v", at, hashes[at], gas[at], hashes[0], gas[0])
		}
	}
}

func TestABlockHasPhasesTransactionsAndRoots(t *testing.T) {
	n := start(t, nil)
	n.blocks(1, 3)
	var course []string
	stores, roots := map[string]bool{}, map[string]bool{}
	for _, entry := range n.entries("--height", "3") {
		kind := entry["type"].(string)
		name, _ := entry["store"].(string)
		switch {
		case kind == "step-phase":
			course = append(course, entry["phase"].(string))
		case kind == "tx-begin":
			course = append(course, fmt.Sprint("tx ", entry["tx"]))
		case strings.HasPrefix(kind, "op-"):
			stores[name] = true
			where := "outside"
			if tx, is := entry["tx"]; is {
				where = fmt.Sprint("in ", tx)
			}
			if course[len(course)-1] != where {
				course = append(course, where)
			}
		case kind == "step-store-root":
			roots[name] = len(entry["hash"].(string)) == 64
		}
	}
	if got := strings.Join(course, " "); got != wantedCourse {
		t.Errorf("got  %s\nwant %s", got, wantedCourse)
	}
	for _, name := range []string{"acc", "bank", "staking", "mint", "distribution", "consensus"} {
		if !stores[name] || !roots[name] {
			t.Errorf("%s: operations %v, root %v", name, stores[name], roots[name])
		}
	}
}

// The roots are those that the SDK commits.
func TestRootsAreThoseOfTheCommit(t *testing.T) {
	for _, stores := range []any{true, false, "writes"} {
		n := start(t, map[string]any{"haltbox.stores": stores})
		n.blocks(1, 2)
		want := map[string]string{}
		info, err := n.app.CommitMultiStore().(interface {
			GetCommitInfo(int64) (*storetypes.CommitInfo, error)
		}).GetCommitInfo(2)
		n.must(err)
		for _, store := range info.StoreInfos {
			if len(store.CommitId.Hash) > 0 {
				want[store.Name] = fmt.Sprintf("%x", store.CommitId.Hash)
			}
		}
		if info.Timestamp != decided(2, nil).Time {
			t.Errorf("the commit's time is %v", info.Timestamp)
		}
		got := map[string]string{}
		for _, entry := range n.entries("--height", "2") {
			if entry["type"] == "step-store-root" {
				got[entry["store"].(string)] = entry["hash"].(string)
			}
		}
		if !reflect.DeepEqual(got, want) || len(want) < 6 {
			t.Errorf("got %v\nwant %v", got, want)
		}
	}
}

// What users ask for leaves nothing: a node that is asked records the same.
func TestWhatUsersAskForLeavesNoEntry(t *testing.T) {
	count := func(ask bool) int {
		n := start(t, nil)
		n.blocks(1, 2)
		if ask {
			for amount := range 3 {
				n.ask(n.send(0, 1, int64(amount+1)), 3)
			}
		}
		return len(n.entries())
	}
	if with, without := count(true), count(false); with != without {
		t.Errorf("%d entries, and %d without", with, without)
	}
}

// boxOf freezes a height and gives the box's path.
func (n *node) boxOf(height int64) string {
	n.t.Helper()
	n.must(n.app.Close())
	return n.frozen(height)
}

// frozen does so with a node that is over.
func (n *node) frozen(height int64) string {
	n.t.Helper()
	said := haltboxtest.Run(n.t, "freeze", n.dir(), "--height", fmt.Sprint(height))
	for _, word := range strings.Fields(said) {
		if strings.Contains(word, fmt.Sprintf("/boxes/%d-", height)) {
			return word
		}
	}
	n.t.Fatalf("no box in %s", said)
	return ""
}

func name(box string) string { return box[strings.LastIndexByte(box, '/')+1:] }

// A block has one name, whether its proposal was executed before it was decided, in
// vain, or not at all, and whatever restarts lie before it.
func TestTheNameOfABlockDoesNotDependOnTheWayToIt(t *testing.T) {
	optimistic := baseapp.SetOptimisticExecution()
	ways := map[string]func() *node{
		"decided":    func() *node { n := start(t, nil); n.blocks(1, 4); return n },
		"optimistic": func() *node { n := start(t, nil, optimistic); n.blocks(1, 4); return n },
		"restarted": func() *node {
			n := start(t, nil)
			n.blocks(1, 2)
			n.restart()
			n.blocks(3, 4)
			return n
		},
	}
	for _, extra := range [][]func(*baseapp.BaseApp){nil, {optimistic}} {
		ways[fmt.Sprint("in vain ", len(extra))] = func() *node {
			n := start(t, nil, extra...)
			n.blocks(1, 3)
			other := decided(4, nil)
			n.propose(other)
			n.finalize(decided(4, n.usual()))
			return n
		}
	}
	// The first proposal of a chain that is executed before its decision, refused.
	ways["refused"] = func() *node {
		refuses := func(app *baseapp.BaseApp) {
			app.SetProcessProposal(func(ctx sdktypes.Context, _ *abci.RequestProcessProposal) (*abci.ResponseProcessProposal, error) {
				status := abci.ResponseProcessProposal_ACCEPT
				if ctx.BlockHeight() == 2 {
					status = abci.ResponseProcessProposal_REJECT
				}
				return &abci.ResponseProcessProposal{Status: status}, nil
			})
		}
		n := start(t, nil, optimistic, refuses)
		n.blocks(1, 1)
		req := decided(2, n.usual())
		if _, err := n.app.ProcessProposal(proposal(req)); err != nil {
			t.Fatal(err)
		}
		n.finalize(req)
		n.blocks(3, 4)
		return n
	}
	for _, height := range []int64{2, 4} {
		oneName(t, height, ways)
	}
}

func oneName(t *testing.T, height int64, ways map[string]func() *node) {
	t.Helper()
	names := map[string]string{}
	for way, run := range ways {
		names[name(run().boxOf(height))] += way + ", "
	}
	if len(names) != 1 || strings.Contains(fmt.Sprint(names), "incomplete") {
		t.Error(names)
	}
}

// An execution that was thrown away is an attempt of its own.
func TestAnExecutionInVainIsAborted(t *testing.T) {
	n := start(t, nil, baseapp.SetOptimisticExecution())
	n.blocks(1, 2)
	n.propose(decided(3, [][]byte{n.send(1, 0, 1)}))
	n.seqs[1]--
	n.finalize(decided(3, n.usual()))
	var kinds []string
	operations := 0
	for _, entry := range n.entries() {
		switch kind := entry["type"].(string); {
		case strings.HasPrefix(kind, "op-"):
			operations++
		case strings.HasSuffix(kind, "-block") && entry["height"] == 3.0:
			kinds = append(kinds, kind)
			if kind == "end-block" && operations < 100 {
				t.Errorf("%d operations", operations)
			}
			operations = 0
		}
	}
	if got := strings.Join(kinds, " "); got != "begin-block abort-block begin-block end-block commit-block" {
		t.Error(got)
	}
}

func TestALapseIsNamed(t *testing.T) {
	healthy := start(t, nil)
	healthy.blocks(1, 4)
	t.Setenv("EXAMPLE_LAPSE", "3")
	wrong := start(t, nil)
	wrong.blocks(1, 4)
	if healthy.hashes[1] != wrong.hashes[1] || healthy.hashes[2] == wrong.hashes[2] {
		t.Fatal(healthy.hashes, wrong.hashes)
	}
	healthy.must(healthy.app.Close())
	wrong.must(wrong.app.Close())
	said := haltboxtest.Differs(t, "diff", healthy.dir(), wrong.dir())
	for _, part := range []string{"EXECUTION DIFFERS", "height 3", "bank"} {
		if !strings.Contains(said, part) {
			t.Errorf("no %q in %s", part, said)
		}
	}
}

func TestARestartMakesNoDifference(t *testing.T) {
	one := start(t, nil)
	one.blocks(1, 6)
	other := start(t, nil)
	other.blocks(1, 3)
	other.restart()
	other.blocks(4, 6)
	one.must(one.app.Close())
	one.must(other.app.Close())
	if said := haltboxtest.Run(t, "diff", one.dir(), other.dir()); !strings.Contains(said, "IDENTICAL") {
		t.Error(said)
	}
}

// A database that was altered shows as the store whose root differs.
func TestAnAlteredStoreIsNamed(t *testing.T) {
	healthy, wrong := start(t, nil), start(t, nil)
	for _, n := range []*node{healthy, wrong} {
		n.blocks(1, 2)
		if n == wrong {
			store := n.app.CommitMultiStore()
			keys := store.(interface {
				StoreKeysByName() map[string]storetypes.StoreKey
			}).StoreKeysByName()
			store.GetKVStore(keys["distribution"]).Set([]byte("nobody reads this"), []byte{1})
		}
		n.blocks(3, 4)
		n.must(n.app.Close())
	}
	said := haltboxtest.Differs(t, "diff", healthy.dir(), wrong.dir())
	for _, part := range []string{"height 3", "step-store-root", `"store":"distribution"`} {
		if !strings.Contains(said, part) {
			t.Errorf("no %q in %s", part, said)
		}
	}
}

// A node that records no operations still compares, and the root tells the store.
func TestANodeWithoutOperationsCompares(t *testing.T) {
	run := func(stores bool) *node {
		n := start(t, map[string]any{"haltbox.stores": stores})
		n.blocks(1, 4)
		n.must(n.app.Close())
		return n
	}
	with, without := run(true), run(false)
	if said := haltboxtest.Run(t, "diff", with.dir(), without.dir()); !strings.Contains(said, "IDENTICAL") {
		t.Error(said)
	}
	t.Setenv("EXAMPLE_LAPSE", "3")
	said := haltboxtest.Differs(t, "diff", with.dir(), run(false).dir())
	for _, part := range []string{"height 3", "step-store-root", `"store":"bank"`} {
		if !strings.Contains(said, part) {
			t.Errorf("no %q in %s", part, said)
		}
	}
}

// All that is read was written by somebody: what a failed transaction wrote does not
// stand, but for what its ante handler did.
func TestReadsAreOfWhatWasWritten(t *testing.T) {
	n := start(t, nil)
	n.blocks(1, 6)
	n.must(n.app.Close())
	said := haltboxtest.Run(t, "verify", "--reads", n.dir()+"/ring")
	if !strings.Contains(said, " 0 do not match;") || strings.Contains(said, " 0 reads checked") {
		t.Error(said)
	}
}

// Each key that a block changed is told once, with what the store holds behind the block,
// whatever the optimistic executions before it wrote.
func TestWritesAreWhatTheBlockLeaves(t *testing.T) {
	n := start(t, map[string]any{"haltbox.stores": "writes"}, baseapp.SetOptimisticExecution())
	n.blocks(1, 2)
	other := decided(3, [][]byte{n.send(2, 1, 77)})
	n.seqs[2]--
	n.propose(other)
	n.blocks(3, 3)
	stores := n.app.CommitMultiStore().(interface {
		StoreKeysByName() map[string]storetypes.StoreKey
	}).StoreKeysByName()
	told := map[string]bool{}
	for _, entry := range n.entries("--height", "3") {
		kind := entry["type"].(string)
		if strings.HasPrefix(kind, "op-") {
			t.Fatalf("an operation: %v", entry)
		}
		if kind != "step-set" && kind != "step-unset" {
			continue
		}
		name, key := entry["store"].(string), entry["key"].(string)
		if told[name+key] {
			t.Errorf("%s %s is told twice", name, key)
		}
		told[name+key] = true
		bytes, err := hex.DecodeString(key)
		n.must(err)
		value := n.app.CommitMultiStore().GetKVStore(stores[name]).Get(bytes)
		want := any(nil)
		if value != nil {
			want = fmt.Sprintf("%x", sha256.Sum256(value))
		}
		if entry["value"] != want {
			t.Errorf("%v, and the store has %v", entry, want)
		}
	}
	balance := "02" + "14" + hex.EncodeToString(address(0)) + hex.EncodeToString([]byte("stake"))
	if !told["bank"+balance] || len(told) < 5 {
		t.Errorf("only %v", told)
	}
}
