package sdk47

import (
	"io"
	"sync"

	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"

	"github.com/cosmos/cosmos-sdk/store/rootmulti"
	storetypes "github.com/cosmos/cosmos-sdk/store/types"

	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// commitStore is the application's store. It traces the branch that a block is
// executed on; those of CheckTx, of proposals, queries and simulations are the SDK's
// own. Nil is one that traces nothing.
type commitStore struct {
	storetypes.CommitMultiStore
	// lock is for branches that are made by others meanwhile.
	lock   sync.Mutex
	tracer *kvtrace.Tracer
	// expects: the next branch is the one that a block is executed on. The SDK says so
	// nowhere; that it was the right one shows when the block is written, see
	// wasWritten.
	expects bool
	// course of the block that is executed, or will be.
	course *course
	// header of the block under way, for what the store keeps beside its roots.
	header cmtproto.Header
}

// course of the execution of one block.
type course struct {
	// attempt that is recorded; nil for none, as while the genesis is made.
	attempt *kvtrace.Attempt
	// written: the block's own branch was.
	written bool
}

// trace is called before anything that is recorded.
func (s *commitStore) trace(tracer *kvtrace.Tracer) {
	if s == nil {
		return
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	s.tracer = tracer
}

// attempt that is recorded now; nil for none.
func (s *commitStore) attempt() *kvtrace.Attempt {
	if s == nil {
		return nil
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.tracer.Attempt()
}

// enter parts what no transaction does by an entry.
func (s *commitStore) enter(phase string) {
	attempt := s.attempt()
	attempt.EndTx()
	attempt.Record([]byte(`{"type":"step-phase","phase":"` + phase + `"}`))
}

// expect tells that the call under way makes the branch, before any other. What it gives
// ends that. CometBFT makes these calls one after the other.
func (s *commitStore) expect() func() {
	if s == nil {
		return func() {}
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	// A block after the genesis is executed on the branch of that.
	s.expects = s.tracer != nil && s.course == nil
	return func() {
		s.lock.Lock()
		defer s.lock.Unlock()
		s.expects = false
	}
}

// CacheMultiStore branches.
func (s *commitStore) CacheMultiStore() storetypes.CacheMultiStore {
	inner := s.CommitMultiStore.CacheMultiStore()
	s.lock.Lock()
	defer s.lock.Unlock()
	if !s.expects {
		return inner
	}
	s.expects = false
	s.course = &course{attempt: s.tracer.Attempt()}
	return &branch{cached: inner, course: s.course, isRoot: true, traced: &kvtrace.Branch{}}
}

// begin tells which block is executed now. A branch that was made with the genesis is
// recorded from now on.
func (s *commitStore) begin(header cmtproto.Header) {
	if s == nil {
		return
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	s.header = header
	s.header.Time = header.Time.UTC()
	if s.course != nil {
		s.course.attempt = s.tracer.Attempt()
	}
}

// wasWritten tells whether what was traced is what the block wrote. If not, nothing is
// traced any more.
func (s *commitStore) wasWritten() bool {
	if s == nil {
		return true
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	right := s.tracer == nil || s.course != nil && s.course.written
	s.course = nil
	if !right {
		s.tracer = nil
	}
	return right
}

// Commit does what BaseApp does for a store of the SDK's own type, as it does not
// know this one for such. The first releases of the SDK 0.47 keep no header.
func (s *commitStore) Commit() storetypes.CommitID {
	if own, is := s.CommitMultiStore.(*rootmulti.Store); is {
		giveHeader(own, s.header)
	}
	return s.CommitMultiStore.Commit()
}

func giveHeader(store any, header cmtproto.Header) {
	if keeps, is := store.(interface{ SetCommitHeader(cmtproto.Header) }); is {
		keeps.SetCommitHeader(header)
	}
}

func (s *commitStore) bare() storetypes.CommitMultiStore { return s.CommitMultiStore }

// queryable is a store that answers queries, as does the one inside.
func (s *commitStore) queryable() storetypes.CommitMultiStore {
	if inner, is := s.CommitMultiStore.(storetypes.Queryable); is {
		return &queryableStore{s, inner}
	}
	return s
}

type queryableStore struct {
	*commitStore
	storetypes.Queryable
}

// cached has another name than the method that it is embedded for.
type cached = storetypes.CacheMultiStore

// branch is a store that a block is executed on, or one that was branched off it.
type branch struct {
	cached
	course *course
	isRoot bool
	traced *kvtrace.Branch
}

// CacheMultiStore branches off.
func (b *branch) CacheMultiStore() storetypes.CacheMultiStore { return b.branchOff() }

func (b *branch) branchOff() *branch {
	return &branch{cached: b.cached.CacheMultiStore(), course: b.course, traced: b.traced.Branch()}
}

// CacheWrap branches off.
func (b *branch) CacheWrap() storetypes.CacheWrap { return b.branchOff() }

// CacheWrapWithTrace branches off, as do the SDK's own.
func (b *branch) CacheWrapWithTrace(io.Writer, storetypes.TraceContext) storetypes.CacheWrap {
	return b.CacheWrap()
}

// GetKVStore gives a store whose operations are recorded as the modules ask for
// them: under the gas meter, over all caches.
func (b *branch) GetKVStore(key storetypes.StoreKey) storetypes.KVStore {
	return trace(b.course.attempt, b.traced, key.Name(), b.cached.GetKVStore(key))
}

// GetStore gives the same.
func (b *branch) GetStore(key storetypes.StoreKey) storetypes.Store {
	return b.GetKVStore(key)
}

// SetTracingContext is that of the SDK's own tracing, which stays as it is.
func (b *branch) SetTracingContext(told storetypes.TraceContext) storetypes.MultiStore {
	b.cached = b.cached.SetTracingContext(told).(storetypes.CacheMultiStore)
	return b
}

// SetTracer is that of the SDK's own tracing as well.
func (b *branch) SetTracer(writer io.Writer) storetypes.MultiStore {
	b.cached = b.cached.SetTracer(writer).(storetypes.CacheMultiStore)
	return b
}

// Write gives to the parent what was written.
func (b *branch) Write() {
	b.cached.Write()
	b.course.attempt.Written(b.traced)
	if b.isRoot {
		b.course.written = true
	}
}
