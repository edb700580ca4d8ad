package main

import (
	"slices"
	"testing"

	dbm "github.com/cosmos/cosmos-db"
)

// sends in each block.
const sends = 200

// BenchmarkFinalizeBlock executes the same blocks on four nodes in turns, whose
// database is on disk, and tells the medians: FinalizeBlock's time without the
// recorder, and how many times that it takes with it.
func BenchmarkFinalizeBlock(b *testing.B) {
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
	took := make([][]float64, len(kinds))
	for height := int64(1); height <= int64(b.N); height++ {
		for at, n := range nodes {
			var txs [][]byte
			for number := range sends {
				txs = append(txs, n.send(number%3, (number+1)%3, int64(1+number)))
			}
			req := decided(height, txs)
			n.finalize(req)
			took[at] = append(took[at], n.took.Seconds()*1000)
		}
	}
	var ratios [4][]float64
	for at := range kinds {
		for block := range took[0] {
			ratios[at] = append(ratios[at], took[at][block]/took[0][block])
		}
	}
	if nodes[0].hashes[len(nodes[0].hashes)-1] != nodes[3].hashes[len(nodes[3].hashes)-1] {
		b.Fatal("the nodes differ")
	}
	b.ReportMetric(median(took[0]), "ms/FinalizeBlock")
	b.ReportMetric(median(ratios[1]), "x-roots")
	b.ReportMetric(median(ratios[2]), "x-writes")
	b.ReportMetric(median(ratios[3]), "x-operations")
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}
