package kvtrace_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// As in the cosmos-sdk: the store's iterators have an interface type that is declared elsewhere.
type sdkIterator interface {
	Domain() (start, end []byte)
	Valid() bool
	Next()
	Key() (key []byte)
	Value() (value []byte)
	Error() error
	Close() error
}

type sdkStore interface {
	GetStoreType() int
	Get(key []byte) []byte
	Has(key []byte) bool
	Set(key, value []byte)
	Delete(key []byte)
	Iterator(start, end []byte) sdkIterator
	ReverseIterator(start, end []byte) sdkIterator
}

// memory is a store in memory.
type memory map[string]string

func (m memory) GetStoreType() int     { return 1 }
func (m memory) Has(key []byte) bool   { _, has := m[string(key)]; return has }
func (m memory) Set(key, value []byte) { m[string(key)] = string(value) }
func (m memory) Delete(key []byte)     { delete(m, string(key)) }

func (m memory) Get(key []byte) []byte {
	if value, has := m[string(key)]; has {
		return []byte(value)
	}
	return nil
}

func (m memory) Iterator(start, end []byte) sdkIterator { return m.walk(start, end) }

func (m memory) ReverseIterator(start, end []byte) sdkIterator {
	steps := m.walk(start, end)
	slices.Reverse(steps.keys)
	return steps
}

func (m memory) walk(start, end []byte) *walk {
	steps := &walk{of: m, start: start, end: end}
	for key := range m {
		if key >= string(start) && (end == nil || key < string(end)) {
			steps.keys = append(steps.keys, key)
		}
	}
	slices.Sort(steps.keys)
	return steps
}

type walk struct {
	of         memory
	keys       []string
	start, end []byte
	closed     bool
}

func (w *walk) Domain() (start, end []byte) { return w.start, w.end }
func (w *walk) Valid() bool                 { return len(w.keys) > 0 }
func (w *walk) Next()                       { w.keys = w.keys[1:] }
func (w *walk) Key() []byte                 { return []byte(w.keys[0]) }
func (w *walk) Value() []byte               { return []byte(w.of[w.keys[0]]) }
func (w *walk) Error() error                { return nil }
func (w *walk) Close() error                { w.closed = true; return nil }

// concrete is a store whose iterators are of a concrete type.
type concrete struct{ memory }

func (c concrete) Iterator(start, end []byte) *walk        { return c.walk(start, end) }
func (c concrete) ReverseIterator(start, end []byte) *walk { return c.walk(start, end) }

func digest(value string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(value))) }

// use does one of everything, and returns what it saw.
func use(store kvtrace.KVStore[sdkIterator]) (saw []string) {
	store.Set([]byte("a"), []byte("one"))
	saw = append(saw, string(store.Get([]byte("a"))), fmt.Sprint(store.Get([]byte("no")) == nil))
	saw = append(saw, fmt.Sprint(store.Has([]byte("a")), store.Has([]byte("no"))))
	store.Set([]byte("b"), []byte{})
	steps := store.Iterator([]byte("a"), nil)
	for ; steps.Valid(); steps.Next() {
		saw = append(saw, string(steps.Key())+"="+string(steps.Value()))
	}
	saw = append(saw, fmt.Sprint(steps.Error(), steps.Close()))
	steps = store.ReverseIterator(nil, []byte("b"))
	start, end := steps.Domain()
	saw = append(saw, string(steps.Key()), fmt.Sprint(start == nil, string(end)))
	store.Delete([]byte("a"))
	return saw
}

// traced returns the op- and tx- entries of a ring.
func traced(t *testing.T, dir string) (found []string) {
	t.Helper()
	for _, line := range haltboxtest.Cat(t, dir) {
		if strings.HasPrefix(line, `{"type":"op-`) || strings.HasPrefix(line, `{"type":"tx-`) {
			found = append(found, line)
		}
	}
	return found
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	for at := range max(len(got), len(want)) {
		if at >= len(got) || at >= len(want) || got[at] != want[at] {
			t.Fatalf("at %d\ngot  %v\nwant %v", at, strings.Join(got[min(at, len(got)):], "\n"), strings.Join(want[min(at, len(want)):], "\n"))
		}
	}
}

