//go:build abci1

// valnode-abci1 is a validator of a CometBFT before 0.38, with nothing of
// Haltbox in it: what such a node says at a divergence is read from its log.
//
//	valnode-abci1 testnet DIR PORT      as valnode
//	valnode-abci1 run HOME [-log FORMAT] [-tied]
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/proxy"

	"github.com/haltbox/haltbox/tests/cometbft/validator"
)

// app has an AppHash for each height, and nothing else. It has none of it after
// a start, so the node executes all blocks again.
type app struct {
	types.BaseApplication
	faults string
	height int64
	hash   [32]byte
}

func (a *app) EndBlock(req types.RequestEndBlock) types.ResponseEndBlock {
	a.height = req.Height
	a.hash = sha256.Sum256(binary.BigEndian.AppendUint64(a.hash[:], uint64(a.height)))
	if a.isWrong() {
		a.hash[0] ^= 1
	}
	return types.ResponseEndBlock{}
}

// isWrong tells whether the harness put a fault at this height.
func (a *app) isWrong() bool {
	text, err := os.ReadFile(a.faults)
	var fault struct{ Height int64 }
	return err == nil && json.Unmarshal(text, &fault) == nil && fault.Height == a.height
}

func (a *app) Commit() types.ResponseCommit { return types.ResponseCommit{Data: a.hash[:]} }

func main() {
	commands := map[string]func([]string) error{"testnet": validator.Testnet, "run": run}
	command := func([]string) error { return fmt.Errorf("expected testnet or run") }
	if len(os.Args) > 1 && commands[os.Args[1]] != nil {
		command = commands[os.Args[1]]
	}
	if err := command(os.Args[min(2, len(os.Args)):]); err != nil {
		fmt.Fprintln(os.Stderr, "valnode-abci1:", err)
		os.Exit(2)
	}
}

func run(arguments []string) error {
	if len(arguments) == 0 {
		return fmt.Errorf("run: expected a home")
	}
	home := arguments[0]
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	format := flags.String("log", "plain", "how to log: plain, json, sdk, sdk-json")
	_ = flags.Bool("off", true, "without the recorder, as always")
	tied := flags.Bool("tied", false, "end when standard input does")
	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}
	if *tied {
		validator.Tie()
	}
	c, err := validator.Config(home)
	if err != nil {
		return err
	}
	logger, err := validator.NewLogger(*format, nil)
	if err != nil {
		return err
	}
	own, err := p2p.LoadNodeKey(c.NodeKeyFile())
	if err != nil {
		return err
	}
	key := privval.LoadFilePV(c.PrivValidatorKeyFile(), c.PrivValidatorStateFile())
	application := &app{faults: filepath.Join(home, "fault.json")}
	n, err := node.NewNode(c, key, own, proxy.NewLocalClientCreator(application),
		node.DefaultGenesisDocProviderFunc(c), node.DefaultDBProvider, node.DefaultMetricsProvider(c.Instrumentation), logger)
	if err != nil {
		return err
	}
	return validator.Run(n)
}
