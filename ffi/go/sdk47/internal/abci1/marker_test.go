package abci1

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

func hash(of byte) []byte { sum := sha256.Sum256([]byte{of}); return sum[:] }

func hexDigest(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

// chain drives a marker as CometBFT does.
type chain struct {
	t        *testing.T
	marker   *Marker
	tracer   *kvtrace.Tracer
	recorder *haltbox.Recorder
	dir      string
}

func start(t *testing.T) *chain {
	recorder, dir := haltboxtest.Open(t)
	tracer := kvtrace.New(recorder, kvtrace.Options{})
	marker := NewMarker(recorder, Options{
		Tracer:  tracer,
		AtEnd:   func(record func([]byte)) { record([]byte(`{"type":"step-store-root","store":"s"}`)) },
		OnError: func(err error) { t.Errorf("the recorder: %v", err) },
	})
	return &chain{t, marker, tracer, recorder, dir}
}

func request(height int64, network []byte) types.RequestBeginBlock {
	return types.RequestBeginBlock{
		Hash: hash(byte(100 + height)),
		Header: cmtproto.Header{Height: height, Time: time.Unix(height, 0), DataHash: hash(150), AppHash: network,
			NextValidatorsHash: hash(200), ProposerAddress: []byte{1, 2}},
		LastCommitInfo: types.CommitInfo{Votes: []types.VoteInfo{{SignedLastBlock: true}}},
	}
}

// execute does all of a block but its commit. The header has an AppHash of the block before.
func (c *chain) execute(height int64, network []byte, txs ...string) {
	c.marker.BeginBlock(request(height, network), func() types.ResponseBeginBlock {
		c.tracer.Attempt().Record([]byte(`{"type":"op-write","own":"begin"}`))
		return types.ResponseBeginBlock{}
	})
	for _, tx := range txs {
		c.marker.DeliverTx(types.RequestDeliverTx{Tx: []byte(tx)}, func(number int) types.ResponseDeliverTx {
			c.tracer.Attempt().BeginTx(number, []byte(tx))
			if strings.HasPrefix(tx, "bad") {
				return types.ResponseDeliverTx{Code: 5, Codespace: "sdk", Log: "no", GasUsed: 1}
			}
			return types.ResponseDeliverTx{GasWanted: 10, GasUsed: int64(len(tx)), Data: []byte(tx[:1])}
		})
	}
	c.marker.EndBlock(func() types.ResponseEndBlock {
		return types.ResponseEndBlock{ValidatorUpdates: []types.ValidatorUpdate{{Power: 1}}}
	})
}

func (c *chain) commit(appHash []byte) {
	c.marker.Commit(func() types.ResponseCommit { return types.ResponseCommit{Data: appHash} })
}

func (c *chain) stats() haltbox.Stats {
	c.t.Helper()
	stats, err := c.recorder.Stats()
	if err != nil {
		c.t.Fatal(err)
	}
	return stats
}

// lines are those of the blocks, without the recorder's own start.
func (c *chain) lines() []string {
	c.recorder.Close()
	lines := haltboxtest.Cat(c.t, c.dir)
	for len(lines) > 0 && strings.HasPrefix(lines[0], `{"type":"host-start"`) {
		lines = lines[1:]
	}
	return lines
}

func TestABlockIsRecordedAsDocumented(t *testing.T) {
	c := start(t)
	c.execute(7, hash(6), "good", "bad one")
	c.tracer.Attempt().Record([]byte(`{"type":"op-write","own":"too late"}`))
	c.commit(hash(7))
	commit, _ := (&types.CommitInfo{Votes: []types.VoteInfo{{SignedLastBlock: true}}}).Marshal()
	update, _ := (&types.ValidatorUpdate{Power: 1}).Marshal()
	input := fmt.Sprintf(`{"type":"step-input","dataHash":"%x","lastCommit":"%s","misbehavior":null,`+
		`"nextValidators":"%x","proposer":"0102","block":"%x"}`, hash(150), hexDigest(string(commit)), hash(200), hash(107))
	updates := sha256.Sum256(update)
	want := strings.Join([]string{
		`{"type":"begin-block","height":7,"time":"7.000000000","input":"` + hexDigest(input) + `"}`,
		input,
		`{"type":"op-write","own":"begin"}`,
		`{"type":"tx-input","tx":0,"digest":"` + hexDigest("good") + `","bytes":4}`,
		`{"type":"tx-begin","tx":0,"digest":"` + hexDigest("good") + `","bytes":4}`,
		`{"type":"tx-result","tx":0,"code":0,"data":"` + hexDigest("g") + `","gasWanted":10,"gasUsed":4}`,
		`{"type":"tx-input","tx":1,"digest":"` + hexDigest("bad one") + `","bytes":7}`,
		`{"type":"tx-begin","tx":1,"digest":"` + hexDigest("bad one") + `","bytes":7}`,
		`{"type":"tx-result","tx":1,"code":5,"data":null,"gasWanted":0,"gasUsed":1,"local":{"codespace":"sdk","log":"no"}}`,
		`{"type":"step-updates","validators":"` + hexDigest(string(updates[:])) + `","params":null}`,
		`{"type":"step-store-root","store":"s"}`,
		fmt.Sprintf(`{"type":"end-block","height":7,"appHash":"%X"}`, hash(7)),
		fmt.Sprintf(`{"type":"commit-block","height":7,"appHash":"%X"}`, hash(7)),
	}, "\n")
	if got := strings.Join(c.lines(), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// The header of the next block has the network's AppHash.
func TestTheNextHeaderReleasesOrPins(t *testing.T) {
	for network, want := range map[string][2]uint64{string(hash(1)): {1, 0}, string(hash(66)): {0, 1}, "": {0, 0}} {
		c := start(t)
		c.execute(1, nil)
		c.commit(hash(1))
		c.execute(2, []byte(network))
		if got := c.stats(); got.Released != want[0] || got.Pinned != want[1] {
			t.Errorf("%x: %+v", network, got)
		}
	}
}

// After a start the application tells which block it has.
func TestWhatInfoTellsIsConfirmed(t *testing.T) {
	c := start(t)
	c.recorder.BeginBlock(4, time.Unix(4, 0), nil)
	c.recorder.EndBlock(4, hash(4))
	c.recorder.Commit(4, hash(4))
	c.marker.Info(func() types.ResponseInfo { return types.ResponseInfo{LastBlockHeight: 4, LastBlockAppHash: hash(4)} })
	c.execute(5, hash(4))
	if got := c.stats(); got.Released != 4 {
		t.Errorf("%+v", got)
	}
}

// An AppHash says nothing of another height than its own.
func TestNothingIsConfirmedOfAHeightThatIsNotKnown(t *testing.T) {
	c := start(t)
	c.recorder.BeginBlock(8, time.Unix(8, 0), nil)
	c.recorder.EndBlock(8, hash(8))
	c.recorder.Commit(8, hash(8))
	c.marker.Info(func() types.ResponseInfo { return types.ResponseInfo{LastBlockHeight: 4, LastBlockAppHash: hash(4)} })
	c.execute(9, hash(66))
	if got := c.stats(); got.Pinned != 0 || got.Released != 0 {
		t.Errorf("%+v", got)
	}
}

func TestSwitchedOffItOnlyCalls(t *testing.T) {
	off := NewMarker(nil, Options{})
	if off != nil {
		t.Fatal("a marker")
	}
	response := off.Commit(func() types.ResponseCommit { return types.ResponseCommit{RetainHeight: 3} })
	tx := off.DeliverTx(types.RequestDeliverTx{}, func(int) types.ResponseDeliverTx { return types.ResponseDeliverTx{Code: 4} })
	if response.RetainHeight != 3 || tx.Code != 4 {
		t.Error(response, tx)
	}
}

func TestTheFirstErrorIsToldOnce(t *testing.T) {
	recorder, _ := haltboxtest.Open(t)
	recorder.Close()
	var told []error
	marker := NewMarker(recorder, Options{OnError: func(err error) { told = append(told, err) }})
	marker.BeginBlock(request(1, nil), func() types.ResponseBeginBlock { return types.ResponseBeginBlock{} })
	if len(told) != 1 || !errors.Is(told[0], haltbox.ErrClosed) {
		t.Error(told)
	}
}

func TestAPanicAtTheEndOfABlockStopsNoNode(t *testing.T) {
	c := start(t)
	var told []error
	called := 0
	c.marker.options.AtEnd = func(func([]byte)) { called++; panic("not implemented") }
	c.marker.options.OnError = func(err error) { told = append(told, err) }
	for height := range int64(2) {
		c.execute(height+1, nil)
		c.commit(hash(byte(height)))
	}
	if called != 1 || len(told) != 1 || !strings.Contains(told[0].Error(), "panic: not implemented") {
		t.Error(called, told)
	}
}