func TestEveryOperationInItsOrder(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	recorder.BeginBlock(1, time.Time{}, nil)
	attempt := kvtrace.New(recorder, kvtrace.Options{}).Begin()
	store := kvtrace.Wrap(attempt, "bank", sdkStore(memory{}))
	store.Has([]byte("x"))
	attempt.BeginTx(4, []byte("the tx"))
	use(store)
	attempt.EndTx()
	store.Has([]byte("x"))
	recorder.Close()

	one, none := `"value":"`+digest("one")+`"}`, `"value":"`+digest("")+`"}`
	same(t, traced(t, dir), []string{
		`{"type":"op-has","op":0,"store":"bank","key":"78","found":false}`,
		`{"type":"tx-begin","tx":4,"digest":"` + digest("the tx") + `","bytes":6}`,
		`{"type":"op-write","tx":4,"op":0,"store":"bank","key":"61","bytes":3,` + one,
		`{"type":"op-read","tx":4,"op":1,"store":"bank","key":"61",` + one,
		`{"type":"op-read","tx":4,"op":2,"store":"bank","key":"6e6f","value":null}`,
		`{"type":"op-has","tx":4,"op":3,"store":"bank","key":"61","found":true}`,
		`{"type":"op-has","tx":4,"op":4,"store":"bank","key":"6e6f","found":false}`,
		`{"type":"op-write","tx":4,"op":5,"store":"bank","key":"62","bytes":0,` + none,
		`{"type":"op-iterate","tx":4,"op":6,"store":"bank","start":"61","end":null,"reverse":false}`,
		`{"type":"op-next","tx":4,"op":7,"store":"bank","of":6,"key":"61",` + one,
		`{"type":"op-next","tx":4,"op":8,"store":"bank","of":6,"key":"62",` + none,
		`{"type":"op-next","tx":4,"op":9,"store":"bank","of":6,"key":null}`,
		`{"type":"op-iterate","tx":4,"op":10,"store":"bank","start":null,"end":"62","reverse":true}`,
		`{"type":"op-next","tx":4,"op":11,"store":"bank","of":10,"key":"61",` + one,
		`{"type":"op-delete","tx":4,"op":12,"store":"bank","key":"61"}`,
		`{"type":"op-has","op":0,"store":"bank","key":"78","found":false}`,
	})
}

func TestTheStoreSeesAndGivesTheSame(t *testing.T) {
	recorder, _ := haltboxtest.Open(t)
	want := use(memory{})
	attempt := kvtrace.New(recorder, kvtrace.Options{}).Begin()
	for name, attempt := range map[string]*kvtrace.Attempt{"on": attempt, "off": nil} {
		inner := memory{}
		same(t, use(kvtrace.Wrap(attempt, name, sdkStore(inner))), want)
		if len(inner) != 1 || inner["b"] != "" {
			t.Errorf("%s: %v", name, inner)
		}
	}
}

func TestWhatAnEarlierAttemptStillDoesIsNotRecorded(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	tracer := kvtrace.New(recorder, kvtrace.Options{})
	first := tracer.Begin()
	old := kvtrace.Wrap(first, "old", sdkStore(memory{"k": "v"}))
	steps := old.Iterator(nil, nil)
	second := tracer.Begin()
	if tracer.Attempt() != second {
		t.Error("not the attempt that began last")
	}
	first.BeginTx(0, nil)
	use(old)
	steps.Next()
	kvtrace.Wrap(second, "new", sdkStore(memory{})).Has([]byte("k"))
	recorder.Close()
	found := traced(t, dir)
	same(t, found[len(found)-1:], []string{`{"type":"op-has","op":0,"store":"new","key":"6b","found":false}`})
	if len(found) != 3 {
		t.Errorf("%q", found)
	}
}

func TestShortValuesBesideTheirDigests(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	attempt := kvtrace.New(recorder, kvtrace.Options{ValueBytes: 3}).Begin()
	store := kvtrace.Wrap(attempt, "s", sdkStore(memory{}))
	store.Set([]byte("k"), []byte("one"))
	store.Set([]byte("k"), []byte("four"))
	recorder.Close()
	same(t, traced(t, dir), []string{
		`{"type":"op-write","op":0,"store":"s","key":"6b","bytes":3,"value":"` + digest("one") + `","local":{"value":"6f6e65"}}`,
		`{"type":"op-write","op":1,"store":"s","key":"6b","bytes":4,"value":"` + digest("four") + `"}`,
	})
}

func TestIteratorsOfAConcreteTypeAreSaidToBeUntraced(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	store := kvtrace.Wrap(kvtrace.New(recorder, kvtrace.Options{}).Begin(), "s", concrete{memory{"k": "v"}})
	if steps := store.Iterator(nil, nil); string(steps.Value()) != "v" {
		t.Error("another value")
	}
	recorder.Close()
	same(t, traced(t, dir), []string{
		`{"type":"op-iterate","op":0,"store":"s","start":null,"end":null,"reverse":false,"untraced":true}`,
	})
}

// keysAlone is a store whose iterators have no values. Its modules never read them.
type keysAlone struct{ memory }

func (k keysAlone) Iterator(start, end []byte) sdkIterator { return keysWalk{k.walk(start, end)} }

type keysWalk struct{ *walk }

func (keysWalk) Value() []byte { panic("not implemented") }

// A panic in a read that only the recorder makes does not stop the node. A panic in a module's own
// read is passed on.
func TestAnIteratorThatPanicsStopsNoNode(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	attempt := kvtrace.New(recorder, kvtrace.Options{}).Begin()
	store := kvtrace.Wrap(attempt, "s", sdkStore(keysAlone{memory{"a": "1", "b": "2"}}))
	var seen []string
	steps := store.Iterator(nil, nil)
	for ; steps.Valid(); steps.Next() {
		seen = append(seen, string(steps.Key()))
	}
	if fmt.Sprint(seen) != "[a b]" {
		t.Error(seen)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the module's own panic is swallowed")
			}
		}()
		store.Iterator(nil, nil).Value()
	}()
	recorder.Close()
	same(t, traced(t, dir), []string{
		`{"type":"op-iterate","op":0,"store":"s","start":null,"end":null,"reverse":false}`,
		`{"type":"op-next","op":1,"store":"s","of":0,"key":null}`,
		`{"type":"op-iterate","op":2,"store":"s","start":null,"end":null,"reverse":false}`,
	})
}

