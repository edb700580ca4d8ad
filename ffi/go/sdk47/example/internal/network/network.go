// Code generated from network/network.go; DO NOT EDIT.

package network

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sdkmath "cosmossdk.io/math"
	cmtconfig "github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/rpc/client/http"
	cmttypes "github.com/cometbft/cometbft/types"
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	simtestutil "github.com/cosmos/cosmos-sdk/testutil/sims"
	sdktypes "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
)

// Chain is what a test says of its program.
type Chain struct {
	Codec    codec.Codec
	TxConfig client.TxConfig
	// Genesis of all modules, the default one, which is completed for validators.
	Genesis map[string]json.RawMessage
}

const chainID = "network-1"

// validators of a network; nodes behind them only follow.
const validators = 4

// network is its nodes.
type network struct {
	t     *testing.T
	chain Chain
	keys  []*secp256k1.PrivKey
	nodes []*node
}

// newNetwork writes the homes of nodes, and starts none.
func newNetwork(t *testing.T, chain Chain, ways ...way) *network {
	t.Helper()
	net := &network{t: t, chain: chain}
	for number := range 6 {
		net.keys = append(net.keys, secp256k1.GenPrivKeyFromSecret(fmt.Append(nil, "account ", number)))
	}
	folder := folderOf(t)
	ports := freePorts(t, 2*len(ways))
	var set []*cmttypes.Validator
	var peers []string
	for number, way := range ways {
		n := &node{t: t, name: fmt.Sprintf("node%d (%s)", number, way.name), way: way,
			home: filepath.Join(folder, fmt.Sprint("node", number)), url: fmt.Sprintf("http://127.0.0.1:%d", ports[2*number])}
		var err error
		n.client, err = http.New(n.url, "/websocket")
		n.must(err)
		n.config = configOf(n.home, ports[2*number], ports[2*number+1])
		net.nodes = append(net.nodes, n)
		key := privval.LoadOrGenFilePV(n.config.PrivValidatorKeyFile(), n.config.PrivValidatorStateFile())
		if number < validators {
			set = append(set, cmttypes.NewValidator(key.Key.PubKey, 1))
		}
		own, err := p2p.LoadOrGenNodeKey(n.config.NodeKeyFile())
		n.must(err)
		peers = append(peers, fmt.Sprintf("%s@127.0.0.1:%d", own.ID(), ports[2*number+1]))
	}
	genesis := net.genesis(set)
	for number, n := range net.nodes {
		n.config.P2P.PersistentPeers = strings.Join(slices.Delete(slices.Clone(peers), number, number+1), ",")
		n.writeConfig()
		n.must(genesis.SaveAs(n.config.GenesisFile()))
	}
	return net
}

// but are the nodes that run, but for one.
func (net *network) but(one *node) (others []*node) {
	for _, n := range net.nodes {
		if n != one && n.running() {
			others = append(others, n)
		}
	}
	return others
}

// reach waits for all that run.
func (net *network) reach(height int64) {
	for _, n := range net.but(nil) {
		n.reach(height)
	}
}

// soon is a height that no node has begun.
func (net *network) soon() (height int64) {
	for _, n := range net.but(nil) {
		now, _ := n.height()
		height = max(height, now+3)
	}
	return height
}

// boxes of all nodes.
func (net *network) boxes() map[*node][]string {
	had := map[*node][]string{}
	for _, n := range net.nodes {
		had[n] = n.boxes()
	}
	return had
}

// folderOf a network is kept where NETWORK_DIR says, to look into it.
func folderOf(t *testing.T) string {
	kept := os.Getenv("NETWORK_DIR")
	if kept == "" {
		return t.TempDir()
	}
	folder, err := os.MkdirTemp(kept, "network")
	if err != nil {
		t.Fatal(err)
	}
	t.Log("the network is in ", folder)
	return folder
}

