package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand"
	"path/filepath"
	"testing"
	"time"

	sdkmath "cosmossdk.io/math"
	dbm "github.com/cometbft/cometbft-db"
	abci "github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cometbft/cometbft/libs/log"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	cmttypes "github.com/cometbft/cometbft/types"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/client/flags"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	"github.com/cosmos/cosmos-sdk/server"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	simtestutil "github.com/cosmos/cosmos-sdk/testutil/sims"
	sdktypes "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	haltbox "github.com/haltbox/haltbox/ffi/go/sdk47"
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
	// appHash behind the last block.
	appHash []byte
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
	n.app.InitChain(abci.RequestInitChain{
		ChainId: chainID, Time: genesisTime, InitialHeight: 1, AppStateBytes: n.genesis(validators()),
		ConsensusParams: simtestutil.DefaultConsensusParams,
	})
	return n
}

// traceStore is where the SDK's own tracing goes, if a test wants it.
var traceStore io.Writer

// open does what newApp does, with options more.
func (n *node) open() {
	n.t.Helper()
	logger := log.NewNopLogger()
	box := haltbox.New(logger, n.options)
	// The SDK 0.47 does not close the snapshots of a home.
	settings := maps.Clone(n.options)
	settings[flags.FlagHome] = n.t.TempDir()
	options := append(server.DefaultBaseappOptions(settings), n.extra...)
	bare, err := NewApp(logger, n.db, traceStore, true, append(options, box.Option)...)
	n.must(err)
	n.bare, n.app = bare, box.Wrap(bare)
	n.app.Info(abci.RequestInfo{})
}

func (n *node) restart() {
	n.close()
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

// block is what the network decided.
type block struct {
	height int64
	txs    [][]byte
}

func (b block) hash() []byte {
	sum := sha256.Sum256(fmt.Append(nil, b.height, len(b.txs)))
	return sum[:]
}

func (b block) time() time.Time { return genesisTime.Add(time.Duration(b.height) * 5 * time.Second) }

// header tells the transactions, and which AppHash the network has of the block before.
func (b block) header(appHash []byte) cmtproto.Header {
	set := validators()
	return cmtproto.Header{
		ChainID: chainID, Height: b.height, Time: b.time(), DataHash: cmttypes.ToTxs(b.txs).Hash(), AppHash: appHash,
		ValidatorsHash: set.Hash(), NextValidatorsHash: set.Hash(), ProposerAddress: set.Validators[0].Address,
	}
}

func (b block) begin(appHash []byte) abci.RequestBeginBlock {
	return abci.RequestBeginBlock{
		Hash: b.hash(), Header: b.header(appHash), LastCommitInfo: abci.CommitInfo{Votes: []abci.VoteInfo{{
			Validator: abci.Validator{Address: validators().Validators[0].Address, Power: 1}, SignedLastBlock: true,
		}}},
	}
}

// propose may be refused: the SDK looks for what is no transaction.
func (n *node) propose(b block) {
	n.app.ProcessProposal(abci.RequestProcessProposal{
		Height: b.height, Time: b.time(), Hash: b.hash(), Txs: b.txs, ProposerAddress: validators().Validators[0].Address,
		NextValidatorsHash: validators().Hash(),
	})
}

// execute does what CometBFT does with a block that was decided, up to its commit.
func (n *node) execute(b block) {
	n.t.Helper()
	n.app.BeginBlock(b.begin(n.appHash))
	for _, tx := range b.txs {
		result := n.app.DeliverTx(abci.RequestDeliverTx{Tx: tx})
		n.gas = append(n.gas, fmt.Sprint(result.Code, " ", result.GasUsed))
	}
	n.app.EndBlock(abci.RequestEndBlock{Height: b.height})
}

func (n *node) commit() {
	n.appHash = n.app.Commit().Data
	n.hashes = append(n.hashes, fmt.Sprintf("%X", n.appHash))
}

// blocks executes blocks as CometBFT does, with what users ask for in between.
func (n *node) blocks(from, to int64) {
	n.t.Helper()
	for height := from; height <= to; height++ {
		b := block{height, n.usual()}
		if height > 1 {
			n.ask(b.txs[0], height)
			n.propose(b)
		}
		n.execute(b)
		n.commit()
	}
}

// ask does what may not leave a trace.
func (n *node) ask(tx []byte, height int64) {
	n.t.Helper()
	n.app.PrepareProposal(abci.RequestPrepareProposal{Height: height, Txs: [][]byte{tx}, MaxTxBytes: 1 << 20})
	for _, query := range []abci.RequestQuery{
		{Path: "/app/simulate", Data: tx},
		{Path: "/store/bank/key", Data: []byte{2}},
		{Path: "/cosmos.bank.v1beta1.Query/TotalSupply"},
	} {
		if response := n.app.Query(query); response.Code != 0 {
			n.t.Fatalf("%s: %s", query.Path, response.Log)
		}
	}
	n.app.CheckTx(abci.RequestCheckTx{Tx: tx})
}

// dir of the recorder.
func (n *node) dir() string { return filepath.Join(n.home, "haltbox") }

// close ends the node in order. Old releases of the SDK do not know how.
func (n *node) close() {
	n.t.Helper()
	if closer, is := n.app.(io.Closer); is {
		n.must(closer.Close())
	}
}
