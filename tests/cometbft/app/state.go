package app

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	dbm "github.com/cometbft/cometbft-db"
)

// state is the application's store: what is committed, and what the block that
// is executed changes.
//
// Reads go through a cache of committed values. A query refreshes it, outside
// of the lock that Commit holds: one that read a value before a commit and puts
// it into the cache behind it leaves a value there that is no longer true. It
// is the fault of more than one real store, and here on purpose.
type state struct {
	file string

	lock      sync.RWMutex
	height    int64
	appHash   []byte
	committed map[string][]byte
	// committing is closed by the next commit.
	committing chan struct{}

	cacheLock sync.Mutex
	cache     map[string][]byte

	// pending has nil for what is deleted. Only the execution touches it.
	pending map[string][]byte
}

// saved is the state as it stands in its file.
type saved struct {
	Height    int64
	AppHash   []byte
	Committed map[string][]byte
}

func openState(file string) (*state, error) {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	last := saved{Committed: map[string][]byte{}}
	if err == nil {
		if err := json.Unmarshal(text, &last); err != nil {
			return nil, err
		}
	}
	return &state{
		file: file, height: last.Height, appHash: last.AppHash, committed: last.Committed,
		committing: make(chan struct{}), cache: map[string][]byte{}, pending: map[string][]byte{},
	}, nil
}

// Get reads as the execution does.
func (s *state) Get(key []byte) []byte {
	if value, changed := s.pending[string(key)]; changed {
		return value
	}
	s.cacheLock.Lock()
	value, has := s.cache[string(key)]
	s.cacheLock.Unlock()
	if has {
		return value
	}
	return s.refresh(string(key), func() {})
}

// refresh reads a committed value and puts it into the cache; `pause` is what
// may happen in between.
func (s *state) refresh(key string, pause func()) []byte {
	s.lock.RLock()
	value := s.committed[key]
	s.lock.RUnlock()
	pause()
	s.cacheLock.Lock()
	s.cache[key] = value
	s.cacheLock.Unlock()
	return value
}

// nextCommit gives what is closed when the next commit is done.
func (s *state) nextCommit() <-chan struct{} {
	s.lock.RLock()
	defer s.lock.RUnlock()
	return s.committing
}

func (s *state) Has(key []byte) bool { return s.Get(key) != nil }

func (s *state) Set(key, value []byte) { s.pending[string(key)] = value }

func (s *state) Delete(key []byte) { s.pending[string(key)] = nil }

func (s *state) Iterator(start, end []byte) dbm.Iterator { return s.view(start, end, false) }

func (s *state) ReverseIterator(start, end []byte) dbm.Iterator { return s.view(start, end, true) }

// view is of a copy: the application iterates over little.
func (s *state) view(start, end []byte, reverse bool) dbm.Iterator {
	db := dbm.NewMemDB()
	for key, value := range s.after() {
		_ = db.Set([]byte(key), value)
	}
	open := db.Iterator
	if reverse {
		open = db.ReverseIterator
	}
	iterator, err := open(start, end)
	if err != nil {
		panic(err)
	}
	return iterator
}

// keys with this prefix, in no order: that of a Go map, another each time.
func (s *state) keys(prefix string) (found []string) {
	for key := range s.after() {
		if strings.HasPrefix(key, prefix) {
			found = append(found, key)
		}
	}
	return found
}

// after is the content once the block is committed.
func (s *state) after() map[string][]byte {
	s.lock.RLock()
	all := maps.Clone(s.committed)
	s.lock.RUnlock()
	for key, value := range s.pending {
		if value == nil {
			delete(all, key)
		} else {
			all[key] = value
		}
	}
	return all
}

// hash is the AppHash: over keys and values in order, with their lengths.
func (s *state) hash() []byte {
	all := s.after()
	sum := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(all)) {
		for _, part := range [][]byte{[]byte(key), all[key]} {
			sum.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
			sum.Write(part)
		}
	}
	return sum.Sum(nil)
}

// discard forgets an execution that was not committed.
func (s *state) discard() { clear(s.pending) }

func (s *state) commit(height int64, appHash []byte) error {
	all := s.after()
	if err := save(s.file, saved{height, appHash, all}); err != nil {
		return err
	}
	s.lock.Lock()
	s.height, s.appHash, s.committed = height, appHash, all
	done := s.committing
	s.committing = make(chan struct{})
	s.lock.Unlock()
	s.cacheLock.Lock()
	for key := range s.pending {
		delete(s.cache, key)
	}
	s.cacheLock.Unlock()
	clear(s.pending)
	close(done)
	return nil
}

// save replaces the file as a whole: a kill leaves the old one or the new one.
func save(file string, state saved) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	next := file + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, file)
}
