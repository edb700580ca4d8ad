package abci_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cometbft/cometbft/abci/types"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/abci"
	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"
)

// app executes transactions by adding their lengths, and reports each execution.
type app struct {
	types.BaseApplication
	recorder *haltbox.Recorder
	tracer   *kvtrace.Tracer
	sum      byte
	changes  *cmtproto.ConsensusParams
	fails    error
	refuses  bool
}

func (a *app) Info(context.Context, *types.RequestInfo) (*types.ResponseInfo, error) {
	return &types.ResponseInfo{LastBlockHeight: 4, LastBlockAppHash: hash(4)}, nil
}

func (a *app) ProcessProposal(context.Context, *types.RequestProcessProposal) (*types.ResponseProcessProposal, error) {
	status := types.ResponseProcessProposal_ACCEPT
	if a.refuses {
		status = types.ResponseProcessProposal_REJECT
	}
	return &types.ResponseProcessProposal{Status: status}, a.fails
}

func (a *app) FinalizeBlock(_ context.Context, req *types.RequestFinalizeBlock) (*types.ResponseFinalizeBlock, error) {
	response := &types.ResponseFinalizeBlock{AppHash: hash(byte(req.Height)), ConsensusParamUpdates: a.changes}
	attempt := a.tracer.Attempt()
	for number, tx := range req.Txs {
		attempt.BeginTx(number, tx)
		a.recorder.Record([]byte(fmt.Sprintf(`{"type":"op-write","own":%d}`, number)))
		result := &types.ExecTxResult{GasWanted: 10, GasUsed: int64(len(tx)), Data: tx[:1], Log: "fine"}
		if strings.HasPrefix(string(tx), "bad") {
			result = &types.ExecTxResult{Code: 5, Codespace: "sdk", Log: strings.Repeat("l", 300), GasUsed: 1}
		}
		response.TxResults = append(response.TxResults, result)
	}
	return response, a.fails
}

func hash(of byte) []byte { sum := sha256.Sum256([]byte{of}); return sum[:] }

