package haltbox_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

func hashOf(height uint64) []byte { return bytes.Repeat([]byte{byte(height)}, 32) }

// execute records a whole block of one entry.
func execute(t testing.TB, recorder *haltbox.Recorder, height uint64) {
	t.Helper()
	for _, err := range []error{
		recorder.BeginBlock(height, time.Unix(1_700_000_000, 5), hashOf(height)),
		recorder.Record([]byte(fmt.Sprintf(`{"type":"tx-begin","tx":0,"of":%d}`, height))),
		recorder.EndBlock(height, hashOf(height)),
		recorder.Commit(height, hashOf(height)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func contains(t *testing.T, lines []string, wanted ...string) {
	t.Helper()
	text := strings.Join(lines, "\n")
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

func TestABlockReadsBack(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	execute(t, recorder, 7)
	crank := recorder.Crank(3, hashOf(1), hashOf(2))
	logged := recorder.Log([]byte(`{"_msg":"a line","level":"info"}`))
	if err := errors.Join(crank, logged, recorder.Flush(), recorder.Close()); err != nil {
		t.Fatal(err)
	}
	seven := strings.Repeat("07", 32)
	contains(t, haltboxtest.Cat(t, dir),
		`{"type":"begin-block","height":7,"time":"1700000000.000000005","input":"`+seven+`"}`,
		`{"type":"tx-begin","tx":0,"of":7}`,
		`{"type":"end-block","height":7,"appHash":"`+seven+`"}`,
		`{"type":"commit-block","height":7,"appHash":"`+seven+`"}`,
		`{"type":"crank","crank":3,"crankhash":"`+strings.Repeat("01", 32)+`"`)
	contains(t, haltboxtest.Cat(t, dir, "--stream", "node"), `{"_msg":"a line","level":"info"}`)
}

func TestEntriesOfAnyBytes(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	large := bytes.Repeat([]byte("0123456789abcdef"), 20_000) // more than a fragment
	recorder.BeginBlock(1, time.Time{}, nil)
	for _, entry := range [][]byte{nil, {}, large[:0], []byte("{\"not\":\"json\xff\x00"), []byte("a\nb\n"), large} {
		if err := recorder.Record(entry); err != nil {
			t.Errorf("%.20q: %v", entry, err)
		}
	}
	recorder.Close()
	lines := haltboxtest.Cat(t, dir)
	contains(t, lines, `"time":"0.000000000"`, "{\"not\":\"json\xff\x00", string(large))
	want := []string{"", "", "", "{\"not\":\"json\xff\x00", "a", "b", string(large)}
	if got := lines[len(lines)-len(want):]; strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %.100q", got)
	}
}

func TestArgumentsAreChecked(t *testing.T) {
	recorder, _ := haltboxtest.Open(t)
	short, long := make([]byte, 31), make([]byte, 65)
	_, confirmed := recorder.Confirm(1, nil)
	for name, err := range map[string]error{
		"digest":        recorder.BeginBlock(1, time.Time{}, short),
		"crankhash":     recorder.Crank(1, short, make([]byte, 32)),
		"no crankhash":  recorder.Crank(1, nil, make([]byte, 32)),
		"activityhash":  recorder.Crank(1, make([]byte, 32), short),
		"end's hash":    recorder.EndBlock(1, long),
		"commit's hash": recorder.Commit(1, long),
		"no hash":       confirmed,
		"no expected":   recorder.Diverged(1, nil, make([]byte, 32), ""),
		"no got":        recorder.Diverged(1, make([]byte, 32), nil, ""),
	} {
		if !errors.Is(err, haltbox.ErrBadArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpeningTellsWhyNot(t *testing.T) {
	_, dir := haltboxtest.Open(t)
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	os.WriteFile(file, nil, 0o600)
	for name, wanted := range map[string]struct {
		options haltbox.Options
		err     error
		words   string
	}{
		"no folder":    {haltbox.Options{}, haltbox.ErrBadArgument, "dir"},
		"NUL":          {haltbox.Options{Dir: folder + "\x00"}, haltbox.ErrBadArgument, ""},
		"locked":       {haltbox.Options{Dir: dir}, haltbox.ErrLocked, dir},
		"tiny":         {haltbox.Options{Dir: folder, RingSize: 1000}, haltbox.ErrBadArgument, "1000"},
		"profile":      {haltbox.Options{Dir: folder, Profile: "no-such"}, haltbox.ErrProfile, "no-such"},
		"not a folder": {haltbox.Options{Dir: file + "/x"}, haltbox.ErrIO, file},
	} {
		recorder, err := haltbox.Open(wanted.options)
		if !errors.Is(err, wanted.err) || recorder != nil || !strings.Contains(fmt.Sprint(err), wanted.words) {
			t.Errorf("%s: %v, %v", name, recorder, err)
		}
	}
}

func TestWhatTheNetworkDecides(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	for height := uint64(1); height <= 3; height++ {
		execute(t, recorder, height)
	}
	for _, step := range []struct {
		height uint64
		hash   []byte
		want   haltbox.Agreement
	}{{2, hashOf(2), haltbox.Equal}, {3, hashOf(9), haltbox.Differs}, {50, hashOf(1), haltbox.Unknown}} {
		if got, err := recorder.Confirm(step.height, step.hash); got != step.want || err != nil {
			t.Errorf("height %d: %v, %v", step.height, got, err)
		}
	}
	stats, err := recorder.Stats()
	if err != nil || stats.Pinned != 1 || stats.Released != 2 || stats.Head != 3 || stats.Oldest != 1 || stats.Dropped != 0 {
		t.Errorf("%+v, %v", stats, err)
	}
	if err := recorder.Diverged(3, hashOf(3), hashOf(9), ""); err != nil {
		t.Error(err)
	}
	if stats, _ := recorder.Stats(); stats.Diverged != 1 {
		t.Errorf("%+v", stats)
	}
	path, err := recorder.Freeze(0)
	if err != nil || !strings.HasPrefix(path, filepath.Join(dir, "boxes", "3-")) {
		t.Fatalf("%q, %v", path, err)
	}
	contains(t, haltboxtest.Cat(t, path), `{"type":"tx-begin","tx":0,"of":3}`)
	contains(t, []string{haltboxtest.Run(t, "info", path)}, filepath.Base(path), "AppHash")
	haltboxtest.Run(t, "verify", path)
}

func TestAnAbortedAttemptIsNotTheBlock(t *testing.T) {
	recorder, _ := haltboxtest.Open(t)
	recorder.BeginBlock(1, time.Time{}, nil)
	recorder.Record([]byte(`{"type":"tx-begin","tx":0,"of":"the proposal"}`))
	if err := recorder.Abort(1); err != nil {
		t.Fatal(err)
	}
	execute(t, recorder, 1)
	path, err := recorder.Freeze(1)
	if err != nil {
		t.Fatal(err)
	}
	lines := haltboxtest.Cat(t, path, "--attempt", "2")
	contains(t, lines, `{"type":"tx-begin","tx":0,"of":1}`)
	if strings.Contains(strings.Join(lines, ""), "the proposal") {
		t.Errorf("%q", lines)
	}
}

func TestNothingToFreeze(t *testing.T) {
	recorder, _ := haltboxtest.Open(t)
	if path, err := recorder.Freeze(99); !errors.Is(err, haltbox.ErrNothing) || path != "" {
		t.Errorf("%q, %v", path, err)
	}
}

func TestAProfileWithItsOwnMarks(t *testing.T) {
	recorder, err := haltbox.Open(haltbox.Options{Dir: t.TempDir(), RingSize: haltboxtest.RingSize, Profile: "agoric"})
	if errors.Is(err, haltbox.ErrNotLinked) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer recorder.Close()
	if err := recorder.BeginBlock(1, time.Time{}, nil); !errors.Is(err, haltbox.ErrMarkedByEntries) {
		t.Error(err)
	}
}

func TestCallsOfManyGoroutines(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	const goroutines, each = 8, 2000
	recorder.BeginBlock(1, time.Time{}, nil)
	var running sync.WaitGroup
	for who := range goroutines {
		running.Add(1)
		go func() {
			defer running.Done()
			for number := range each {
				recorder.Record([]byte(fmt.Sprintf(`{"type":"op-read","who":%d,"number":%d}`, who, number)))
				if number%500 == 0 {
					recorder.Stats()
					recorder.Flush()
				}
			}
		}()
	}
	running.Wait()
	recorder.Close()
	next := make([]int, goroutines)
	for _, line := range haltboxtest.Cat(t, dir) {
		var who, number int
		if n, _ := fmt.Sscanf(line, `{"type":"op-read","who":%d,"number":%d}`, &who, &number); n == 2 {
			if number != next[who] {
				t.Fatalf("goroutine %d: %d where %d was next", who, number, next[who])
			}
			next[who]++
		}
	}
	for who, count := range next {
		if count != each {
			t.Errorf("goroutine %d: %d entries", who, count)
		}
	}
}

func TestClosingWhileOthersRecord(t *testing.T) {
	recorder, _ := haltboxtest.Open(t)
	var running sync.WaitGroup
	for range 8 {
		running.Add(1)
		go func() {
			defer running.Done()
			for {
				if err := recorder.Record([]byte(`{"type":"op-read"}`)); err != nil {
					if !errors.Is(err, haltbox.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		}()
	}
	time.Sleep(10 * time.Millisecond)
	closed := recorder.Close()
	running.Wait()
	_, stats := recorder.Stats()
	_, frozen := recorder.Freeze(0)
	for _, err := range []error{stats, frozen, recorder.Commit(1, nil)} {
		if !errors.Is(err, haltbox.ErrClosed) {
			t.Error(err)
		}
	}
	if again := recorder.Close(); closed != nil || again != nil {
		t.Error(closed, again)
	}
}

// lookAround reports what a child sees of its parent's recorder.
func lookAround(dir string) {
	descriptors, _ := os.ReadDir("/proc/self/fd")
	for _, descriptor := range descriptors {
		target, _ := os.Readlink("/proc/self/fd/" + descriptor.Name())
		if strings.HasPrefix(target, dir) {
			fmt.Println("inherited", target)
		}
	}
	_, locked := haltbox.Open(haltbox.Options{Dir: dir})
	own, err := haltbox.Open(haltbox.Options{Dir: dir + "-child", RingSize: haltboxtest.RingSize})
	fmt.Println(errors.Is(locked, haltbox.ErrLocked), err, own.Record([]byte("x")), own.Close())
}

func TestAChildProcessHasNoPartInIt(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	execute(t, recorder, 1)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), role+"=child", "HALTBOX_TEST_DIR="+dir)
	said, err := child.CombinedOutput()
	if want := "true <nil> <nil> <nil>\n"; string(said) != want || err != nil {
		t.Errorf("the child: %s, %v", said, err)
	}
	execute(t, recorder, 2)
	recorder.Close()
	contains(t, haltboxtest.Cat(t, dir), `"of":1}`, `"of":2}`)
}

func TestALogWriterNeverFails(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	for _, writer := range []haltbox.LogWriter{{}, {Recorder: recorder}} {
		if n, err := writer.Write([]byte("7:00AM INF a line module=server\n")); n != 32 || err != nil {
			t.Error(n, err)
		}
	}
	recorder.Close()
	if n, err := (haltbox.LogWriter{Recorder: recorder}).Write([]byte("late")); n != 4 || err != nil {
		t.Error(n, err)
	}
	contains(t, haltboxtest.Cat(t, dir, "--stream", "node"), "7:00AM INF a line module=server")
}
