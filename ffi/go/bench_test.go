package haltbox_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

// BenchmarkRecord records one entry: into the ring, by a call and directly; into a file, with one
// write each, which survives a kill; and into a buffer, which a kill would lose.
func BenchmarkRecord(b *testing.B) {
	for _, size := range []int{100, 300, 1024, 4096} {
		entry := append(bytes.Repeat([]byte{'x'}, size-1), '\n')
		b.Run(fmt.Sprintf("haltbox/%d", size), func(b *testing.B) { record(b, entry[:size-1]) })
		laid := append([]byte(`{"type":"op-read",`), entry[18:size-1]...)
		b.Run(fmt.Sprintf("haltbox-laid/%d", size), func(b *testing.B) { record(b, laid) })
		b.Run(fmt.Sprintf("file/%d", size), func(b *testing.B) {
			file := scratch(b)
			each(b, entry, func() { file.Write(entry) })
		})
		b.Run(fmt.Sprintf("bufio-flush/%d", size), func(b *testing.B) {
			buffer := bufio.NewWriter(scratch(b))
			each(b, entry, func() { buffer.Write(entry); buffer.Flush() })
		})
		b.Run(fmt.Sprintf("bufio/%d", size), func(b *testing.B) {
			buffer := bufio.NewWriter(scratch(b))
			each(b, entry, func() { buffer.Write(entry) })
		})
	}
}

// record records blocks of 64 KiB, each of which releases the one before, as on a chain. A ring in
// which nothing may be overwritten would only count.
func record(b *testing.B, entry []byte) {
	recorder, _ := haltboxtest.Open(b)
	height, left := uint64(0), 0
	each(b, entry, func() {
		if left == 0 {
			recorder.Commit(height, hashOf(height))
			height++
			recorder.BeginBlock(height, time.Time{}, nil)
			left = max(1, 64<<10/len(entry))
		}
		left--
		recorder.Record(entry)
	})
	if stats, _ := recorder.Stats(); stats.Dropped > 0 {
		b.Fatalf("%+v", stats)
	}
}

// BenchmarkOff measures a recorder that is switched off.
func BenchmarkOff(b *testing.B) {
	var off *haltbox.Recorder
	entry := make([]byte, 300)
	each(b, entry, func() { off.Record(entry) })
}

// BenchmarkBorder measures a call through cgo without an entry.
func BenchmarkBorder(b *testing.B) {
	recorder, _ := haltboxtest.Open(b)
	recorder.Close()
	each(b, nil, func() { recorder.Record(nil) })
}

func scratch(b *testing.B) *os.File {
	file, err := os.Create(filepath.Join(b.TempDir(), "file"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { file.Close() })
	return file
}

func each(b *testing.B, entry []byte, write func()) {
	b.SetBytes(int64(len(entry)))
	b.ReportAllocs()
	b.ResetTimer()
	defer haltboxtest.CPU(b)()
	for range b.N {
		write()
	}
}
