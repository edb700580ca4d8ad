package cometlog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	cmtbytes "github.com/cometbft/cometbft/libs/bytes"
	"github.com/cometbft/cometbft/libs/log"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/cometlog"
	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

var appHash = bytes.Repeat([]byte{0xab}, 32)

type explosive struct{}

func (*explosive) String() string { panic("no") }

// speak logs one of everything that CometBFT's own code logs.
func speak(logger log.Logger) {
	logger.Info("finalized block", "height", int64(7), "num_txs_res", 3, "block_app_hash", fmt.Sprintf("%X", appHash))
	module := logger.With("module", "consensus")
	module.Info("finalizing commit of block", "height", int64(8), "root", cmtbytes.HexBytes(appHash), "num_txs", uint32(2))
	module.Error("a \"quoted\"\n\tline", "err", errors.New("wrong: \x00 \u2028 é"), "yes", true, "none", nil)
	module.With("module", "p2p", "peer", "x").Error("a field again", "peer", "y", "lazy", log.NewLazySprintf("%d", 5))
	logger.Info("a key without a value", "alone")
	logger.With("alone").Info("before it", "k", uint64(1<<63))
	logger.Debug("a debug line")
}

// parsed leaves out the time.
func parsed(t *testing.T, lines string) (entries []map[string]any) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if _, err := time.Parse(time.RFC3339Nano, entry["ts"].(string)); err != nil {
			t.Error(err)
		}
		delete(entry, "ts")
		entries = append(entries, entry)
	}
	return entries
}

// CometBFT's own JSON logger defines what a line must be. The wrapped logger must get the same as
// without the wrapper.
func TestTheLinesAreThoseOfCometBFT(t *testing.T) {
	var alone, wrapped bytes.Buffer
	speak(log.NewTMJSONLogger(&alone))
	recorder, dir := haltboxtest.Open(t)
	speak(cometlog.Wrap(log.NewTMJSONLogger(&wrapped), recorder, cometlog.Options{Debug: true}))
	recorder.Close()
	want := parsed(t, alone.String())
	for name, lines := range map[string]string{
		"wrapped": wrapped.String(), "recorded": strings.Join(haltboxtest.Cat(t, dir, "--stream", "node"), "\n"),
	} {
		if got := parsed(t, lines); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\ngot  %v\nwant %v", name, got, want)
		}
	}
}

func TestDebugLinesAreLeftOutUnlessAskedFor(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	var inner bytes.Buffer
	logger := cometlog.Wrap(log.NewTMLogger(&inner), recorder, cometlog.Options{})
	logger.Debug("a debug line")
	logger.Info("the last")
	recorder.Close()
	lines := haltboxtest.Cat(t, dir, "--stream", "node")
	if len(lines) != 1 || !strings.Contains(lines[0], "the last") || !strings.Contains(inner.String(), "a debug line") {
		t.Errorf("%q, %q", lines, inner.String())
	}
}

func TestBytesAreHexAndPanicsStayInside(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	logger := cometlog.Wrap(log.NewNopLogger(), recorder, cometlog.Options{})
	logger.Info("m", "bytes", []byte{0xab, 1}, "bad", (*explosive)(nil), 5, 1.5)
	recorder.Close()
	line := strings.Join(haltboxtest.Cat(t, dir, "--stream", "node"), "\n")
	for _, part := range []string{`"bytes":"AB01"`, `"bad":"(PANIC)"`, `"5":"1.5"`} {
		if !strings.Contains(line, part) {
			t.Errorf("no %s in %s", part, line)
		}
	}
}

// failure is what CometBFT logs when block 8's header has another hash.
func failure(logger log.Logger) {
	consensus := logger.With("module", "consensus")
	consensus.Error("CONSENSUS FAILURE!!!", "err", fmt.Sprintf(
		"precommit step; +2/3 prevoted for an invalid block: wrong Block.Header.AppHash.  Expected %X, got %X",
		appHash, bytes.Repeat([]byte{0xcd}, 32)), "stack", "goroutine 1 [running]:\n...")
}

func TestAConsensusFailureDiverges(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	logger := cometlog.Wrap(log.NewNopLogger(), recorder, cometlog.Options{})
	recorder.BeginBlock(7, time.Time{}, nil)
	recorder.EndBlock(7, appHash)
	recorder.Commit(7, appHash)
	failure(logger)
	if stats, err := recorder.Stats(); err != nil || stats.Diverged != 1 {
		t.Errorf("%+v, %v", stats, err)
	}
	path, err := recorder.Freeze(0)
	if err != nil || !strings.HasPrefix(path, dir+"/boxes/7-") {
		t.Errorf("%s, %v", path, err)
	}
}

// lockedBuffer is written by two goroutines.
type lockedBuffer struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(line []byte) (int, error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.text.Write(line)
}

func (b *lockedBuffer) String() string {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.text.String()
}

func TestTheNodesOwnLogHasTheMessage(t *testing.T) {
	dir := t.TempDir() + "/haltbox"
	recorder, err := haltbox.Open(haltbox.Options{Dir: dir, RingSize: haltboxtest.RingSize, Background: true})
	if errors.Is(err, haltbox.ErrNotLinked) {
		t.Skip(err)
	}
	defer recorder.Close()
	var written lockedBuffer
	logger := cometlog.Wrap(log.NewTMLogger(&written), recorder, cometlog.Options{})
	recorder.BeginBlock(7, time.Time{}, nil)
	recorder.EndBlock(7, appHash)
	recorder.Commit(7, appHash)
	failure(logger)
	wanted := regexp.MustCompile(`E\[\S+ haltbox: DIVERGED at height 7: AppHash differs.* module=haltbox`)
	for begun := time.Now(); !strings.Contains(written.String(), "before you have copied it"); {
		if time.Since(begun) > time.Minute {
			t.Fatal(written.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !wanted.MatchString(written.String()) || !strings.Contains(written.String(), "] black box  "+dir+"/boxes/7-") {
		t.Error(written.String())
	}
}

func TestSwitchedOffItIsTheLoggerItself(t *testing.T) {
	logger := log.NewNopLogger()
	if cometlog.Wrap(logger, nil, cometlog.Options{}) != logger {
		t.Error("another logger")
	}
}

// BenchmarkInfo measures one line of a consensus step, with and without the wrapper.
func BenchmarkInfo(b *testing.B) {
	recorder, _ := haltboxtest.Open(b)
	bare := log.NewNopLogger()
	for name, logger := range map[string]log.Logger{
		"json-logger": log.NewTMJSONLogger(new(nowhere)), "recorded": cometlog.Wrap(bare, recorder, cometlog.Options{}),
	} {
		logger = logger.With("module", "consensus")
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			defer haltboxtest.CPU(b)()
			for range b.N {
				logger.Info("finalizing commit of block", "height", int64(8), "root", cmtbytes.HexBytes(appHash), "num_txs", 2)
			}
		})
	}
}

type nowhere struct{}

func (*nowhere) Write(line []byte) (int, error) { return len(line), nil }
