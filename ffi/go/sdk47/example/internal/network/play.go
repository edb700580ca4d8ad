// Code generated from network/play.go; DO NOT EDIT.

package network

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	dbm "github.com/cometbft/cometbft-db"
	sdktypes "github.com/cosmos/cosmos-sdk/types"
	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

// scenario is a failure of one node, and the right answer.
type scenario struct {
	name string
	// victim is the number of the node that goes wrong.
	victim int
	// before is what happens to nodes that are right, before.
	before func(*network)
	// fail makes the victim go wrong.
	fail func(net *network, victim *node)
	// cure makes it right again, once it does not run any more.
	cure func(victim *node)
	// verdict and place that the reader tells of its box and a healthy one.
	verdict, place string
}

// roles of the nodes.
const (
	healthy = 0
	writing = 1
	roots   = 2
	wrong   = 3
	logged  = 4
	synced  = 5
)

var scenarios = []scenario{
	{
		name: "time.Now in EndBlock", victim: wrong, fail: armed(clock), cure: (*node).rolledBack,
		before:  func(net *network) { net.restart(healthy, (*node).kill) },
		verdict: "execution differs", place: "op-write in EndBlock of bank",
	},
	{
		name: "the order of a map in EndBlock", victim: wrong, fail: armed(mapOrder), cure: (*node).rolledBack,
		before:  func(net *network) { net.restart(writing, (*node).stop) },
		verdict: "order differs", place: "op-read in EndBlock of bank",
	},
	{
		name: "a gas parameter", victim: wrong, fail: armed(gasParameter), cure: (*node).rolledBack,
		before:  func(net *network) { net.restart(roots, (*node).kill) },
		verdict: "results only", place: "tx-result in a transaction",
	},
	{
		name: "a node with writes alone", victim: writing, fail: armed(clock), cure: (*node).rolledBack,
		before:  func(net *network) { net.restart(wrong, (*node).kill) },
		verdict: "state differs", place: "step-store-root of bank",
	},
	{
		name: "a node without stores", victim: roots, fail: armed(clock), cure: (*node).rolledBack,
		before:  func(net *network) { net.restart(healthy, (*node).stop) },
		verdict: "state differs", place: "step-store-root of bank",
	},
	{
		name: "a fault in the replay", victim: wrong, fail: failInReplay, cure: (*node).rolledBack,
		before:  func(net *network) { net.restart(writing, (*node).kill) },
		verdict: "execution differs", place: "op-write in EndBlock of bank",
	},
	{
		name: "nothing but the log", victim: logged, fail: armed(clock), cure: (*node).rolledBack,
		before:  func(net *network) { net.restart(logged, (*node).stop) },
		verdict: "evidence insufficient",
	},
	{
		name: "a row altered on disk", victim: wrong, fail: alterRow,
		verdict: "state differs", place: "op-read in a transaction of bank",
	},
}

// Play plays the failures, one after the other in one network, and prints a table.
func Play(t *testing.T, chain Chain) {
	net := startNetwork(t, chain)
	words := os.Getenv("HALTBOX_SCENARIO")
	for _, s := range scenarios {
		if strings.Contains(s.name, words) {
			net.play(s)
		}
	}
}

// startNetwork starts the nodes, rolls one back, and has one take the state of others.
func startNetwork(t *testing.T, chain Chain) *network {
	net := newNetwork(t, chain, recorded, writesAlone, rootsAlone, recorded, logAlone, recorded)
	for _, n := range net.nodes[:synced] {
		n.start()
	}
	net.reach(4)
	net.send()
	net.rollBack(wrong)
	net.rollBack(wrong, "--hard")
	net.sync(net.nodes[synced])
	return net
}

// play has one node go wrong.
func (net *network) play(s scenario) {
	if s.before != nil {
		s.before(net)
	}
	net.reach(4)
	victim := net.nodes[s.victim]
	had := net.boxes()
	s.fail(net, victim)
	victim.until("box", func() bool { return len(victim.boxes()) > len(had[victim]) })
	height := heightOf(fresh(had[victim], victim.boxes()))
	for _, n := range net.but(victim) {
		n.reach(height + 3)
	}
	found := net.judge(victim, height)
	if found.Verdict != s.verdict || found.where() != s.place {
		net.t.Errorf("%s: %s, %s, expected %s, %s", s.name, found.Verdict, found.where(), s.verdict, s.place)
	}
	if s.place != "" && found.Place.Height != height {
		net.t.Errorf("%s: %s at height %d, expected %d", s.name, found.Verdict, found.Place.Height, height)
	}
	net.quiet(had, victim)
	fmt.Printf("| %s | %s | %s | %s |\n", s.name, victim.name, found.Verdict, found.where())
	if s.cure != nil {
		victim.stop()
		s.cure(victim)
		net.startAgain(victim)
		net.quiet(had, victim)
	}
}

