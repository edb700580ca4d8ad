// Package haltboxtest is shared by the tests of the module and its adapters: real rings, read by
// the real haltbox command.
package haltboxtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	haltbox "github.com/haltbox/haltbox/ffi/go"
)

// CPU reports the processor time of a benchmark's iterations beside their wall time, which on a
// shared machine includes others' work. Call the returned function at the end.
func CPU(b *testing.B) func() {
	begun := processorTime()
	return func() { b.ReportMetric(float64(processorTime()-begun)/float64(b.N), "cpu-ns/op") }
}

// processorTime returns the processor time of this process, in nanoseconds.
func processorTime() int64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// RingSize is the size of the tests' rings.
const RingSize = 16 << 20

// Open opens a recorder in a new folder, or skips the test if this binary was built without the
// library.
func Open(t testing.TB) (*haltbox.Recorder, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "haltbox")
	recorder, err := haltbox.Open(haltbox.Options{Dir: dir, RingSize: RingSize})
	if errors.Is(err, haltbox.ErrNotLinked) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { recorder.Close() })
	return recorder, dir
}

// Cat returns the lines of a source.
func Cat(t testing.TB, source string, arguments ...string) []string {
	t.Helper()
	said := Run(t, append([]string{"cat", source}, arguments...)...)
	return strings.Split(strings.TrimSuffix(said, "\n"), "\n")
}

// Run returns what the haltbox command prints; its exit code must be 0.
func Run(t testing.TB, arguments ...string) string {
	t.Helper()
	return run(t, 0, arguments...)
}

// Differs returns what a command prints that finds a difference: its exit code must be 1.
func Differs(t testing.TB, arguments ...string) string {
	t.Helper()
	return run(t, 1, arguments...)
}

// Any returns what a command prints, whatever its exit code.
func Any(t testing.TB, arguments ...string) string {
	t.Helper()
	said, err := exec.Command(Program(t), arguments...).Output()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		t.Fatalf("haltbox %v: %v", arguments, err)
	}
	return string(said)
}

func run(t testing.TB, code int, arguments ...string) string {
	t.Helper()
	command := exec.Command(Program(t), arguments...)
	var complaints strings.Builder
	command.Stderr = &complaints
	said, err := command.Output()
	if command.ProcessState.ExitCode() != code {
		t.Fatalf("haltbox %v: %v\n%s%s", arguments, err, said, complaints.String())
	}
	return string(said)
}

// Program returns the path of the haltbox command: in the folder HALTBOX_PROGRAMS, or where cargo
// puts it.
func Program(t testing.TB) string {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	target := filepath.Join(filepath.Dir(here), "../../../../target")
	for _, folder := range []string{
		os.Getenv("HALTBOX_PROGRAMS"), filepath.Join(target, "release"), filepath.Join(target, "debug"),
	} {
		path := filepath.Join(folder, "haltbox")
		if _, err := os.Stat(path); folder != "" && err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("no haltbox command: cargo build, or set HALTBOX_PROGRAMS to its folder")
	}
	t.Skip("no haltbox command: cargo build, or set HALTBOX_PROGRAMS to its folder")
	return ""
}
