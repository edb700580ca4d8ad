package sdk

import (
	"sync"
	"sync/atomic"

	abcitypes "github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"

	"cosmossdk.io/store/rootmulti"
	storetypes "cosmossdk.io/store/types"
	"github.com/cosmos/cosmos-sdk/baseapp"
	sdktypes "github.com/cosmos/cosmos-sdk/types"

	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// place is which of the branches that the SDK makes in one call of ABCI is the
// one that the block is executed on: it says so nowhere. That it was the right one
// shows when the block is written, see wasWritten.
type place int

const (
	none   place = -1
	first  place = 0 // InitChain, FinalizeBlock
	second place = 1 // ProcessProposal has one for the proposal before it
)

// commitStore is the application's store. It traces the branch that a block is
// executed on; those of CheckTx, of queries and simulations are the SDK's own. Nil
// is one that traces nothing.
type commitStore struct {
	storetypes.CommitMultiStore
	base *baseapp.BaseApp
	// follows: operations are to be recorded, so phases and transactions are parted.
	follows bool
	// hasPreBlock: the application has such a phase, and tells its end.
	hasPreBlock bool
	// told is who tells of transactions.
	told told
	// sequential: it was said that the chain's own runner executes one after the other.
	sequential bool
	// beginAgain begins the block under way again, without operations, and calls its
	// argument so that it holds for the whole of a block. See abci.Marker.BeginAgain.
	beginAgain func(then func())
	// onDisorder is told when transactions are executed at the same time, and what shows it.
	onDisorder func(found string)
	// lock is for branches that are made by others meanwhile.
	lock       sync.Mutex
	tracer     *kvtrace.Tracer
	optimistic bool
	// course of the block that is executed, or will be.
	course *course
	// left is how many branches the call under way makes before the one, and txs
	// are its transactions.
	left place
	txs  [][]byte
	// writes of the block under way, if they are recorded by themselves.
	writes writes
	// header of the block under way, for what the store keeps beside its roots.
	header cmtproto.Header
}

// listen gives what tells the writes of each block, if it can be had.
func (s *commitStore) listen(inner storetypes.CommitMultiStore) *writes {
	if s == nil || !s.writes.listen(inner) {
		return nil
	}
	return &s.writes
}

// AddListeners is for the chain's own listeners.
func (s *commitStore) AddListeners(keys []storetypes.StoreKey) {
	s.writes.ask(keys)
	s.CommitMultiStore.AddListeners(keys)
}

// PopStateCache is for them as well.
func (s *commitStore) PopStateCache() []*storetypes.StoreKVPair {
	if s.writes.inner == nil {
		return s.CommitMultiStore.PopStateCache()
	}
	return s.writes.pop()
}

// trace is called before anything that is recorded.
func (s *commitStore) trace(tracer *kvtrace.Tracer, optimistic bool) {
	if s == nil {
		return
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	s.tracer, s.optimistic = tracer, optimistic
}

// expect tells which branch of the call under way is the one; what it gives ends
// that. CometBFT makes these calls one after the other.
func (s *commitStore) expect(at place, txs [][]byte) func() {
	if s == nil {
		return func() {}
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.tracer == nil || s.otherRunner() != "" {
		return func() {}
	}
	s.left, s.txs = at, txs
	return func() {
		s.lock.Lock()
		defer s.lock.Unlock()
		s.left = none
	}
}

// CacheMultiStore branches.
func (s *commitStore) CacheMultiStore() storetypes.CacheMultiStore {
	inner := s.CommitMultiStore.CacheMultiStore()
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.tracer == nil || s.left == none {
		return inner
	}
	s.left--
	if s.left != none {
		return inner
	}
	// An execution that is begun on a proposal may be aborted while it runs, so it
	// keeps to the attempt that is under way now.
	s.course = &course{
		attempt: s.tracer.Attempt(), txs: s.txs, hasPreBlock: s.hasPreBlock,
		onDisorder: s.disorder, transactions: transactions{told: s.told},
	}
	return &branch{cached: inner, course: s.course, traced: &kvtrace.Branch{}}
}

// disorder: transactions are executed at the same time.
func (s *commitStore) disorder(found string) {
	s.untrace()
	s.onDisorder(found)
}

// untrace: no block is traced any more. One that is under way loses its operations, whoever
// executes it: what told of the disorder may be a late goroutine of an earlier execution. No
// block has both operations and writes, which no other node would have.
func (s *commitStore) untrace() {
	s.lock.Lock()
	s.tracer = nil
	s.lock.Unlock()
	s.beginAgain(func() { s.writes.silent.Store(false) })
}

// refuse: the proposal will not be executed before it is decided.
func (s *commitStore) refuse() {
	if s == nil {
		return
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.course != nil {
		s.course.attempt = nil
	}
}

// decide tells what will be executed. A branch that was made with the proposal, or
// with the genesis, and on which nothing was executed yet, is that of the decided block.
func (s *commitStore) decide(req *abcitypes.RequestFinalizeBlock) {
	if s == nil {
		return
	}
	s.header = cmtproto.Header{
		Height:             req.Height,
		Time:               req.Time.UTC(),
		ProposerAddress:    req.ProposerAddress,
		NextValidatorsHash: req.NextValidatorsHash,
		AppHash:            s.LastCommitID().Hash,
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.course != nil && (!s.optimistic || s.course.attempt == nil) {
		s.course.attempt, s.course.txs = s.tracer.Attempt(), req.Txs
	}
}

// wasWritten tells whether what was traced is what the block wrote. If not, nothing is
// traced any more.
func (s *commitStore) wasWritten() bool {
	if s == nil {
		return true
	}
	s.lock.Lock()
	right := s.tracer == nil || s.course != nil && s.course.written
	s.course = nil
	s.lock.Unlock()
	if !right {
		s.untrace()
	}
	return right
}

// Commit does what BaseApp does for a store of the SDK's own type, as it does not
// know this one for such.
func (s *commitStore) Commit() storetypes.CommitID {
	if own, is := s.CommitMultiStore.(*rootmulti.Store); is {
		own.SetCommitHeader(s.header)
	}
	return s.CommitMultiStore.Commit()
}

// LoadLatestVersion, and the others that load, are what BaseApp calls last before
// it is sealed: all its handlers are set by then. An application may load more than once,
// as when it tries without an upgrade first.
func (s *commitStore) LoadLatestVersion() error {
	s.follow()
	return s.CommitMultiStore.LoadLatestVersion()
}

func (s *commitStore) LoadLatestVersionAndUpgrade(upgrades *storetypes.StoreUpgrades) error {
	s.follow()
	return s.CommitMultiStore.LoadLatestVersionAndUpgrade(upgrades)
}

func (s *commitStore) LoadVersion(version int64) error {
	s.follow()
	return s.CommitMultiStore.LoadVersion(version)
}

func (s *commitStore) LoadVersionAndUpgrade(version int64, upgrades *storetypes.StoreUpgrades) error {
	s.follow()
	return s.CommitMultiStore.LoadVersionAndUpgrade(version, upgrades)
}

// follow has BaseApp tell where it is in a block. At a second load a handler may be
// another one, so it is wrapped again. Of two that tell, the course hears the inner one.
func (s *commitStore) follow() {
	if s.follows && !s.base.IsSealed() {
		s.partPhases()
		s.partTransactions()
	}
}

// partPhases has PreBlock tell its end.
func (s *commitStore) partPhases() {
	inner := s.base.PreBlocker()
	if inner == nil {
		return
	}
	s.hasPreBlock = true
	s.base.SetPreBlocker(func(
		ctx sdktypes.Context, req *abcitypes.RequestFinalizeBlock,
	) (*sdktypes.ResponsePreBlock, error) {
		response, err := inner(ctx, req)
		if root, is := ctx.MultiStore().(*branch); is {
			root.course.preBlockEnded()
		}
		return response, err
	})
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
	parent *branch
	// number is that of the branch off the block's own that it comes from, see sequence.
	number int64
	traced *kvtrace.Branch
	made   atomic.Pointer[madeStore]
}

// CacheMultiStore branches off.
func (b *branch) CacheMultiStore() storetypes.CacheMultiStore { return b.branchOff() }

func (b *branch) branchOff() *branch {
	return &branch{
		cached: b.cached.CacheMultiStore(), course: b.course, parent: b,
		number: b.course.number(b), traced: b.traced.Branch(),
	}
}

// CacheWrap branches off.
func (b *branch) CacheWrap() storetypes.CacheWrap { return b.branchOff() }

// GetKVStore gives a store whose operations are recorded as the modules ask for
// them: under the gas meter, over all caches. Modules ask for it before each operation.
func (b *branch) GetKVStore(key storetypes.StoreKey) storetypes.KVStore {
	b.course.use(b, key.Name())
	if made := b.madeFor(key); made != nil {
		return made
	}
	return b.make(key, b.cached.GetKVStore(key))
}

// madeFor gives what the branch gave before; nil for nothing.
func (b *branch) madeFor(key storetypes.StoreKey) storetypes.KVStore {
	attempt := b.course.attempt
	for at := b.made.Load(); at != nil; at = at.before {
		if at.key == key && at.attempt == attempt {
			return at.store
		}
	}
	return nil
}

func (b *branch) make(key storetypes.StoreKey, inner storetypes.KVStore) storetypes.KVStore {
	attempt := b.course.attempt
	store := trace(attempt, b.traced, key.Name(), inner)
	if attempt != nil {
		b.made.Store(&madeStore{key, attempt, store, b.made.Load()})
	}
	return store
}

// madeStore is a store that a branch gave. Goroutines may ask at once: what one
// of them adds may then be lost, and is made again.
type madeStore struct {
	key     storetypes.StoreKey
	attempt *kvtrace.Attempt
	store   storetypes.KVStore
	before  *madeStore
}

// GetStore gives the same, unless what the store holds are no bytes.
func (b *branch) GetStore(key storetypes.StoreKey) storetypes.Store {
	of := b.cached.GetStore(key)
	inner, is := of.(storetypes.KVStore)
	if !is {
		return of
	}
	b.course.use(b, key.Name())
	if made := b.madeFor(key); made != nil {
		return made
	}
	return b.make(key, inner)
}

// Write gives to the parent what was written.
func (b *branch) Write() {
	b.cached.Write()
	b.course.wrote(b)
}

func (b *branch) isRoot() bool { return b != nil && b.parent == nil }
