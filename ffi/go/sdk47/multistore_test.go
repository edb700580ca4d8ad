package sdk47

import (
	"bytes"
	"strings"
	"testing"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/libs/log"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/store/rootmulti"
	storetypes "github.com/cosmos/cosmos-sdk/store/types"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// The first releases of the SDK 0.47 do not start with a store that is not their own. They
// keep it, and record the rest.
func TestAnApplicationIsGivenNoStoreThatItRefuses(t *testing.T) {
	var printed bytes.Buffer
	box := New(log.NewTMLogger(&printed), options{"haltbox.enable": true, "haltbox.dir": t.TempDir()})
	app := baseapp.NewBaseApp("app", log.NewNopLogger(), dbm.NewMemDB(), nil, box.Option)
	if err := app.Init(); err != nil {
		t.Fatal(err)
	}
	_, own := app.CommitMultiStore().(*rootmulti.Store)
	if refuses := strings.Contains(printed.String(), "takes no store but its own"); own != refuses {
		t.Errorf("its own store: %v, and %q", own, printed.String())
	}
}

func storeOf(t *testing.T) *commitStore {
	recorder, _ := haltboxtest.Open(t)
	inner := rootmulti.NewStore(dbm.NewMemDB(), log.NewNopLogger())
	return &commitStore{CommitMultiStore: inner, tracer: kvtrace.New(recorder, kvtrace.Options{})}
}

func (s *commitStore) traced() bool {
	_, is := s.CacheMultiStore().(*branch)
	return is
}

func TestTheFirstBranchOfACallIsTraced(t *testing.T) {
	s := storeOf(t)
	if s.traced() {
		t.Error("outside of a call")
	}
	over := s.expect()
	if !s.traced() || s.traced() {
		t.Error("not the first alone")
	}
	over()
	if s.traced() {
		t.Error("behind the call")
	}
}

// The first block is executed on the branch of the genesis, which has no attempt.
func TestTheBranchOfTheGenesisIsThatOfTheFirstBlock(t *testing.T) {
	s := storeOf(t)
	over := s.expect()
	root := s.CacheMultiStore().(*branch)
	over()
	if root.course.attempt != nil {
		t.Error("the genesis is recorded")
	}
	attempt := s.tracer.Begin()
	s.begin(cmtproto.Header{Height: 1})
	over = s.expect()
	if root.course.attempt != attempt || s.traced() {
		t.Error("the first block is not, or another branch is")
	}
	over()
	root.Write()
	if !s.wasWritten() || s.tracer == nil {
		t.Error("it was not written")
	}
}

// A release of the SDK that makes its branches in another order is found out at the
// first block.
func TestAnotherBranchThanTheWrittenEndsTheTracing(t *testing.T) {
	s := storeOf(t)
	over := s.expect()
	s.traced()
	over()
	if s.wasWritten() || s.tracer != nil || s.attempt() != nil {
		t.Error("it goes on")
	}
	s.expect()
	if s.traced() || !s.wasWritten() {
		t.Error("it is traced")
	}
}

// Each key that a block changes is told once, store by store, with what it leaves.
func TestEachKeyThatABlockChangesIsToldOnce(t *testing.T) {
	s := storeOf(t)
	keys := []*storetypes.KVStoreKey{storetypes.NewKVStoreKey("b"), storetypes.NewKVStoreKey("a")}
	for _, key := range keys {
		s.CommitMultiStore.MountStoreWithDB(key, storetypes.StoreTypeIAVL, nil)
	}
	if err := s.CommitMultiStore.LoadLatestVersion(); err != nil {
		t.Fatal(err)
	}
	writes := &writes{valueBytes: 1}
	if !writes.listen(s.CommitMultiStore) {
		t.Fatal("the store does not tell")
	}
	for range 2 {
		block := s.CacheMultiStore()
		for _, key := range keys {
			store := block.GetKVStore(key)
			store.Set([]byte{2}, []byte{3})
			store.Set([]byte{1}, []byte{1, 1})
			store.Delete([]byte{1})
		}
		block.Write()
		var told []string
		writes.record(func(line []byte) { told = append(told, string(line)) })
		want := `{"type":"step-unset","store":"a","key":"01"}` + "\n" +
			`{"type":"step-set","store":"a","key":"02","bytes":1,"value":"` +
			`084fed08b978af4d7d196a7446a86b58009e636b611db16211b65a9aadff29c5","local":{"value":"03"}}`
		if got := strings.Join(told, "\n"); !strings.HasPrefix(got, want) || len(told) != 4 {
			t.Errorf("got  %s\nwant %s, and the same of b", got, want)
		}
	}
	writes.record(func(line []byte) { t.Errorf("a block without writes has %s", line) })
}

// headless is not the SDK's own store, which alone is given headers by BaseApp.
type headless struct{ storetypes.CommitMultiStore }

func (headless) SetCommitHeader(cmtproto.Header) { panic("not implemented") }

func (headless) Commit() storetypes.CommitID { return storetypes.CommitID{Version: 1} }

func TestAStoreThatIsNotTheSDKsIsGivenNoHeader(t *testing.T) {
	if s := (&commitStore{CommitMultiStore: headless{}}); s.Commit().Version != 1 {
		t.Error("another commit")
	}
}
