package main

import (
	"runtime"
	"slices"
	"testing"

	dbm "github.com/cosmos/cosmos-db"
)

// sends in each block.
const sends = 200

// BenchmarkFinalizeBlock executes the same blocks on four nodes in turns, whose
// database is on disk, and tells the medians: FinalizeBlock's time without the
// recorder, and how many times that it takes with it; the same of the processor time of
// the thread, in which others that want the processors do not count.
func BenchmarkFinalizeBlock(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	kinds := []map[string]any{
		{"haltbox.enable": false}, {"haltbox.stores": "roots", "haltbox.ring-mib": 256},
		{"haltbox.stores": "writes", "haltbox.ring-mib": 256}, {"haltbox.ring-mib": 256},
	}
	var nodes []*node
	for _, settings := range kinds {
		db, err := dbm.NewGoLevelDB("application", b.TempDir(), nil)
		if err != nil {
			b.Fatal(err)
		}
		nodes = append(nodes, startOn(b, db, settings))
	}
	took, used := make([][]float64, len(kinds)), make([][]float64, len(kinds))
	for height := int64(1); height <= int64(b.N); height++ {
		// All nodes would sign the same.
		var txs [][]byte
		for number := range sends {
			txs = append(txs, nodes[0].send(number%3, (number+1)%3, int64(1+number)))
		}
		for turn := range nodes {
			// Each is the first as often as the others.
			at := (turn + int(height)) % len(nodes)
			n := nodes[at]
			n.finalize(decided(height, txs))
			took[at] = append(took[at], n.took.Seconds()*1000)
			used[at] = append(used[at], n.used.Seconds()*1000)
		}
	}
	if nodes[0].hashes[len(nodes[0].hashes)-1] != nodes[3].hashes[len(nodes[3].hashes)-1] {
		b.Fatal("the nodes differ")
	}
	for at, kind := range []string{"", "roots", "writes", "operations"} {
		if at > 0 {
			b.ReportMetric(ratio(took, at), "x-"+kind)
			b.ReportMetric(ratio(used, at), "x-cpu-"+kind)
		}
	}
	b.ReportMetric(median(took[0]), "ms/FinalizeBlock")
	b.ReportMetric(median(used[0]), "cpu-ms/FinalizeBlock")
}

// ratio is the median of the blocks' ratios to the first node.
func ratio(of [][]float64, at int) float64 {
	var ratios []float64
	for block := range of[0] {
		ratios = append(ratios, of[at][block]/of[0][block])
	}
	return median(ratios)
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}
