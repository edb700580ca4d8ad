package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cosmossdk.io/log"
	cmtconfig "github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	cmttypes "github.com/cometbft/cometbft/types"
	dbm "github.com/cosmos/cosmos-db"

	"github.com/cosmos/cosmos-sdk/baseapp"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
	"github.com/haltbox/haltbox/ffi/go/sdk/example/internal/network"
)

// TestMain is the node itself where a test starts one.
func TestMain(m *testing.M) {
	if os.Getenv("EXAMPLE_IS_NODE") != "" {
		main()
		return
	}
	if network.IsNode() {
		loadedNode()
		return
	}
	os.Exit(m.Run())
}

// process is a real node: the start command, with CometBFT, one validator.
type process struct {
	t       *testing.T
	home    string
	command *exec.Cmd
	over    chan struct{}
	lock    sync.Mutex
	said    bytes.Buffer
}

func (p *process) Write(text []byte) (int, error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.said.Write(text)
}

func (p *process) text() string {
	p.lock.Lock()
	defer p.lock.Unlock()
	return p.said.String()
}

func (p *process) start(environment ...string) {
	p.said.Reset()
	p.command = exec.Command(os.Args[0], "start", "--home", p.home, "--minimum-gas-prices", "0stake",
		"--grpc.enable=false", "--log_format", "json", "--inter-block-cache=true")
	p.command.Env = append(os.Environ(), append(environment, "EXAMPLE_IS_NODE=1", "HOME="+p.home)...)
	p.command.Stdout, p.command.Stderr = p, p
	if err := p.command.Start(); err != nil {
		p.t.Fatal(err)
	}
	over := make(chan struct{})
	p.over = over
	go func(command *exec.Cmd) {
		_ = command.Wait()
		close(over)
	}(p.command)
	p.t.Cleanup(func() { _ = p.command.Process.Kill() })
}

// ended tells whether the node is over.
func (p *process) ended() bool {
	select {
	case <-p.over:
		return true
	default:
		return false
	}
}

// execute waits for blocks that this process executed. A height of its own choice may be
// behind it when the process before it was slow to stop.
func (p *process) execute(blocks int) {
	p.t.Helper()
	for begun := time.Now(); strings.Count(p.text(), "finalized block") < blocks; time.Sleep(50 * time.Millisecond) {
		if time.Since(begun) > time.Minute || p.ended() {
			p.t.Fatalf("not %d blocks in\n%s", blocks, p.text())
		}
	}
}

func (p *process) stop() {
	p.t.Helper()
	_ = p.command.Process.Signal(syscall.SIGTERM)
	<-p.over
}

// newProcess writes a home.
func newProcess(t *testing.T) *process {
	t.Helper()
	n := &node{t: t}
	home := t.TempDir()
	config := cmtconfig.DefaultConfig().SetRoot(home)
	config.RPC.ListenAddress, config.P2P.ListenAddress = "tcp://127.0.0.1:0", "tcp://127.0.0.1:0"
	config.RPC.PprofListenAddress = ""
	config.Consensus.TimeoutCommit, config.Consensus.SkipTimeoutCommit = 50*time.Millisecond, true
	cmtconfig.EnsureRoot(home)
	cmtconfig.WriteConfigFile(filepath.Join(home, "config/config.toml"), config)
	validator := privval.LoadOrGenFilePV(config.PrivValidatorKeyFile(), config.PrivValidatorStateFile())
	_, err := p2p.LoadOrGenNodeKey(config.NodeKeyFile())
	n.must(err)
	n.bare, err = newChain(log.NewNopLogger(), dbm.NewMemDB(), true, baseapp.SetChainID(chainID))
	n.must(err)
	one := cmttypes.NewValidator(validator.Key.PubKey, 1)
	genesis := genutiltypes.NewAppGenesisWithVersion(chainID, n.genesis(cmttypes.NewValidatorSet([]*cmttypes.Validator{one})))
	genesis.GenesisTime = time.Now().Add(-time.Minute)
	genesis.Consensus = &genutiltypes.ConsensusGenesis{
		Validators: []cmttypes.GenesisValidator{{Address: one.Address, PubKey: one.PubKey, Power: 1}},
		Params:     cmttypes.DefaultConsensusParams(),
	}
	n.must(genesis.ValidateAndComplete())
	n.must(genesis.SaveAs(config.GenesisFile()))
	return &process{t: t, home: home}
}

func TestANodeRecordsWhatItExecutesAndSays(t *testing.T) {
	node := newProcess(t)
	node.start()
	node.execute(3)
	node.stop()
	if _, err := os.Stat(filepath.Join(node.home, "haltbox")); err == nil {
		t.Error("a recorder that is off made its folder")
	}
	settings, err := os.ReadFile(filepath.Join(node.home, "config/app.toml"))
	if err != nil || !bytes.Contains(settings, []byte("[haltbox]\nenable = false")) {
		t.Errorf("%v\n%s", err, settings)
	}
	node.start("HALTBOX_ENABLE=true", "HALTBOX_RING_MIB=16")
	node.execute(5)
	node.stop()
	kinds := map[string]int{}
	for _, line := range haltboxtest.Cat(t, filepath.Join(node.home, "haltbox")) {
		var entry struct{ Type string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		kinds[entry.Type]++
	}
	for _, kind := range []string{"begin-block", "op-read", "op-write", "step-store-root", "end-block", "commit-block"} {
		if kinds[kind] < 3 {
			t.Errorf("%s: %v", kind, kinds)
		}
	}
	log := strings.Join(haltboxtest.Cat(t, filepath.Join(node.home, "haltbox"), "--stream", "node"), "\n")
	for _, part := range []string{`"_msg":"finalized block"`, `"module":"consensus"`, `"block_app_hash":"`} {
		if !strings.Contains(log, part) {
			t.Errorf("no %s in %s", part, log)
		}
	}
}

// A node whose database is lost executes all blocks again as it starts; if one of them
// goes another way CometBFT panics, without a word to the log.
func TestAPanicAtTheStartLeavesABox(t *testing.T) {
	node := newProcess(t)
	node.start("HALTBOX_ENABLE=true", "HALTBOX_RING_MIB=16")
	node.execute(5)
	node.stop()
	if err := os.RemoveAll(filepath.Join(node.home, "data/application.db")); err != nil {
		t.Fatal(err)
	}
	node.start("HALTBOX_ENABLE=true", "HALTBOX_RING_MIB=16", "EXAMPLE_LAPSE=3")
	<-node.over
	for _, part := range []string{"haltbox: black box " + node.home + "/haltbox/boxes/3-", "panic: "} {
		if !strings.Contains(node.text(), part) {
			t.Errorf("no %q in\n%s", part, node.text())
		}
	}
}