func TestATracerThatIsOff(t *testing.T) {
	tracer := kvtrace.New(nil, kvtrace.Options{})
	attempt := tracer.Begin()
	attempt.BeginTx(0, nil)
	attempt.EndTx()
	if tracer != nil || attempt != nil || tracer.Attempt() != nil {
		t.Error("it is on")
	}
	same(t, use(kvtrace.Wrap(attempt, "s", sdkStore(memory{}))), use(memory{}))
}

// Nodes differ in how often they were started, in limits for values, and in whether they record
// branches and messages. None of that counts: the boxes have the same name.
func TestTheNameOfABoxDoesNotDependOnTheNode(t *testing.T) {
	var names []string
	for _, bound := range []int{0, 100} {
		recorder, _ := haltboxtest.Open(t)
		tracer := kvtrace.New(recorder, kvtrace.Options{ValueBytes: bound})
		for height := uint64(1); height <= 2; height++ {
			recorder.BeginBlock(height, time.Unix(int64(height), 0), nil)
			attempt := tracer.Begin()
			var branch *kvtrace.Branch
			var messages []string
			if bound > 0 {
				branch, messages = (&kvtrace.Branch{}).Branch(), []string{"/a.B"}
			}
			attempt.BeginTx(0, []byte("tx"), messages...)
			use(kvtrace.WrapOn(attempt, branch, "s", sdkStore(memory{})))
			attempt.Written(branch)
			recorder.EndBlock(height, []byte{byte(bound)})
			recorder.Commit(height, []byte{byte(bound)})
		}
		path, err := recorder.Freeze(2)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, path[strings.LastIndexByte(path, '/')+1:])
	}
	if names[0] != names[1] || strings.Contains(names[0], "incomplete") {
		t.Error(names)
	}
}

// fixed is a store that allocates nothing itself.
type fixed struct{ value []byte }

func (fixed) Has([]byte) bool                         { return true }
func (f fixed) Get([]byte) []byte                     { return f.value }
func (fixed) Set(_, _ []byte)                         {}
func (fixed) Delete([]byte)                           {}
func (fixed) Iterator(_, _ []byte) sdkIterator        { return nil }
func (fixed) ReverseIterator(_, _ []byte) sdkIterator { return nil }

func TestAnOperationTakesNoMemory(t *testing.T) {
	recorder, _ := haltboxtest.Open(t)
	tracer := kvtrace.New(recorder, kvtrace.Options{ValueBytes: 32})
	recorder.BeginBlock(1, time.Time{}, nil)
	attempt := tracer.Begin()
	key, number := []byte("a key"), 0
	root := &kvtrace.Branch{}
	inner := root.Branch()
	for _, value := range [][]byte{make([]byte, 20), make([]byte, 150), make([]byte, 3000)} {
		store := kvtrace.WrapOn[sdkIterator](attempt, inner, "bank", fixed{value})
		outside := kvtrace.WrapOn[sdkIterator](attempt, root, "bank", fixed{value})
		work := func() {
			outside.Has(key)
			attempt.BeginTx(number, value)
			number++
			value[0] = byte(number)
			store.Set(key, store.Get(key))
			store.Has(key)
			store.Delete(key)
			attempt.Written(inner)
			attempt.EndTx()
		}
		work() // The buffers grow.
		if taken := testing.AllocsPerRun(500, work); taken != 0 {
			t.Errorf("%v allocations with a value of %d bytes", taken, len(value))
		}
	}
}

// A known digest is used for its own slice, and for no other one.
func TestADigestThatIsKnownIsNotMadeAgain(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	recorder.BeginBlock(1, time.Time{}, nil)
	txs := [][]byte{[]byte("a"), []byte("b")}
	attempt := kvtrace.New(recorder, kvtrace.Options{}).BeginWith(txs, [][32]byte{{0xaa}, {0xbb}})
	for number, tx := range [][]byte{txs[0], []byte("b"), []byte("c"), {}} {
		attempt.BeginTx(number, tx)
	}
	attempt.BeginTx(-1, txs[0])
	recorder.Close()

	begun := func(number, digest string, length int) string {
		return `{"type":"tx-begin","tx":` + number + `,"digest":"` + digest + `","bytes":` + fmt.Sprint(length) + `}`
	}
	same(t, traced(t, dir), []string{
		begun("0", "aa"+strings.Repeat("00", 31), 1), begun("1", digest("b"), 1), begun("2", digest("c"), 1),
		begun("3", digest(""), 0), begun("-1", digest("a"), 1),
	})
}
