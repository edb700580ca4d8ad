package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	storetypes "github.com/cosmos/cosmos-sdk/store/types"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

// entries of a node that is over.
func (n *node) entries(arguments ...string) (found []map[string]any) {
	n.t.Helper()
	n.close()
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
		n := start(t, settings)
		n.blocks(1, 5)
		hashes, gas = append(hashes, n.hashes), append(gas, n.gas)
	}
	for at := range hashes {
		if !reflect.DeepEqual(hashes[at], hashes[0]) || !reflect.DeepEqual(gas[at], gas[0]) {
			t.Errorf("%d\n%v\n%v\nwant\n%v\n%v", at, hashes[at], gas[at], hashes[0], gas[0])
		}
	}
}

// --trace-store goes on beside the recorder, and has the same writes.
func TestTheTracingOfTheSDKStays(t *testing.T) {
	traced := func(settings map[string]any) (hashes []string, writes int) {
		var written bytes.Buffer
		traceStore = &written
		defer func() { traceStore = nil }()
		n := start(t, settings)
		n.blocks(1, 3)
		for _, line := range strings.Split(written.String(), "\n") {
			if strings.Contains(line, `"operation":"write"`) && strings.Contains(line, `"txHash":"`) {
				writes++
			}
		}
		return n.hashes, writes
	}
	want, wanted := traced(map[string]any{"haltbox.enable": false})
	hashes, writes := traced(nil)
	if !reflect.DeepEqual(hashes, want) || writes != wanted || writes == 0 {
		t.Errorf("%d writes %v\nwant %d %v", writes, hashes, wanted, want)
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
	// Transaction 1 is none, and 4 is the first once more: it fails in its ante handler.
	want := "BeginBlock outside tx 0 in 0 tx 1 in 1 tx 2 in 2 tx 3 in 3 tx 4 in 4 tx 5 in 5 tx 6 in 6 EndBlock outside"
	if got := strings.Join(course, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
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
		kept, is := n.app.CommitMultiStore().(interface {
			GetCommitInfo(int64) (*storetypes.CommitInfo, error)
		})
		if !is {
			t.Skip("this release of the SDK does not tell what it committed")
		}
		info, err := kept.GetCommitInfo(2)
		n.must(err)
		for _, store := range info.StoreInfos {
			if len(store.CommitId.Hash) > 0 {
				want[store.Name] = fmt.Sprintf("%x", store.CommitId.Hash)
			}
		}
		timed, is := any(info).(interface{ GetTimestamp() time.Time })
		if is && !timed.GetTimestamp().Equal((block{height: 2}).time()) {
			t.Errorf("the commit's time is %v", timed.GetTimestamp())
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
	n.close()
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

// A block has one name, whatever restarts lie before it.
func TestTheNameOfABlockDoesNotDependOnRestarts(t *testing.T) {
	names := map[string]bool{}
	for _, restarts := range []bool{false, true} {
		n := start(t, nil)
		n.blocks(1, 2)
		if restarts {
			n.restart()
		}
		n.blocks(3, 4)
		names[name(n.boxOf(4))] = true
	}
	if len(names) != 1 || strings.Contains(fmt.Sprint(names), "incomplete") {
		t.Error(names)
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
	healthy.close()
	wrong.close()
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
	one.close()
	other.close()
	if said := haltboxtest.Run(t, "diff", one.dir(), other.dir()); !strings.Contains(said, "IDENTICAL") {
		t.Error(said)
	}
}

// A process that is killed right behind the SDK's commit leaves a block without an end,
// which it does not execute again.
func TestABlockWithoutAnEndIsNoFault(t *testing.T) {
	whole, cut := start(t, nil), start(t, nil)
	for _, n := range []*node{whole, cut} {
		n.blocks(1, 2)
		n.execute(block{3, n.usual()})
		if n == whole {
			n.commit()
		} else {
			n.appHash = n.bare.Commit().Data
			n.restart()
		}
		n.blocks(4, 6)
		n.close()
	}
	said := haltboxtest.Any(t, "diff", whole.dir(), cut.dir())
	if !strings.Contains(said, "Everything else is equal, but B does not completely cover height 3") {
		t.Error(said)
	}
	if name(whole.boxOf(5)) != name(cut.boxOf(5)) {
		t.Error("the block behind has another name")
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
			store.GetCommitKVStore(keys["distribution"]).Set([]byte("nobody reads this"), []byte{1})
		}
		n.blocks(3, 4)
		n.close()
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
		n.close()
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
	n.close()
	said := haltboxtest.Run(t, "verify", "--reads", n.dir()+"/ring")
	if !strings.Contains(said, " 0 do not match;") || strings.Contains(said, " 0 reads checked") {
		t.Error(said)
	}
}

// Each key that a block changed is told once, with what the store holds behind the block.
func TestWritesAreWhatTheBlockLeaves(t *testing.T) {
	n := start(t, map[string]any{"haltbox.stores": "writes"})
	n.blocks(1, 2)
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
		value := n.app.CommitMultiStore().GetCommitKVStore(stores[name]).Get(bytes)
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
