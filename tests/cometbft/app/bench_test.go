package app

import (
	"bytes"
	"context"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/cometbft/cometbft/abci/types"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/abci"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// txsOfBlock are small: the tracer is nearly all there is.
const txsOfBlock = 1000

// BenchmarkFinalizeBlock executes the same blocks on two nodes in turns, and tells
// the medians: FinalizeBlock's time without the recorder, how many times that it
// takes with it, and the same of the thread's processor time, in which others that
// want the processors do not count.
func BenchmarkFinalizeBlock(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	nodes := []types.Application{benched(b, false), benched(b, true)}
	var wall, processor [2][]float64
	for height := int64(1); height <= int64(b.N); height++ {
		req := &types.RequestFinalizeBlock{
			Height: height, Time: time.Unix(height, 0), Hash: bytes.Repeat([]byte{byte(height)}, 32),
			Txs: load(height, txsOfBlock),
		}
		for turn := range nodes {
			// Each is the first as often as the other.
			at := (turn + int(height)) % len(nodes)
			begun, used := time.Now(), processorTime()
			if _, err := nodes[at].FinalizeBlock(context.Background(), req); err != nil {
				b.Fatal(err)
			}
			processor[at] = append(processor[at], float64(processorTime()-used)/1e6)
			wall[at] = append(wall[at], time.Since(begun).Seconds()*1e3)
			if _, err := nodes[at].Commit(context.Background(), nil); err != nil {
				b.Fatal(err)
			}
		}
	}
	ratio := func(of [2][]float64) float64 {
		ratios := make([]float64, len(of[0]))
		for block := range ratios {
			ratios[block] = of[1][block] / of[0][block]
		}
		return median(ratios)
	}
	b.ReportMetric(ratio(wall), "x-wall")
	b.ReportMetric(ratio(processor), "x-cpu")
	b.ReportMetric(median(wall[0]), "ms-off")
	b.ReportMetric(median(wall[1]), "ms-on")
	b.ReportMetric(median(processor[0]), "cpu-ms-off")
	b.ReportMetric(median(processor[1]), "cpu-ms-on")
}

func benched(b *testing.B, recorded bool) types.Application {
	folder := b.TempDir()
	var recorder *haltbox.Recorder
	if recorded {
		opened, err := haltbox.Open(haltbox.Options{
			Dir: filepath.Join(folder, "haltbox"), RingSize: 256 << 20, Background: true,
		})
		if err != nil {
			b.Skip(err)
		}
		b.Cleanup(func() { opened.Close() })
		recorder = opened
	}
	tracer := kvtrace.New(recorder, kvtrace.Options{ValueBytes: 32})
	app, err := New(Options{StateFile: filepath.Join(folder, "app.json"), Tracer: tracer})
	if err != nil {
		b.Fatal(err)
	}
	return abci.Wrap(app, recorder, abci.Options{Tracer: tracer})
}

// processorTime of this thread, in nanoseconds. Getrusage counts it by the tick.
func processorTime() int64 {
	const thread = 3 // CLOCK_THREAD_CPUTIME_ID
	var time syscall.Timespec
	if _, _, failed := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, thread, uintptr(unsafe.Pointer(&time)), 0); failed != 0 {
		return 0
	}
	return time.Nano()
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}
