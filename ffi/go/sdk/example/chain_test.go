package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand"
	"path/filepath"
	"testing"
	"time"

	"cosmossdk.io/log"
	sdkmath "cosmossdk.io/math"
	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/crypto/ed25519"
	cmttypes "github.com/cometbft/cometbft/types"
	dbm "github.com/cosmos/cosmos-db"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	"github.com/cosmos/cosmos-sdk/server"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	simtestutil "github.com/cosmos/cosmos-sdk/testutil/sims"
	sdktypes "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	haltbox "github.com/haltbox/haltbox/ffi/go/sdk"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

const chainID = "example-1"

var genesisTime = time.Unix(1_700_000_000, 0).UTC()

// keys of the three accounts.
var keys = []*secp256k1.PrivKey{
	secp256k1.GenPrivKeyFromSecret([]byte("one")),
	secp256k1.GenPrivKeyFromSecret([]byte("two")),
	secp256k1.GenPrivKeyFromSecret([]byte("three")),
}

func address(account int) sdktypes.AccAddress { return keys[account].PubKey().Address().Bytes() }

func validators() *cmttypes.ValidatorSet {
	key := ed25519.GenPrivKeyFromSecret([]byte("validator"))
	return cmttypes.NewValidatorSet([]*cmttypes.Validator{cmttypes.NewValidator(key.PubKey(), 1)})
}

// node is an application, as the SDK's server makes it, and what it is made of.
type node struct {
	t       testing.TB
	home    string
	db      dbm.DB
	options simtestutil.AppOptionsMap
	extra   []func(*baseapp.BaseApp)
	// bare is the application without the recorder around it.
	bare *App
	app  servertypes.Application
	seqs [3]uint64
	// took is the time of the last FinalizeBlock, and used what its thread used of it.
	took, used time.Duration
	// hashes and gas of all blocks.
	hashes, gas []string
}

// start makes a node of a new chain: recorded, unless the settings say otherwise.
func start(t testing.TB, settings map[string]any, extra ...func(*baseapp.BaseApp)) *node {
	t.Helper()
	return startOn(t, dbm.NewMemDB(), settings, extra...)
}

func startOn(t testing.TB, db dbm.DB, settings map[string]any, extra ...func(*baseapp.BaseApp)) *node {
	t.Helper()
	home := t.TempDir()
	options := simtestutil.AppOptionsMap{
		flags.FlagHome: home, flags.FlagChainID: chainID, server.FlagInterBlockCache: true, server.FlagPruning: "nothing", server.FlagMempoolMaxTxs: -1,
		"haltbox.enable": true, "haltbox.ring-mib": 16,
	}
	for name, value := range settings {
		options[name] = value
	}
	n := &node{t: t, home: home, db: db, options: options, extra: extra}
	n.open()
	_, err := n.app.InitChain(&abci.RequestInitChain{
		ChainId: chainID, Time: genesisTime, InitialHeight: 1, AppStateBytes: n.genesis(validators()),
		ConsensusParams: simtestutil.DefaultConsensusParams,
	})
	n.must(err)
	return n
}

// logger of the nodes, if a test wants to know what they say.
var logger = log.NewNopLogger()

// open does what newApp does, with options more.
func (n *node) open() {
	n.t.Helper()
	box := haltbox.New(logger, n.options)
	options := append(server.DefaultBaseappOptions(n.options), n.extra...)
	bare, err := newChain(logger, n.db, true, append(options, box.Option)...)
	n.must(err)
	n.bare, n.app = bare, box.Wrap(bare)
	_, err = n.app.Info(&abci.RequestInfo{})
	n.must(err)
}

func (n *node) restart() {
	n.must(n.app.Close())
	n.open()
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) genesis(validators *cmttypes.ValidatorSet) []byte {
	var accounts []authtypes.GenesisAccount
	var balances []banktypes.Balance
	for number := range keys {
		accounts = append(accounts, authtypes.NewBaseAccount(address(number), keys[number].PubKey(), uint64(number), 0))
		balances = append(balances, banktypes.Balance{
			Address: address(number).String(), Coins: sdktypes.NewCoins(sdktypes.NewInt64Coin("stake", 1_000_000_000)),
		})
	}
	state, err := simtestutil.GenesisStateWithValSet(n.bare.cdc, n.bare.DefaultGenesis(), validators, accounts, balances...)
	n.must(err)
	bytes, err := json.Marshal(state)
	n.must(err)
	return bytes
}

