package haltbox_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

// Some entries are written directly, some recorded by a call, some are too long to be written
// directly, and the ring's segments end in between.
func TestEntriesStandInTheOrderInWhichTheyCame(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	recorder.BeginBlock(1, time.Time{}, nil)
	var want []string
	for number := range 5000 {
		kind := []string{"op-read", "op-write", "tx-begin", "step-own", "branch"}[number%5]
		line := fmt.Sprintf(`{"type":"%s","n":%d,"pad":"%s"}`, kind, number, strings.Repeat("x", number%500))
		if number%997 == 0 {
			line = fmt.Sprintf(`{"type":"op-read","n":%d,"pad":"%s"}`, number, strings.Repeat("y", 100_000))
		}
		if err := recorder.Record([]byte(line)); err != nil {
			t.Fatal(err)
		}
		want = append(want, line)
	}
	// A line end splits an entry in two, whatever its type.
	recorder.Record([]byte("{\"type\":\"op-read\"}\n{\"type\":\"op-has\"}\n"))
	want = append(want, `{"type":"op-read"}`, `{"type":"op-has"}`)
	// The ring is read while it is written, and again after it was closed.
	for range 2 {
		got := behindLastBegin(haltboxtest.Cat(t, dir))
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("%d lines, want %d", len(got), len(want))
		}
		if stats, err := recorder.Stats(); err == nil && stats.Records != uint64(len(want))+2 {
			t.Errorf("%+v, want %d records", stats, len(want)+2)
		}
		recorder.Close()
	}
	if err := recorder.Record([]byte(want[0])); err != haltbox.ErrClosed {
		t.Error(err)
	}
}

func behindLastBegin(lines []string) []string {
	for at := len(lines) - 1; at >= 0; at-- {
		if strings.HasPrefix(lines[at], `{"type":"begin-block"`) {
			return lines[at+1:]
		}
	}
	return nil
}

// Goroutines that write directly, that call and that close never use the lent part at the same
// time.
func TestGoroutinesKeepTheirOrder(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	const each = 2000
	var all sync.WaitGroup
	for own := range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			for number := range each {
				kind := []string{"op-read", "op-write", "step-own"}[number*(own+1)%3]
				recorder.Record(fmt.Appendf(nil, `{"type":"%s","of":%d,"n":%d}`, kind, own, number))
				recorder.Log([]byte("a line of the log"))
				if number%100 == 0 {
					recorder.Stats()
					recorder.EndBlock(uint64(number+1), nil)
				}
			}
		}()
	}
	all.Wait()
	var late sync.WaitGroup
	late.Add(1)
	go func() {
		defer late.Done()
		for recorder.Record([]byte(`{"type":"op-late"}`)) == nil {
		}
	}()
	time.Sleep(time.Millisecond)
	if err := recorder.Close(); err != nil {
		t.Error(err)
	}
	late.Wait()
	next := [4]int{}
	for _, line := range haltboxtest.Cat(t, dir) {
		var kind string
		var own, number int
		if _, err := fmt.Sscanf(strings.ReplaceAll(line, `"`, " "), "{ type : %s , of :%d, n :%d}", &kind, &own, &number); err != nil {
			continue
		}
		if number != next[own] {
			t.Fatalf("%s, want %d", line, next[own])
		}
		next[own]++
	}
	if next != [4]int{each, each, each, each} {
		t.Error(next)
	}
}