// judge compares the box with what healthy nodes have of its height.
func (net *network) judge(victim *node, height int64) *finding {
	net.t.Helper()
	own := victim.boxOf(height)
	var honest []*node
	var all []string
	for _, n := range net.but(victim) {
		if n.way.stores {
			honest = append(honest, n)
		}
		if !n.way.outside {
			all = append(all, n.freeze(height))
		}
	}
	sameName(net.t, height, honest...)
	if victim.way.stores {
		sameName(net.t, height-1, append(honest, victim)...)
	}
	if !victim.way.outside {
		alone(net.t, height, append(all, own)...)
	}
	return differ(net.t, honest[0].freeze(height), own)
}

// quiet asserts that no node has more boxes than it had, but for the victim one, and
// that nothing needs attention where there is none.
func (net *network) quiet(had map[*node][]string, victim *node) {
	net.t.Helper()
	for _, n := range net.nodes {
		want := len(had[n])
		if n == victim {
			want++
		}
		if now := n.boxes(); len(now) != want {
			net.t.Errorf("%s: %v, had %v", n.name, now, had[n])
		}
		if want == 0 && n.running() {
			n.needsNothing()
		}
	}
}

// armed has a node go wrong in a block that nobody has begun.
func armed(kind Kind) func(*network, *node) {
	return func(net *network, victim *node) { victim.arm(kind, net.soon()) }
}

// failInReplay has the node killed in the middle of a block, which it executes otherwise
// when it starts again.
func failInReplay(net *network, victim *node) {
	height := net.soon()
	victim.arm(killed, height)
	<-victim.over
	victim.arm(clock, height)
	victim.start()
}

// rolledBack is the cure of a node that a build or a start made wrong. It is started
// wrong once more before: its box stays, and it makes no other.
func (n *node) rolledBack() {
	boxes := n.boxes()
	n.start()
	n.until("failure once more", func() bool { return n.ended() || strings.Contains(n.log(), "wrong Block.Header") })
	n.kill()
	if now := n.boxes(); !slices.Equal(now, boxes) {
		n.t.Errorf("%s: had %v, and after a restart %v", n.name, boxes, now)
	}
	n.disarm()
	n.rollback()
}

// rollBack has a node that is right execute its last block once more.
func (net *network) rollBack(number int, arguments ...string) {
	n := net.nodes[number]
	had := net.boxes()
	now, _ := n.height()
	n.stop()
	n.rollback(arguments...)
	net.startAgain(n)
	net.quiet(had, nil)
	net.same(n, now)
}

// restart ends a node in one of the ways, and starts it again.
func (net *network) restart(number int, end func(*node)) {
	n := net.nodes[number]
	end(n)
	net.startAgain(n)
}

// startAgain waits until a node has what the others have meanwhile.
func (net *network) startAgain(n *node) {
	n.start()
	now, _ := net.but(n)[0].height()
	n.reach(now + 2)
}

// same asserts that a node has the same as one that is right, from a height on.
func (net *network) same(n *node, from int64) {
	net.t.Helper()
	if n.way.outside {
		return
	}
	other := net.nodes[healthy]
	if n == other {
		other = net.nodes[synced]
	}
	words := []string{"diff", "--from-height", fmt.Sprint(from), other.dir(), n.dir()}
	if said := haltboxtest.Run(net.t, words...); !strings.Contains(said, "IDENTICAL") {
		net.t.Error(said)
	}
}

// sync starts a node that takes the state of others.
func (net *network) sync(n *node) {
	by := net.nodes[healthy]
	// By then there is a snapshot.
	by.reach(8)
	trusted := int64(6)
	commit, err := by.client.Commit(context.Background(), &trusted)
	net.must(err)
	n.config.StateSync.Enable = true
	n.config.StateSync.RPCServers = []string{by.url, net.nodes[writing].url}
	n.config.StateSync.TrustHeight, n.config.StateSync.TrustHash = trusted, commit.Header.Hash().String()
	n.config.StateSync.DiscoveryTime = 5 * time.Second
	n.writeConfig()
	net.startAgain(n)
	if !strings.Contains(n.log(), "Snapshot restored") {
		n.t.Errorf("%s took no snapshot", n.name)
	}
	now, _ := by.height()
	n.reach(now + 3)
	net.same(n, now)
}

// alterRow changes a balance in the database of a node that does not run: in the place
// where the SDK reads it, which no hash is made of.
func alterRow(net *network, victim *node) {
	victim.stop()
	db, err := dbm.NewGoLevelDB("application", filepath.Join(victim.home, "data"))
	net.must(err)
	key := append([]byte("s/k:bank/f\x02\x14"), net.address(0)...)
	key = append(key, sdktypes.DefaultBondDenom...)
	value, err := db.Get(key)
	net.must(err)
	if len(value) == 0 {
		net.t.Fatal("no such row")
	}
	value[len(value)-1] ^= 1
	net.must(db.SetSync(key, value))
	net.must(db.Close())
	victim.start()
}
