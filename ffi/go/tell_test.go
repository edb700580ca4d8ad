package haltbox_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

func TestTheOperatorIsTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "haltbox")
	recorder, err := haltbox.Open(haltbox.Options{
		Dir: dir, RingSize: haltboxtest.RingSize, Background: true, UploadHint: "to the forum",
	})
	if errors.Is(err, haltbox.ErrNotLinked) {
		t.Skip(err)
	}
	lines := make(chan string, 100)
	go func() {
		recorder.Tell(func(line string) { lines <- line })
		close(lines)
	}()
	execute(t, recorder, 7)
	recorder.Diverged(7, hashOf(7), hashOf(8), "")
	var told []string
	for len(told) < 6 {
		select {
		case line := <-lines:
			told = append(told, line)
		case <-time.After(time.Minute):
			t.Fatalf("told no more than %q", told)
		}
	}
	if want := "haltbox: DIVERGED at height 7: AppHash differs"; !strings.HasPrefix(told[0], want) {
		t.Errorf("%q", told)
	}
	if want := "black box  " + dir + "/boxes/7-"; !strings.HasPrefix(told[1], want) {
		t.Errorf("%q", told)
	}
	if want := "please upload the black box to the forum"; told[4] != want {
		t.Errorf("%q", told)
	}
	recorder.Close()
	if line, more := <-lines; more {
		t.Errorf("one more: %q", line)
	}
}

// panicInTheHandshake panics as CometBFT does with the database of another application.
func panicInTheHandshake(dir string) {
	recorder, err := haltbox.Open(haltbox.Options{Dir: dir, RingSize: haltboxtest.RingSize, Background: true})
	if err != nil {
		panic(err)
	}
	defer recorder.Close()
	defer recorder.LogPanic()
	panic("state.AppHash does not match AppHash after replay. Got\n\tAB, expected CD.")
}

func TestAPanicGoesOnAndItsBlockIsFrozen(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	execute(t, recorder, 1)
	execute(t, recorder, 2)
	recorder.Close()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), role+"=panicking", "HALTBOX_TEST_DIR="+dir)
	said, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 {
		t.Error(err)
	}
	contains(t, []string{string(said)}, "haltbox: black box "+dir+"/boxes/2-",
		"panic: state.AppHash does not match AppHash after replay. Got\n", "AB, expected CD.", "panicInTheHandshake")
	contains(t, haltboxtest.Cat(t, dir, "--stream", "node"), "panic: state.AppHash does not match AppHash after replay. Got")
	if boxes, _ := filepath.Glob(dir + "/boxes/2-*"); len(boxes) != 1 {
		t.Errorf("%q", boxes)
	}
}

// A panic that no rule of the profile knows is not about a block.
func TestWithoutAPanicNothingHappens(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	execute(t, recorder, 1)
	func() { defer recorder.LogPanic() }()
	func() {
		defer func() {
			if cause := recover(); cause != "another" {
				t.Errorf("%v", cause)
			}
		}()
		defer recorder.LogPanic()
		panic("another")
	}()
	if boxes, _ := filepath.Glob(dir + "/boxes/1-*"); len(boxes) != 0 {
		t.Errorf("%q", boxes)
	}
}