func digest(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

func decided(height int64, txs ...string) *types.RequestFinalizeBlock {
	req := &types.RequestFinalizeBlock{
		Height: height, Time: time.Unix(height, 0), Hash: hash(byte(100 + height)),
		NextValidatorsHash: hash(200), ProposerAddress: []byte{1, 2},
		DecidedLastCommit: types.CommitInfo{Votes: []types.VoteInfo{{BlockIdFlag: 2}}},
	}
	for _, tx := range txs {
		req.Txs = append(req.Txs, []byte(tx))
	}
	return req
}

func proposed(of *types.RequestFinalizeBlock) *types.RequestProcessProposal {
	return &types.RequestProcessProposal{
		Height: of.Height, Time: of.Time, Hash: of.Hash, NextValidatorsHash: of.NextValidatorsHash,
		ProposerAddress: of.ProposerAddress, ProposedLastCommit: of.DecidedLastCommit, Txs: of.Txs,
	}
}

// chain drives a wrapped application as CometBFT does.
type chain struct {
	t        *testing.T
	inner    *app
	wrapped  types.Application
	recorder *haltbox.Recorder
	dir      string
}

func start(t *testing.T, options abci.Options) *chain {
	recorder, dir := haltboxtest.Open(t)
	options.Tracer = kvtrace.New(recorder, kvtrace.Options{})
	options.OnError = func(err error) { t.Errorf("the recorder: %v", err) }
	inner := &app{recorder: recorder, tracer: options.Tracer}
	return &chain{t, inner, abci.Wrap(inner, recorder, options), recorder, dir}
}

func (c *chain) finalize(req *types.RequestFinalizeBlock) {
	c.t.Helper()
	if _, err := c.wrapped.FinalizeBlock(context.Background(), req); err != nil {
		c.t.Fatal(err)
	}
}

func (c *chain) commit() {
	c.t.Helper()
	if _, err := c.wrapped.Commit(context.Background(), &types.RequestCommit{}); err != nil {
		c.t.Fatal(err)
	}
}

func (c *chain) propose(req *types.RequestFinalizeBlock) {
	_, _ = c.wrapped.ProcessProposal(context.Background(), proposed(req))
}

func (c *chain) stats() haltbox.Stats {
	c.t.Helper()
	stats, err := c.recorder.Stats()
	if err != nil {
		c.t.Fatal(err)
	}
	return stats
}

// lines returns the lines of the blocks, without the recorder's own start.
func (c *chain) lines() []string {
	c.recorder.Close()
	lines := haltboxtest.Cat(c.t, c.dir)
	for len(lines) > 0 && strings.HasPrefix(lines[0], `{"type":"host-start"`) {
		lines = lines[1:]
	}
	return lines
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func inputLine(txs ...string) string { return inputLineOf(7, txs...) }

func inputLineOf(height byte, txs ...string) string {
	all := sha256.New()
	for _, tx := range txs {
		sum := sha256.Sum256([]byte(tx))
		all.Write(sum[:])
	}
	commit, _ := (&types.CommitInfo{Votes: []types.VoteInfo{{BlockIdFlag: 2}}}).Marshal()
	return fmt.Sprintf(`{"type":"step-input","txs":%d,"txsDigest":"%x","lastCommit":"%s","misbehavior":null,`+
		`"nextValidators":"%x","proposer":"0102","block":"%x"}`, len(txs), all.Sum(nil), digest(string(commit)), hash(200), hash(100+height))
}

func TestABlockIsRecordedAsDocumented(t *testing.T) {
	c := start(t, abci.Options{})
	c.finalize(decided(7, "good", "bad one"))
	c.commit()
	input := inputLine("good", "bad one")
	same(t, c.lines(), []string{
		`{"type":"begin-block","height":7,"time":"7.000000000","input":"` + digest(input) + `"}`,
		input,
		`{"type":"tx-input","tx":0,"digest":"` + digest("good") + `","bytes":4}`,
		`{"type":"tx-input","tx":1,"digest":"` + digest("bad one") + `","bytes":7}`,
		`{"type":"tx-begin","tx":0,"digest":"` + digest("good") + `","bytes":4}`,
		`{"type":"op-write","own":0}`,
		`{"type":"tx-begin","tx":1,"digest":"` + digest("bad one") + `","bytes":7}`,
		`{"type":"op-write","own":1}`,
		`{"type":"tx-result","tx":0,"code":0,"data":"` + digest("g") + `","gasWanted":10,"gasUsed":4}`,
		`{"type":"tx-result","tx":1,"code":5,"data":null,"gasWanted":0,"gasUsed":1,` +
			`"local":{"codespace":"sdk","log":"` + strings.Repeat("l", 256) + `"}}`,
		fmt.Sprintf(`{"type":"end-block","height":7,"appHash":"%X"}`, hash(7)),
		fmt.Sprintf(`{"type":"commit-block","height":7,"appHash":"%X"}`, hash(7)),
	})
}

// A node's configuration stands beside the input, and changes neither its digest nor a name.
func TestWhatANodeIsSetUpWithIsNoInput(t *testing.T) {
	config := hash(9)
	c := start(t, abci.Options{Config: config})
	params := &cmtproto.ConsensusParams{
		Block:     &cmtproto.BlockParams{MaxBytes: 22020096, MaxGas: 7},
		Evidence:  &cmtproto.EvidenceParams{MaxAgeNumBlocks: 100000, MaxAgeDuration: 48 * time.Hour, MaxBytes: 1048576},
		Validator: &cmtproto.ValidatorParams{PubKeyTypes: []string{"ed25519"}},
	}
	c.inner.changes = &cmtproto.ConsensusParams{Block: &cmtproto.BlockParams{MaxBytes: 22020096, MaxGas: -1}}
	if _, err := c.wrapped.InitChain(context.Background(), &types.RequestInitChain{ConsensusParams: params}); err != nil {
		t.Fatal(err)
	}
	var bare []string
	for height := int64(7); height <= 8; height++ {
		c.finalize(decided(height))
		c.commit()
		bare = append(bare, fmt.Sprintf(`,"input":"%s"}`, digest(inputLineOf(byte(height)))))
	}
	var told []string
	for _, line := range c.lines() {
		if strings.HasPrefix(line, `{"type":"begin-block"`) && !strings.HasSuffix(line, bare[len(told)/2]) {
			t.Errorf("%s does not end with %s", line, bare[len(told)/2])
		}
		if _, own, is := strings.Cut(line, `,"local":`); is && strings.Contains(line, "step-input") {
			told = append(told, line, own)
		}
	}
	// The same digest as the collector computes from /consensus_params: tests/tests/all/collect.rs.
	const after = "1abee63669d5b1c62a14dd5f58c9f189a774f6465f8e4a0516650e591748246d"
	if len(told) != 4 || strings.Contains(told[1], after) || told[3] != fmt.Sprintf(`{"params":"%s","config":"%x"}}`, after, config) {
		t.Errorf("%q", told)
	}
}

func TestADecisionReleasesTheBlockBefore(t *testing.T) {
	for name, step := range map[string]struct {
		options  abci.Options
		released uint64
	}{"at FinalizeBlock": {abci.Options{}, 1}, "optimistic, at Commit": {abci.Options{OptimisticExecution: true}, 0}} {
		c := start(t, step.options)
		c.finalize(decided(1))
		c.commit()
		c.propose(decided(2))
		if got := c.stats().Released; got != 0 {
			t.Errorf("%s: a proposal released %d", name, got)
		}
		c.finalize(decided(2))
		if got := c.stats().Released; got != step.released {
			t.Errorf("%s: FinalizeBlock released %d", name, got)
		}
		c.commit()
		if got := c.stats().Released; got != 1 {
			t.Errorf("%s: Commit released %d", name, got)
		}
	}
}

// After a restart the application reports which block it has.
func TestWhatInfoTellsIsConfirmed(t *testing.T) {
	c := start(t, abci.Options{})
	c.recorder.BeginBlock(4, time.Unix(4, 0), nil)
	c.recorder.EndBlock(4, hash(4))
	c.recorder.Commit(4, hash(4))
	c.wrapped.Info(context.Background(), &types.RequestInfo{})
	c.finalize(decided(5))
	if got := c.stats().Released; got != 4 {
		t.Errorf("released %d", got)
	}
}

// An AppHash says nothing about any other height.
func TestNothingIsConfirmedOfAHeightThatIsNotKnown(t *testing.T) {
	c := start(t, abci.Options{})
	c.recorder.BeginBlock(8, time.Unix(8, 0), nil)
	c.recorder.EndBlock(8, hash(8))
	c.recorder.Commit(8, hash(8))
	c.wrapped.Info(context.Background(), &types.RequestInfo{})
	c.finalize(decided(9))
	if got := c.stats(); got.Pinned != 0 || got.Released != 0 {
		t.Errorf("%+v", got)
	}
}

func kinds(lines []string) (found []string) {
	for _, line := range lines {
		kind, _, _ := strings.Cut(strings.TrimPrefix(line, `{"type":"`), `"`)
		if kind != "step-input" {
			found = append(found, kind)
		}
	}
	return found
}

func TestAnOptimisticExecutionIsContinuedOrAborted(t *testing.T) {
	block, other := decided(7, "tx"), decided(7, "tx")
	other.Hash = hash(66)
	begin, rest := []string{"begin-block", "tx-input"}, []string{"tx-begin", "op-write", "tx-result", "end-block", "commit-block"}
	for name, step := range map[string]struct {
		before func(c *chain)
		want   []string
	}{
		"continued":         {func(c *chain) { c.propose(block) }, append(begin, rest...)},
		"another was":       {func(c *chain) { c.propose(other) }, append(append(begin, "abort-block", "begin-block", "tx-input"), rest...)},
		"proposed twice":    {func(c *chain) { c.propose(block); c.propose(block) }, append(append(begin, "abort-block", "begin-block", "tx-input"), rest...)},
		"refused":           {func(c *chain) { c.inner.refuses = true; c.propose(block) }, append(append(begin, "abort-block", "begin-block", "tx-input"), rest...)},
		"of another height": {func(c *chain) { c.propose(decided(6)) }, append([]string{"begin-block", "abort-block", "begin-block", "tx-input"}, rest...)},
	} {
		c := start(t, abci.Options{OptimisticExecution: true})
		step.before(c)
		c.finalize(block)
		c.commit()
		t.Run(name, func(t *testing.T) { same(t, kinds(c.lines()), step.want) })
	}
}

// A recording that ends before the decision must not pass as one of a decided block.
func TestAProposalIsRecordedAsOne(t *testing.T) {
	block, other := decided(7, "tx"), decided(7, "tx")
	other.Hash = hash(66)
	c := start(t, abci.Options{OptimisticExecution: true})
	c.propose(other)
	c.finalize(block)
	var told []bool
	for _, line := range c.lines() {
		if strings.HasPrefix(line, `{"type":"step-input"`) {
			told = append(told, strings.Contains(line, `,"local":{"proposal":true`))
		}
	}
	if !slices.Equal(told, []bool{true, false}) {
		t.Error(told)
	}
}

// A node that executed the proposal and one that did not have the same box.
func TestTheNameOfABoxDoesNotDependOnOptimism(t *testing.T) {
	var names []string
	for _, optimistic := range []bool{false, true} {
		c := start(t, abci.Options{OptimisticExecution: optimistic})
		for height := int64(1); height <= 2; height++ {
			c.propose(decided(height, "tx", "bad"))
			c.finalize(decided(height, "tx", "bad"))
			c.commit()
		}
		path, err := c.recorder.Freeze(2)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, path[strings.LastIndexByte(path, '/')+1:])
	}
	if names[0] != names[1] || strings.Contains(names[0], "incomplete") {
		t.Error(names)
	}
}

func TestAFailedExecutionIsNotEnded(t *testing.T) {
	c := start(t, abci.Options{})
	c.inner.fails = errors.New("no")
	if _, err := c.wrapped.FinalizeBlock(context.Background(), decided(7)); err != c.inner.fails {
		t.Error(err)
	}
	c.commit()
	same(t, kinds(c.lines()), []string{"begin-block"})
}

func TestChangesOfTheRules(t *testing.T) {
	one, two := types.ValidatorUpdate{Power: 1}, types.ValidatorUpdate{Power: 2}
	digests := map[string]bool{}
	for _, updates := range [][]types.ValidatorUpdate{{one, two}, {two, one}, {one}} {
		recorder, dir := haltboxtest.Open(t)
		abci.NewMarker(recorder, abci.Options{}).FinalizeBlock(decided(1), func() (*types.ResponseFinalizeBlock, error) {
			return &types.ResponseFinalizeBlock{ValidatorUpdates: updates, AppHash: hash(1)}, nil
		})
		recorder.Close()
		for _, line := range haltboxtest.Cat(t, dir) {
			if strings.HasPrefix(line, `{"type":"step-updates","validators":"`) && strings.HasSuffix(line, `,"params":null}`) {
				digests[line] = true
			}
		}
	}
	if len(digests) != 2 {
		t.Error(digests)
	}
}

func TestSwitchedOffItIsTheApplicationItself(t *testing.T) {
	inner := &app{}
	var off *abci.Marker
	response, err := off.Commit(func() (*types.ResponseCommit, error) { return &types.ResponseCommit{RetainHeight: 3}, nil })
	if abci.Wrap(inner, nil, abci.Options{}) != types.Application(inner) || err != nil || response.RetainHeight != 3 {
		t.Error("something else")
	}
}

func TestTheFirstErrorIsToldOnce(t *testing.T) {
	recorder, _ := haltboxtest.Open(t)
	recorder.Close()
	var told []error
	wrapped := abci.Wrap(&app{}, recorder, abci.Options{OnError: func(err error) { told = append(told, err) }})
	wrapped.FinalizeBlock(context.Background(), decided(1))
	if len(told) != 1 || !errors.Is(told[0], haltbox.ErrClosed) {
		t.Error(told)
	}
}

// busy executes each proposal in a goroutine that does not stop when its proposal is dropped. It
// continues until all of them must end.
type busy struct {
	types.BaseApplication
	tracer *kvtrace.Tracer
	number int
	over   chan struct{}
	all    sync.WaitGroup
}

func (b *busy) ProcessProposal(context.Context, *types.RequestProcessProposal) (*types.ResponseProcessProposal, error) {
	attempt, number := b.tracer.Attempt(), b.number
	b.number++
	b.all.Add(1)
	go func() {
		defer b.all.Done()
		for ended := false; !ended; {
			attempt.BeginTx(number, nil)
			select {
			case <-b.over:
				ended = true
			case <-time.After(time.Microsecond):
			}
		}
	}()
	return &types.ResponseProcessProposal{Status: types.ResponseProcessProposal_ACCEPT}, nil
}

func (b *busy) FinalizeBlock(context.Context, *types.RequestFinalizeBlock) (*types.ResponseFinalizeBlock, error) {
	return &types.ResponseFinalizeBlock{AppHash: hash(7)}, nil
}

// Whatever discarded executions still do, each block has only the operations of its own execution.
func TestExecutionsThatGoOnAfterTheirEndStandInNoOtherBlock(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	tracer := kvtrace.New(recorder, kvtrace.Options{})
	inner := &busy{tracer: tracer, over: make(chan struct{})}
	wrapped := abci.Wrap(inner, recorder, abci.Options{Tracer: tracer, OptimisticExecution: true})
	const proposals = 40
	for at := range proposals {
		req := decided(7)
		req.Hash = hash(byte(at))
		wrapped.ProcessProposal(context.Background(), proposed(req))
		time.Sleep(time.Millisecond)
	}
	last := decided(7)
	last.Hash = hash(proposals - 1)
	wrapped.FinalizeBlock(context.Background(), last)
	time.Sleep(time.Millisecond)
	close(inner.over)
	inner.all.Wait()
	recorder.Close()
	number, open, counted := -1, false, 0
	for _, line := range haltboxtest.Cat(t, dir) {
		kind, _, _ := strings.Cut(strings.TrimPrefix(line, `{"type":"`), `"`)
		switch kind {
		case "begin-block":
			number, open = number+1, true
		case "abort-block", "end-block":
			open = false
		case "tx-begin":
			counted++
			if own := fmt.Sprintf(`"tx":%d,`, number); !open || !strings.Contains(line, own) {
				t.Fatalf("in execution %d, under way: %v: %s", number, open, line)
			}
		}
	}
	if number != proposals-1 || counted < proposals {
		t.Errorf("%d executions, %d operations", number+1, counted)
	}
}

func TestAPanicAtTheEndOfABlockStopsNoNode(t *testing.T) {
	recorder, _ := haltboxtest.Open(t)
	var told []error
	called := 0
	marker := abci.NewMarker(recorder, abci.Options{
		AtEnd:   func(func([]byte)) { called++; panic("not implemented") },
		OnError: func(err error) { told = append(told, err) },
	})
	own := &app{recorder: recorder}
	for height := range int64(2) {
		req := decided(height + 7)
		response, err := marker.FinalizeBlock(req, func() (*types.ResponseFinalizeBlock, error) {
			return own.FinalizeBlock(context.Background(), req)
		})
		if err != nil || response == nil {
			t.Error(err)
		}
	}
	if called != 1 || len(told) != 1 || !strings.Contains(told[0].Error(), "panic: not implemented") {
		t.Error(called, told)
	}
}

// An execution whose operations come in an order of chance has its block begin again: with
// its inputs, its results, and none of its operations.
func TestABlockBeginsAgain(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	tracer := kvtrace.New(recorder, kvtrace.Options{})
	marker := abci.NewMarker(recorder, abci.Options{Tracer: tracer})
	called := 0
	_, err := marker.FinalizeBlock(decided(7, "a"), func() (*types.ResponseFinalizeBlock, error) {
		attempt := tracer.Attempt()
		for range 2 {
			attempt.Record([]byte(`{"type":"op-write"}`))
			marker.BeginAgain(func() { called++ })
		}
		return &types.ResponseFinalizeBlock{AppHash: hash(7), TxResults: []*types.ExecTxResult{{}}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	marker.BeginAgain(func() { called++ })
	if called != 3 {
		t.Errorf("what follows was called %d times", called)
	}
	recorder.Close()
	var kinds []string
	for _, line := range haltboxtest.Cat(t, dir) {
		kind, _, _ := strings.Cut(strings.TrimPrefix(line, `{"type":"`), `"`)
		kinds = append(kinds, kind)
	}
	want := "host-start begin-block step-input tx-input op-write abort-block " +
		"begin-block step-input tx-input tx-result end-block"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