func configOf(home string, rpc, p2pPort int) *cmtconfig.Config {
	config := cmtconfig.DefaultConfig().SetRoot(home)
	config.RPC.ListenAddress = fmt.Sprintf("tcp://127.0.0.1:%d", rpc)
	config.RPC.PprofListenAddress = ""
	config.P2P.ListenAddress = fmt.Sprintf("tcp://127.0.0.1:%d", p2pPort)
	config.P2P.AddrBookStrict, config.P2P.AllowDuplicateIP = false, true
	config.Consensus.TimeoutPropose, config.Consensus.TimeoutCommit = time.Second, 300*time.Millisecond
	cmtconfig.EnsureRoot(home)
	return config
}

// freePorts that nobody has.
func freePorts(t *testing.T, count int) (ports []int) {
	t.Helper()
	for range count {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func (net *network) address(account int) sdktypes.AccAddress {
	return net.keys[account].PubKey().Address().Bytes()
}

// genesis of accounts and validators.
func (net *network) genesis(set []*cmttypes.Validator) *cmttypes.GenesisDoc {
	net.t.Helper()
	var accounts []authtypes.GenesisAccount
	var balances []banktypes.Balance
	for number := range net.keys {
		accounts = append(accounts, authtypes.NewBaseAccount(net.address(number), net.keys[number].PubKey(), uint64(number), 0))
		balances = append(balances, banktypes.Balance{Address: net.address(number).String(), Coins: stake(1_000_000_000)})
	}
	state, err := simtestutil.GenesisStateWithValSet(
		net.chain.Codec, net.chain.Genesis, cmttypes.NewValidatorSet(set), accounts, balances...)
	net.must(err)
	net.bond(state, int64(len(set)))
	net.watch(state, set)
	text, err := json.Marshal(state)
	net.must(err)
	genesis := &cmttypes.GenesisDoc{ChainID: chainID, AppState: text}
	genesis.GenesisTime = time.Now().Add(-time.Minute)
	genesis.ConsensusParams = cmttypes.DefaultConsensusParams()
	for _, one := range set {
		genesis.Validators = append(genesis.Validators,
			cmttypes.GenesisValidator{Address: one.Address, PubKey: one.PubKey, Power: 1})
	}
	net.must(genesis.ValidateAndComplete())
	return genesis
}

// bond gives the pool what all validators have bonded: the SDK's helper gives it what
// one has.
func (net *network) bond(state map[string]json.RawMessage, count int64) {
	var bank banktypes.GenesisState
	net.chain.Codec.MustUnmarshalJSON(state[banktypes.ModuleName], &bank)
	pool := authtypes.NewModuleAddress("bonded_tokens_pool").String()
	for at := range bank.Balances {
		if bank.Balances[at].Address == pool {
			bank.Balances[at].Coins = bank.Balances[at].Coins.MulInt(sdkmath.NewInt(count))
		}
	}
	state[banktypes.ModuleName] = net.chain.Codec.MustMarshalJSON(&bank)
}

// watch has the module that punishes validators know them, on a chain that has it.
func (net *network) watch(state map[string]json.RawMessage, set []*cmttypes.Validator) {
	text, has := state[slashingtypes.ModuleName]
	if !has {
		return
	}
	var slashing slashingtypes.GenesisState
	net.chain.Codec.MustUnmarshalJSON(text, &slashing)
	for _, one := range set {
		address := sdktypes.ConsAddress(one.Address)
		slashing.SigningInfos = append(slashing.SigningInfos, slashingtypes.SigningInfo{
			Address:              address.String(),
			ValidatorSigningInfo: slashingtypes.NewValidatorSigningInfo(address, 0, 0, time.Unix(0, 0), false, 0),
		})
	}
	state[slashingtypes.ModuleName] = net.chain.Codec.MustMarshalJSON(&slashing)
}

func (net *network) must(err error) {
	net.t.Helper()
	if err != nil {
		net.t.Fatal(err)
	}
}
