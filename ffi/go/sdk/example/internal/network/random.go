package network

import (
	"math/rand"
	"os"
	"strconv"
	"testing"
	"time"
)

// PlayAtRandom plays as many failures as rounds, in an order of chance. Before each of
// them, nodes that are right are killed, ended in order and rolled back by chance.
// HALTBOX_SEED repeats a run.
func PlayAtRandom(t *testing.T, chain Chain, rounds int) {
	seed := time.Now().UnixNano()
	if told, err := strconv.ParseInt(os.Getenv("HALTBOX_SEED"), 10, 64); err == nil {
		seed = told
	}
	t.Logf("HALTBOX_SEED=%d", seed)
	chance := rand.New(rand.NewSource(seed))
	net := startNetwork(t, chain)
	for round := range rounds {
		s := curable[chance.Intn(len(curable))]
		s.before = func(net *network) { net.disturb(chance) }
		t.Logf("round %d: %s", round, s.name)
		net.play(s)
	}
}

// disturb does up to three things to nodes that are right, which must change nothing.
func (net *network) disturb(chance *rand.Rand) {
	for range chance.Intn(4) {
		number := chance.Intn(len(net.nodes))
		switch chance.Intn(4) {
		case 0:
			net.restart(number, (*node).kill)
		case 1:
			net.restart(number, (*node).stop)
		case 2:
			net.rollBack(number)
		default:
			net.rollBack(number, "--hard")
		}
	}
}

// curable are the scenarios that leave a node as good as before.
var curable = func() (found []scenario) {
	for _, s := range scenarios {
		if s.cure != nil {
			found = append(found, s)
		}
	}
	return found
}()
