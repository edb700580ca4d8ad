//go:build !(cgo && linux && (amd64 || arm64 || sys_haltbox) && !nolink_haltbox)

package haltbox_test

import (
	"errors"
	"testing"

	haltbox "github.com/haltbox/haltbox/ffi/go"
)

func TestWithoutTheLibraryOpeningSaysSo(t *testing.T) {
	recorder, err := haltbox.Open(haltbox.Options{Dir: t.TempDir()})
	if recorder != nil || !errors.Is(err, haltbox.ErrNotLinked) || haltbox.Version() != "" {
		t.Error(recorder, err, haltbox.Version())
	}
}
