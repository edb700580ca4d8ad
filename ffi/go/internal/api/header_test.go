package api

import (
	"bytes"
	"os"
	"testing"
)

// The copy is here because a module contains only its own files.
func TestTheHeaderIsTheLibrarys(t *testing.T) {
	own, err := os.ReadFile("haltbox.h")
	if err != nil {
		t.Fatal(err)
	}
	librarys, err := os.ReadFile("../../../include/haltbox.h")
	if os.IsNotExist(err) {
		t.Skip("not in the repository")
	}
	if err != nil || !bytes.Equal(own, librarys) {
		t.Errorf("copy ffi/include/haltbox.h here again (%v)", err)
	}
}
