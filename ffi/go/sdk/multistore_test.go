package sdk

import (
	"errors"
	"strings"
	"testing"

	abcitypes "github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"

	"cosmossdk.io/log"
	storetypes "cosmossdk.io/store/types"
	dbm "github.com/cosmos/cosmos-db"

	"github.com/cosmos/cosmos-sdk/baseapp"
	sdktypes "github.com/cosmos/cosmos-sdk/types"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/abci"
	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

func storeOf(t *testing.T) *commitStore {
	recorder, _ := haltboxtest.Open(t)
	base := baseapp.NewBaseApp("test", log.NewNopLogger(), dbm.NewMemDB(), nil)
	s := &commitStore{
		CommitMultiStore: base.CommitMultiStore(), base: base, left: none, follows: true,
		beginAgain: func(then func()) { then() }, onDisorder: func(string) {},
	}
	s.follow()
	s.tracer = kvtrace.New(recorder, kvtrace.Options{})
	return s
}

func (s *commitStore) traced() bool {
	_, is := s.CacheMultiStore().(*branch)
	return is
}

func TestTheBranchOfTheExecutionIsTraced(t *testing.T) {
	s := storeOf(t)
	if s.traced() {
		t.Error("outside of a call")
	}
	over := s.expect(first, nil)
	if !s.traced() || s.traced() {
		t.Error("not the first alone")
	}
	over()
	over = s.expect(second, nil)
	if s.traced() || !s.traced() || s.traced() {
		t.Error("not the second alone")
	}
	over()
	if s.traced() {
		t.Error("behind the call")
	}
}

// A release of the SDK that makes its branches in another order is found out at the
// first block.
func TestAnotherBranchThanTheWrittenEndsTheTracing(t *testing.T) {
	s := storeOf(t)
	over := s.expect(first, nil)
	root := s.CacheMultiStore()
	over()
	root.Write()
	if !s.wasWritten() || s.tracer == nil {
		t.Error("the right one")
	}
	over = s.expect(first, nil)
	s.traced()
	over()
	if s.wasWritten() || s.tracer != nil {
		t.Error("it goes on")
	}
	s.expect(first, nil)
	if s.traced() || !s.wasWritten() {
		t.Error("it is traced")
	}
}

// kinds are the types of the entries of the last block that a recorder recorded.
func kinds(t *testing.T, dir string) (kinds []string) {
	for _, line := range haltboxtest.Cat(t, dir) {
		kind, _, _ := strings.Cut(strings.TrimPrefix(line, `{"type":"`), `"`)
		if kind == "begin-block" {
			kinds = nil
		}
		kinds = append(kinds, kind)
	}
	return kinds
}

// marked has the blocks of a store marked, with its writes where they are not silent.
func marked(t *testing.T, s *commitStore, recorder *haltbox.Recorder) *abci.Marker {
	s.tracer = kvtrace.New(recorder, kvtrace.Options{})
	marker := abci.NewMarker(recorder, abci.Options{
		Tracer: s.tracer, OptimisticExecution: true,
		AtEnd: func(record func([]byte)) {
			if !s.writes.silent.Load() {
				record([]byte(`{"type":"step-set"}`))
			}
		},
	})
	s.beginAgain = marker.BeginAgain
	s.writes.silent.Store(true)
	return marker
}

// A goroutine of an execution that was aborted, or of a block that is over, may be late. The
// block under way then has no operations, as it has writes.
func TestALateDisorderLeavesNoOperations(t *testing.T) {
	for late, want := range map[string]string{
		"aborted": "begin-block step-input step-set end-block",
		"over":    "begin-block step-input op-read end-block",
		"none":    "begin-block step-input op-read end-block",
	} {
		recorder, dir := haltboxtest.Open(t)
		s := storeOf(t)
		marker := marked(t, s, recorder)
		_, err := marker.ProcessProposal(&abcitypes.RequestProcessProposal{Height: 7, Hash: []byte("a")},
			func() (*abcitypes.ResponseProcessProposal, error) {
				s.expect(first, nil)
				s.traced()
				return &abcitypes.ResponseProcessProposal{Status: abcitypes.ResponseProcessProposal_ACCEPT}, nil
			})
		aborted := s.course
		_, err2 := marker.FinalizeBlock(&abcitypes.RequestFinalizeBlock{Height: 7, Hash: []byte("b")},
			func() (*abcitypes.ResponseFinalizeBlock, error) {
				s.expect(first, nil)
				s.traced()
				s.course.attempt.Record([]byte(`{"type":"op-read"}`))
				if late == "aborted" {
					aborted.disorder("late")
					s.course.attempt.Record([]byte(`{"type":"op-read"}`))
				}
				return &abcitypes.ResponseFinalizeBlock{AppHash: []byte{7}}, nil
			})
		if late == "over" {
			aborted.disorder("late")
		}
		if s.writes.silent.Load() != (late == "none") || errors.Join(err, err2) != nil {
			t.Error(late, "writes are not told", err, err2)
		}
		recorder.Close()
		if got := strings.Join(kinds(t, dir), " "); got != want {
			t.Errorf("%s: got  %s\nwant %s", late, got, want)
		}
	}
}

// The block at which it is found out that another branch is written has writes, and none
// of the operations that were recorded of the wrong one.
func TestABlockWhoseBranchIsNotWrittenHasNoOperations(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	s := storeOf(t)
	_, err := marked(t, s, recorder).FinalizeBlock(&abcitypes.RequestFinalizeBlock{Height: 7},
		func() (*abcitypes.ResponseFinalizeBlock, error) {
			s.expect(first, nil)
			s.traced()
			s.course.attempt.Record([]byte(`{"type":"op-read"}`))
			if s.wasWritten() {
				t.Error("it was written")
			}
			return &abcitypes.ResponseFinalizeBlock{AppHash: []byte{7}}, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	recorder.Close()
	if got := strings.Join(kinds(t, dir), " "); got != "begin-block step-input step-set end-block" {
		t.Error(got)
	}
}

// generic is a branch of stores that has them by GetStore alone.
type generic struct{ cached }

func (g generic) GetStore(storetypes.StoreKey) storetypes.Store { return typeless{} }

func (g generic) GetKVStore(storetypes.StoreKey) storetypes.KVStore { panic("not implemented") }

func TestAStoreIsTakenTheWayThatTheModuleAsks(t *testing.T) {
	b := &branch{cached: generic{}, course: &course{}}
	if b.GetStore(storetypes.NewKVStoreKey("a")) != (typeless{}) {
		t.Error("another store")
	}
}

// Modules ask for a store before each operation. What a branch gave is of the execution
// that was under way.
func TestABranchGivesAStoreOnceForEachExecution(t *testing.T) {
	s := storeOf(t)
	keys := []storetypes.StoreKey{storetypes.NewKVStoreKey("a"), storetypes.NewKVStoreKey("b")}
	for _, key := range keys {
		s.MountStoreWithDB(key, storetypes.StoreTypeIAVL, nil)
	}
	if err := s.LoadLatestVersion(); err != nil {
		t.Fatal(err)
	}
	s.tracer.Begin()
	s.expect(first, nil)
	root := s.CacheMultiStore()
	one, other := root.GetKVStore(keys[0]), root.GetKVStore(keys[1])
	if one == other || root.GetKVStore(keys[0]) != one || root.GetKVStore(keys[1]) != other {
		t.Error("not one for each key")
	}
	if root.CacheMultiStore().GetKVStore(keys[0]) == one {
		t.Error("another branch's")
	}
	s.course.attempt = s.tracer.Begin()
	if root.GetKVStore(keys[0]) == one {
		t.Error("another execution's")
	}
	s.course.attempt = nil
	if _, is := root.GetKVStore(keys[0]).(*store); is {
		t.Error("it is traced")
	}
}

// An application may load its stores by any of the ways, and more than once. What is
// recorded does not depend on that.
func TestPreBlockTellsItsEndOnceHoweverTheStoresAreLoaded(t *testing.T) {
	load := map[string]func(s *commitStore) error{
		"latest":              func(s *commitStore) error { return s.LoadLatestVersion() },
		"latest and upgrade":  func(s *commitStore) error { return s.LoadLatestVersionAndUpgrade(nil) },
		"version":             func(s *commitStore) error { return s.LoadVersion(0) },
		"version and upgrade": func(s *commitStore) error { return s.LoadVersionAndUpgrade(0, nil) },
		"twice": func(s *commitStore) error {
			return errors.Join(s.LoadLatestVersion(), s.LoadLatestVersionAndUpgrade(nil))
		},
	}
	for name, load := range load {
		t.Run(name, func(t *testing.T) {
			recorder, _ := haltboxtest.Open(t)
			base := baseapp.NewBaseApp("test", log.NewNopLogger(), dbm.NewMemDB(), nil)
			base.SetPreBlocker(func(
				sdktypes.Context, *abcitypes.RequestFinalizeBlock,
			) (*sdktypes.ResponsePreBlock, error) {
				return nil, nil
			})
			s := &commitStore{CommitMultiStore: base.CommitMultiStore(), base: base, left: none, follows: true}
			if err := load(s); err != nil {
				t.Fatal(err)
			}
			s.tracer = kvtrace.New(recorder, kvtrace.Options{})
			s.tracer.Begin()
			s.expect(first, nil)
			ctx := sdktypes.NewContext(s.CacheMultiStore(), cmtproto.Header{}, false, nil)
			before, _ := recorder.Stats()
			if _, err := base.PreBlocker()(ctx, nil); err != nil {
				t.Fatal(err)
			}
			if after, err := recorder.Stats(); err != nil || after.Records != before.Records+1 {
				t.Errorf("%d entries, %v", after.Records-before.Records, err)
			}
		})
	}
}
