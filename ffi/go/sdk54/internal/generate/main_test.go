package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

const module = "../.."

func TestTheFilesAreThoseOfTheirSources(t *testing.T) {
	if _, err := os.Stat(filepath.Join(module, folders[0].from)); err != nil {
		t.Skip("the sources are not part of this module: ", err)
	}
	wanted, err := generated(module)
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range wanted {
		if found, err := os.ReadFile(path); err != nil || !bytes.Equal(found, text) {
			t.Errorf("%s is not what its source gives: run go generate ./... in ffi/go/sdk54 (%v)", path, err)
		}
	}
	old, err := stale(module, wanted)
	if err != nil || len(old) > 0 {
		t.Errorf("%v have no source any more: run go generate ./... in ffi/go/sdk54 (%v)", old, err)
	}
	if len(wanted) < 10 {
		t.Errorf("only %d files are generated", len(wanted))
	}
}

func TestPathsMoveAsAWhole(t *testing.T) {
	for path, want := range map[string]string{
		"cosmossdk.io/log":         "cosmossdk.io/log/v2",
		"cosmossdk.io/store/types": "github.com/cosmos/cosmos-sdk/store/v2/types",
		"cosmossdk.io/math":        "cosmossdk.io/math",
		"cosmossdk.io/logistics":   "cosmossdk.io/logistics",
		"github.com/haltbox/haltbox/ffi/go/sdk/example/internal/network": "github.com/haltbox/haltbox/ffi/go/sdk54/example/internal/network",
		"github.com/haltbox/haltbox/ffi/go/kvtrace":                      "github.com/haltbox/haltbox/ffi/go/kvtrace",
	} {
		if got := pathOf(path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}
