// Code generated from network/judge.go; DO NOT EDIT.

package network

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

// finding is what the reader makes of two boxes.
type finding struct {
	Verdict string
	Exit    int
	Summary string
	Place   struct {
		Height int64
		Tx     *int
		Phase  string
		Type   string
	}
	Sides struct{ A, B side }
}

type side struct{ Line string }

// store of the entry at the place, and what it is of a transaction's result.
func (f *finding) store() string {
	for _, line := range []string{f.Sides.A.Line, f.Sides.B.Line} {
		var entry struct{ Store string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Store != "" {
			return entry.Store
		}
	}
	return ""
}

// where is the place in words.
func (f *finding) where() string {
	words := []string{f.Place.Type}
	if f.Place.Tx != nil {
		words = append(words, "in a transaction")
	}
	if f.Place.Phase != "" {
		words = append(words, "in "+f.Place.Phase)
	}
	if store := f.store(); store != "" {
		words = append(words, "of "+store)
	}
	return strings.Join(words, " ")
}

// differ compares two boxes, both ways, which must say the same.
func differ(t *testing.T, healthy, divergent string) *finding {
	t.Helper()
	one, other := diff(t, healthy, divergent), diff(t, divergent, healthy)
	if one.Verdict != other.Verdict || one.where() != other.where() || one.Place.Height != other.Place.Height {
		t.Errorf("diff says %+v, and turned round %+v", one, other)
	}
	return one
}

func diff(t *testing.T, a, b string) *finding {
	t.Helper()
	text := haltboxtest.Any(t, "diff", "--json", a, b)
	var found finding
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return &found
}

// grouping is what compare makes of boxes.
type grouping struct {
	Summary string
	Groups  []struct {
		Nodes    []string
		LeavesAt int64 `json:"leaves_at"`
	}
	Undecided     []string
	WithoutBlocks []string `json:"without_blocks"`
	Unreadable    []string
}

// alone asserts that among boxes the last is in a group of its own, and all others
// are in one.
func alone(t *testing.T, height int64, boxes ...string) {
	t.Helper()
	text := haltboxtest.Any(t, append([]string{"compare", "--json"}, boxes...)...)
	var found grouping
	if err := json.Unmarshal([]byte(text), &found); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	right := len(found.Groups) == 2 && len(found.Groups[0].Nodes) == len(boxes)-1 && len(found.Groups[1].Nodes) == 1 &&
		found.Groups[1].LeavesAt == height && len(found.Unreadable)+len(found.WithoutBlocks)+len(found.Undecided) == 0
	if !right || !strings.Contains(boxes[len(boxes)-1], found.Groups[1].Nodes[0]) {
		t.Errorf("compare %v says %s", boxes, text)
	}
}

// sameName asserts that nodes name a block alike.
func sameName(t *testing.T, height int64, nodes ...*node) {
	t.Helper()
	var names []string
	for _, n := range nodes {
		names = append(names, filepath.Base(n.freeze(height)))
	}
	if slices.Sort(names); len(slices.Compact(names)) != 1 || strings.Contains(names[0], "incomplete") {
		t.Errorf("height %d has the names %v", height, names)
	}
}
