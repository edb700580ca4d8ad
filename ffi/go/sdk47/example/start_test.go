package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

// A node whose database is lost executes all blocks again as it starts; if one of them
// goes another way CometBFT panics, in a goroutine that nobody can catch it in. The block
// is in the ring.
func TestAPanicAtTheStartLeavesTheBlockInTheRing(t *testing.T) {
	node := newProcess(t)
	node.start("HALTBOX_ENABLE=true", "HALTBOX_RING_MIB=16")
	node.execute(5)
	node.stop()
	if err := os.RemoveAll(filepath.Join(node.home, "data/application.db")); err != nil {
		t.Fatal(err)
	}
	node.start("HALTBOX_ENABLE=true", "HALTBOX_RING_MIB=16", "EXAMPLE_LAPSE=3")
	<-node.over
	if !strings.Contains(node.text(), "panic: ") {
		t.Fatalf("no panic in\n%s", node.text())
	}
	dir := filepath.Join(node.home, "haltbox")
	said := haltboxtest.Run(t, "freeze", dir, "--height", "3")
	boxes, _ := filepath.Glob(filepath.Join(dir, "boxes", "3-*"))
	if len(boxes) != 1 || strings.Contains(boxes[0], "incomplete") {
		t.Fatalf("%v of %s", boxes, said)
	}
	lines := strings.Join(haltboxtest.Cat(t, boxes[0], "--height", "3"), "\n")
	if strings.Count(lines, `{"type":"begin-block","height":3`) != 2 {
		t.Errorf("the box has not both executions:\n%s", lines)
	}
}
