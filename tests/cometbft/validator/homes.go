// Package validator has what the programs of all CometBFT versions share: homes,
// settings, loggers, and how a node runs.
package validator

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/types"
)

const validators = 4

// settings of a validator on loopback. The time-outs leave two shared cores
// enough time for a round, or extra rounds would hide what is tested.
func settings(home string, node, port int) *config.Config {
	c := config.TestConfig()
	c.SetRoot(home)
	c.Moniker = fmt.Sprintf("node%d", node)
	c.DBBackend = "goleveldb"
	c.P2P.ListenAddress = fmt.Sprintf("tcp://127.0.0.1:%d", port+2*node)
	c.RPC.ListenAddress = fmt.Sprintf("tcp://127.0.0.1:%d", port+2*node+1)
	c.RPC.GRPCListenAddress = ""
	c.P2P.PexReactor = false
	c.P2P.AllowDuplicateIP = true
	c.P2P.AddrBookStrict = false
	c.Consensus.TimeoutPropose = 600 * time.Millisecond
	c.Consensus.TimeoutProposeDelta = 100 * time.Millisecond
	c.Consensus.TimeoutPrevote = 200 * time.Millisecond
	c.Consensus.TimeoutPrecommit = 200 * time.Millisecond
	c.Consensus.TimeoutCommit = 150 * time.Millisecond
	c.Consensus.SkipTimeoutCommit = false
	return c
}

// Testnet writes the homes DIR/node0 to node3 of a chain; ports from PORT on.
func Testnet(arguments []string) error {
	if len(arguments) != 2 {
		return fmt.Errorf("testnet: expected a folder and a port")
	}
	dir := arguments[0]
	port, err := strconv.Atoi(arguments[1])
	if err != nil {
		return err
	}
	configs := make([]*config.Config, validators)
	genesis := types.GenesisDoc{
		ChainID: "haltbox-test", GenesisTime: time.Now(), ConsensusParams: types.DefaultConsensusParams(),
	}
	var peers []string
	for node := range configs {
		home := filepath.Join(dir, fmt.Sprintf("node%d", node))
		for _, folder := range []string{"config", "data"} {
			if err := os.MkdirAll(filepath.Join(home, folder), 0o700); err != nil {
				return err
			}
		}
		c := settings(home, node, port)
		configs[node] = c
		key, err := p2p.LoadOrGenNodeKey(c.NodeKeyFile())
		if err != nil {
			return err
		}
		peers = append(peers, p2p.IDAddressString(key.ID(), strings.TrimPrefix(c.P2P.ListenAddress, "tcp://")))
		validator := privval.LoadOrGenFilePV(c.PrivValidatorKeyFile(), c.PrivValidatorStateFile())
		public, err := validator.GetPubKey()
		if err != nil {
			return err
		}
		genesis.Validators = append(genesis.Validators, types.GenesisValidator{PubKey: public, Power: 10})
	}
	for node, c := range configs {
		others := append(append([]string{}, peers[:node]...), peers[node+1:]...)
		c.P2P.PersistentPeers = strings.Join(others, ",")
		config.WriteConfigFile(filepath.Join(c.RootDir, "config", "config.toml"), c)
		if err := genesis.SaveAs(c.GenesisFile()); err != nil {
			return err
		}
	}
	return nil
}
