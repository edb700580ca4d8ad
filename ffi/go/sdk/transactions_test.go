package sdk

import (
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// A transaction that comes twice is two, also where nothing is read in between: its
// messages are only executed behind an ante handler that passed.
func TestATransactionThatComesTwiceIsTwo(t *testing.T) {
	tx := []byte("tx")
	digest := sha256.Sum256(tx)
	hash := fmt.Sprintf("%X", digest)
	recorder, _ := haltboxtest.Open(t)
	c := &course{attempt: kvtrace.New(recorder, kvtrace.Options{}).Begin(), txs: [][]byte{tx, []byte("other"), tx}}
	root := &branch{course: c}
	var begun []int
	for _, passes := range []bool{true, false, false} {
		on := &branch{course: c, parent: root}
		c.beginTx(on, hash)
		begun = append(begun, c.next-1)
		if passes {
			c.wrote(on)
		}
	}
	if fmt.Sprint(begun) != "[0 0 2]" {
		t.Error(begun)
	}
}
