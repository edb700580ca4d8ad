package haltbox_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

// The writer stops by itself before the ring overwrites its first entries.
const mostEntries = 60_000

func entryOf(number uint64) string {
	return fmt.Sprintf(`{"type":"op-write","n":%d,"pad":"%s"}`, number, strings.Repeat("x", int(number%97)))
}

// counter is a number in a file that survives the process.
func counter(path string) (*atomic.Uint64, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := file.Truncate(8); err != nil {
		return nil, err
	}
	page, err := syscall.Mmap(int(file.Fd()), 0, 8, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return (*atomic.Uint64)(unsafe.Pointer(&page[0])), nil
}

// writeUntilKilled counts an entry once Record returned.
func writeUntilKilled(dir, count string, engine haltbox.Engine) {
	recorder, err := haltbox.Open(haltbox.Options{Dir: dir, RingSize: haltboxtest.RingSize, Engine: engine})
	counted, trouble := counter(count)
	if err != nil || trouble != nil {
		fmt.Fprintln(os.Stderr, err, trouble)
		os.Exit(3)
	}
	hash := make([]byte, 32)
	for number := uint64(0); number < mostEntries; number++ {
		if height := number/1000 + 1; number%1000 == 0 {
			recorder.EndBlock(height-1, hash)
			recorder.Commit(height-1, hash)
			recorder.BeginBlock(height, time.Unix(int64(height), 0), nil)
		}
		recorder.Record([]byte(entryOf(number)))
		counted.Store(number + 1)
	}
	select {}
}

// Entries are written directly into a mapped ring, and recorded by calls if each call writes to the
// file.
func TestNothingRecordedIsLostByAKill(t *testing.T) {
	haltboxtest.Open(t) // without the library there is nothing to kill
	for round := range 24 {
		engine := haltbox.EngineMap
		if round%4 == 3 {
			engine = haltbox.EngineWrite
		}
		folder := t.TempDir()
		dir, count := filepath.Join(folder, "haltbox"), filepath.Join(folder, "count")
		writer := exec.Command(os.Args[0])
		writer.Env = append(os.Environ(), role+"=writer", "HALTBOX_TEST_DIR="+dir, "HALTBOX_TEST_COUNT="+count,
			fmt.Sprint("HALTBOX_TEST_ENGINE=", engine))
		writer.Stderr = os.Stderr
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		counted, err := counter(count)
		if err != nil {
			t.Fatal(err)
		}
		for begun := time.Now(); counted.Load() == 0 && time.Since(begun) < time.Minute; {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Duration(rand.IntN(30_000)) * time.Microsecond)
		writer.Process.Kill()
		writer.Wait()
		found := numbered(haltboxtest.Cat(t, dir))
		checkRun(t, round, found, counted.Load())
	}
}

// numbered leaves out the entries of the calls themselves.
func numbered(lines []string) []string {
	var found []string
	for _, line := range lines {
		if strings.HasPrefix(line, `{"type":"op-write"`) {
			found = append(found, line)
		}
	}
	return found
}

// checkRun requires every entry that was counted, and allows one more that was recorded and not
// counted yet.
func checkRun(t *testing.T, round int, found []string, counted uint64) {
	t.Helper()
	if got := uint64(len(found)); counted == 0 || got != counted && got != counted+1 {
		t.Fatalf("kill %d: %d entries found, %d counted", round, got, counted)
	}
	for number, line := range found {
		if want := entryOf(uint64(number)); line != want {
			t.Fatalf("kill %d: entry %s\nfound %s\nwant  %s", round, strconv.Itoa(number), line, want)
		}
	}
	t.Logf("kill %d: %d entries", round, len(found))
}
