package kvtrace

import "github.com/haltbox/haltbox/ffi/go/internal/foreign"

// KVStore has the methods of a cosmos-sdk store.KVStore, and of many other stores. I is the
// interface of its iterators.
type KVStore[I Iterator] interface {
	Get(key []byte) []byte
	Has(key []byte) bool
	Set(key, value []byte)
	Delete(key []byte)
	Iterator(start, end []byte) I
	ReverseIterator(start, end []byte) I
}

// Iterator has the methods of the iterators of CometBFT's and the cosmos-sdk's databases.
type Iterator interface {
	Domain() (start, end []byte)
	Valid() bool
	Next()
	Key() []byte
	Value() []byte
	Error() error
	Close() error
}

// Store records the operations on the store inside, and passes them on unchanged.
type Store[I Iterator] struct {
	inner   KVStore[I]
	attempt *Attempt
	branch  *Branch
	name    string
}

// Wrap records the operations on a store under a name, which must be the same on all nodes. With a
// nil attempt it only passes them on. It does not record whether writes take effect: [WrapOn] does.
func Wrap[I Iterator](attempt *Attempt, name string, store KVStore[I]) *Store[I] {
	return WrapOn(attempt, nil, name, store)
}

// WrapOn does the same for a store that belongs to a branch.
func WrapOn[I Iterator](attempt *Attempt, branch *Branch, name string, store KVStore[I]) *Store[I] {
	return &Store[I]{inner: store, attempt: attempt, branch: branch, name: name}
}

// Get reads, then records what was read.
func (s *Store[I]) Get(key []byte) []byte {
	value := s.inner.Get(key)
	if e, _ := s.attempt.begin(read, s.branch, s.name); e != nil {
		e.Key("key", present(key))
		s.attempt.value(value)
		s.attempt.leave()
	}
	return value
}

// Has asks the store, then records the answer.
func (s *Store[I]) Has(key []byte) bool {
	found := s.inner.Has(key)
	if e, _ := s.attempt.begin(has, s.branch, s.name); e != nil {
		e.Key("key", present(key)).Bool("found", found)
		s.attempt.leave()
	}
	return found
}

// Set records what is written, then writes.
func (s *Store[I]) Set(key, value []byte) {
	if e, _ := s.attempt.begin(write, s.branch, s.name); e != nil {
		e.Key("key", present(key)).Int("bytes", int64(len(value)))
		s.attempt.value(value)
		s.attempt.leave()
	}
	s.inner.Set(key, value)
}

// Delete records the key, then deletes it.
func (s *Store[I]) Delete(key []byte) {
	if e, _ := s.attempt.begin(remove, s.branch, s.name); e != nil {
		e.Key("key", present(key))
		s.attempt.leave()
	}
	s.inner.Delete(key)
}

// Iterator records the range, and each step that is made.
func (s *Store[I]) Iterator(start, end []byte) I {
	return s.iterate(s.inner.Iterator(start, end), start, end, false)
}

// ReverseIterator records the range, and each step that is made.
func (s *Store[I]) ReverseIterator(start, end []byte) I {
	return s.iterate(s.inner.ReverseIterator(start, end), start, end, true)
}

func (s *Store[I]) iterate(inner I, start, end []byte, reverse bool) I {
	e, op := s.attempt.begin(iterate, s.branch, s.name)
	if e == nil {
		return inner
	}
	steps := &iterator{Iterator: inner, attempt: s.attempt, branch: s.branch, store: s.name, of: op}
	wrapped, traced := any(steps).(I)
	e.Key("start", start).Key("end", end).Bool("reverse", reverse)
	if !traced {
		// The store's iterators have a concrete type, which a wrapper cannot have.
		e.Bool("untraced", true)
	}
	s.attempt.leave()
	if !traced {
		return inner
	}
	steps.arrived()
	return wrapped
}

// iterator records each position that it reaches.
type iterator struct {
	Iterator
	attempt *Attempt
	branch  *Branch
	store   string
	of      int64
}

// Next steps, then records the position.
func (i *iterator) Next() {
	i.Iterator.Next()
	i.arrived()
}

// arrived records the key and value at the position, or the end. A position that cannot be read is
// not recorded.
func (i *iterator) arrived() {
	key, value, err := i.place()
	if err != nil {
		return
	}
	e, _ := i.attempt.begin(next, i.branch, i.store)
	if e == nil {
		return
	}
	e.Int("of", i.of).Key("key", key)
	if key != nil {
		i.attempt.value(value)
	}
	i.attempt.leave()
}

// place returns the key and value at the position; a nil key means the end. The module that
// iterates may never read them, so a panic in here is caught: it is the module's own only if the
// module reads.
func (i *iterator) place() (key, value []byte, err error) {
	err = foreign.Call(func() {
		if i.Iterator.Valid() {
			key, value = present(i.Iterator.Key()), i.Iterator.Value()
		}
	})
	return key, value, err
}