// send is a signed transaction; of more than there is, it fails behind its ante handler.
func (n *node) send(from, to int, amount int64) []byte {
	n.t.Helper()
	coins := sdktypes.NewCoins(sdktypes.NewCoin("stake", sdkmath.NewInt(amount)))
	fee := sdktypes.NewCoins(sdktypes.NewInt64Coin("stake", 7))
	tx, err := simtestutil.GenSignedMockTx(rand.New(rand.NewSource(amount)), n.bare.txConfig,
		[]sdktypes.Msg{banktypes.NewMsgSend(address(from), address(to), coins)},
		fee, 200_000, chainID, []uint64{uint64(from)}, []uint64{n.seqs[from]}, keys[from])
	n.must(err)
	n.seqs[from]++
	bytes, err := n.bare.txConfig.TxEncoder()(tx)
	n.must(err)
	return bytes
}

// usual are transactions that succeed, fail, come twice, and are none.
func (n *node) usual() [][]byte {
	first := n.send(0, 1, 10)
	return [][]byte{first, []byte("no transaction"), n.send(1, 2, 1<<40), n.send(1, 0, 2), first, n.send(2, 0, 3), n.send(0, 2, 5)}
}

func decided(height int64, txs [][]byte) *abci.RequestFinalizeBlock {
	hash := sha256.Sum256([]byte(fmt.Sprint(height, len(txs))))
	validator := validators().Validators[0]
	return &abci.RequestFinalizeBlock{
		Height: height, Time: genesisTime.Add(time.Duration(height) * 5 * time.Second), Hash: hash[:], Txs: txs,
		ProposerAddress: validator.Address, NextValidatorsHash: validators().Hash(),
		DecidedLastCommit: abci.CommitInfo{Votes: []abci.VoteInfo{{
			Validator: abci.Validator{Address: validator.Address, Power: 1}, BlockIdFlag: 2,
		}}},
	}
}

func proposal(of *abci.RequestFinalizeBlock) *abci.RequestProcessProposal {
	return &abci.RequestProcessProposal{
		Height: of.Height, Time: of.Time, Hash: of.Hash, Txs: of.Txs, ProposerAddress: of.ProposerAddress,
		NextValidatorsHash: of.NextValidatorsHash, ProposedLastCommit: of.DecidedLastCommit,
	}
}

func (n *node) propose(req *abci.RequestFinalizeBlock) {
	n.t.Helper()
	response, err := n.app.ProcessProposal(proposal(req))
	n.must(err)
	if !response.IsAccepted() {
		n.t.Fatal("the proposal is refused")
	}
}

func (n *node) finalize(req *abci.RequestFinalizeBlock) {
	n.t.Helper()
	begun, used := time.Now(), haltboxtest.ThreadTime()
	response, err := n.app.FinalizeBlock(req)
	n.took, n.used = time.Since(begun), time.Duration(haltboxtest.ThreadTime()-used)
	n.must(err)
	_, err = n.app.Commit()
	n.must(err)
	n.hashes = append(n.hashes, fmt.Sprintf("%X", response.AppHash))
	for _, result := range response.TxResults {
		n.gas = append(n.gas, fmt.Sprint(result.Code, " ", result.GasUsed))
	}
}

// blocks executes blocks as CometBFT does, with what users ask for in between.
func (n *node) blocks(from, to int64) {
	n.t.Helper()
	for height := from; height <= to; height++ {
		req := decided(height, n.usual())
		if height > 1 {
			n.ask(req.Txs[0], height)
			n.propose(req)
		}
		n.finalize(req)
	}
}

// ask does what may not leave a trace.
func (n *node) ask(tx []byte, height int64) {
	n.t.Helper()
	_, err := n.app.PrepareProposal(&abci.RequestPrepareProposal{Height: height, Txs: [][]byte{tx}, MaxTxBytes: 1 << 20})
	n.must(err)
	for _, query := range []abci.RequestQuery{
		{Path: "/app/simulate", Data: tx},
		{Path: "/store/bank/key", Data: []byte{2}},
		{Path: "/cosmos.bank.v1beta1.Query/TotalSupply"},
	} {
		response, err := n.app.Query(context.Background(), &query)
		n.must(err)
		if response.Code != 0 {
			n.t.Fatalf("%s: %s", query.Path, response.Log)
		}
	}
	_, err = n.app.CheckTx(&abci.RequestCheckTx{Tx: tx})
	n.must(err)
}

// dir of the recorder.
func (n *node) dir() string { return filepath.Join(n.home, "haltbox") }
