// Code generated from network/node.go; DO NOT EDIT.

package network

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	cmtconfig "github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/rpc/client/http"
	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

// way that a node is recorded.
type way struct {
	name string
	// environment of the node.
	environment []string
	// stores: reads and writes are recorded, so that the name of a block is that of all
	// nodes that record them.
	stores bool
	// outside: the recorder has nothing but the log of the node.
	outside bool
}

var (
	recorded    = way{name: "all stores", stores: true, environment: []string{"HALTBOX_ENABLE=true"}}
	writesAlone = way{name: "writes", environment: []string{"HALTBOX_ENABLE=true", "HALTBOX_STORES=writes"}}
	rootsAlone  = way{name: "without stores", environment: []string{"HALTBOX_ENABLE=true", "HALTBOX_STORES=false"}}
	logAlone    = way{name: "haltbox run", outside: true}
)

// node is a process.
type node struct {
	t       *testing.T
	name    string
	way     way
	home    string
	config  *cmtconfig.Config
	url     string
	client  *http.HTTP
	command *exec.Cmd
	over    chan struct{}
	// begun is where the log of this process begins.
	begun int64
}

// start runs the program of this test as a node. It ends with the test.
func (n *node) start() {
	n.t.Helper()
	words := []string{os.Args[0], "start", "--home", n.home, "--minimum-gas-prices", "0stake", "--grpc.enable=false",
		"--log_no_color", "--pruning", "nothing", "--state-sync.snapshot-interval", "5", "--state-sync.snapshot-keep-recent", "0"}
	if n.way.outside {
		words = append([]string{haltboxtest.Program(n.t), "run", "--profile", "cosmos", "--dir", n.dir(), "--size", "16MiB",
			"--tee", "--rpc", n.url, "--"}, words...)
	}
	n.command = exec.Command(words[0], words[1:]...)
	n.command.Env = append(os.Environ(), isNode+"=1", "HOME="+n.home, "HALTBOX_RING_MIB=16")
	n.command.Env = append(n.command.Env, n.way.environment...)
	said, err := os.OpenFile(filepath.Join(n.home, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	n.must(err)
	n.begun, err = said.Seek(0, io.SeekEnd)
	n.must(err)
	n.command.Stdout, n.command.Stderr = said, said
	tie, err := n.command.StdinPipe()
	n.must(err)
	n.must(n.command.Start())
	over := make(chan struct{})
	n.over = over
	go func(command *exec.Cmd) {
		_ = command.Wait()
		_ = said.Close()
		close(over)
	}(n.command)
	n.t.Cleanup(func() {
		_ = tie.Close()
		<-over
	})
}

// stop ends it in order, kill at once.
func (n *node) stop() { n.end(syscall.SIGTERM) }

func (n *node) kill() { n.end(syscall.SIGKILL) }

func (n *node) end(signal syscall.Signal) {
	_ = n.command.Process.Signal(signal)
	<-n.over
}

// running tells whether it was started, and is not over.
func (n *node) running() bool { return n.command != nil && !n.ended() }

// ended tells whether its process is over.
func (n *node) ended() bool {
	select {
	case <-n.over:
		return true
	default:
		return false
	}
}

// height of the newest block, and whether it takes part in consensus.
func (n *node) height() (height int64, takesPart bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	status, err := n.client.Status(ctx)
	if err != nil {
		return 0, false
	}
	return status.SyncInfo.LatestBlockHeight, !status.SyncInfo.CatchingUp
}

// reach waits until it takes part and has this height.
func (n *node) reach(height int64) {
	n.t.Helper()
	n.until(fmt.Sprint("height ", height), func() bool {
		if n.ended() {
			n.t.Fatalf("%s is over; its log ends with\n%s", n.name, n.logEnd())
		}
		now, takesPart := n.height()
		return takesPart && now >= height
	})
}

// until waits, at most two minutes.
func (n *node) until(what string, done func() bool) {
	n.t.Helper()
	for begun := time.Now(); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Since(begun) > 2*time.Minute {
			n.t.Fatalf("%s: no %s; its log ends with\n%s", n.name, what, n.logEnd())
		}
	}
}

func (n *node) logEnd() string {
	lines := strings.Split(n.log(), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// log of the process that runs, or ran last.
func (n *node) log() string {
	text, err := os.ReadFile(filepath.Join(n.home, "log"))
	n.must(err)
	return string(text[n.begun:])
}

func (n *node) writeConfig() {
	cmtconfig.WriteConfigFile(filepath.Join(n.home, "config/config.toml"), n.config)
}

// arm has it go wrong from a height on; disarm takes that away.
func (n *node) arm(kind Kind, height int64) {
	text, err := json.Marshal(Fault{kind, height})
	n.must(err)
	next := filepath.Join(n.home, "next")
	n.must(os.WriteFile(next, text, 0o600))
	n.must(os.Rename(next, filepath.Join(n.home, faultFile)))
}

func (n *node) disarm() { _ = os.Remove(filepath.Join(n.home, faultFile)) }

// rollback is the SDK's command, of a node that does not run.
func (n *node) rollback(arguments ...string) {
	n.t.Helper()
	command := exec.Command(os.Args[0], append([]string{"rollback", "--home", n.home}, arguments...)...)
	command.Env = append(os.Environ(), isNode+"=1", "HOME="+n.home)
	command.Env = append(command.Env, n.way.environment...)
	tie, err := command.StdinPipe()
	n.must(err)
	defer tie.Close()
	if said, err := command.CombinedOutput(); err != nil {
		n.t.Fatalf("rollback: %v\n%s", err, said)
	}
}

// dir of the recorder.
func (n *node) dir() string { return filepath.Join(n.home, "haltbox") }

// boxes are the names of those that it froze.
func (n *node) boxes() (names []string) {
	found, _ := filepath.Glob(filepath.Join(n.dir(), "boxes", "[0-9]*"))
	for _, path := range found {
		names = append(names, filepath.Base(path))
	}
	return names
}

// boxOf gives the path of the box of a height, "" for none.
func (n *node) boxOf(height int64) string {
	for _, name := range n.boxes() {
		if strings.HasPrefix(name, fmt.Sprint(height, "-")) {
			return filepath.Join(n.dir(), "boxes", name)
		}
	}
	return ""
}

// heightOf the block that a box is named by.
func heightOf(box string) int64 {
	height, _, _ := strings.Cut(box, "-")
	number, _ := strconv.ParseInt(height, 10, 64)
	return number
}

// fresh is the first name that is not among those before.
func fresh(before, names []string) string {
	for _, name := range names {
		if !slices.Contains(before, name) {
			return name
		}
	}
	return ""
}

// needsNothing asserts that its recorder sees nothing that needs attention.
func (n *node) needsNothing() {
	n.t.Helper()
	var status struct{ Attention []struct{ Why string } }
	text := haltboxtest.Any(n.t, "status", "--json", n.dir())
	if err := json.Unmarshal([]byte(text), &status); err != nil || len(status.Attention) > 0 {
		n.t.Errorf("%s: %v %s", n.name, err, text)
	}
}

// freeze hands out a height, into a folder of the test's own, and gives the box.
func (n *node) freeze(height int64) string {
	n.t.Helper()
	folder := filepath.Join(n.home, "asked", fmt.Sprint(height))
	if kept, _ := filepath.Glob(filepath.Join(folder, "[0-9]*")); len(kept) == 1 {
		return kept[0]
	}
	n.must(os.MkdirAll(folder, 0o700))
	haltboxtest.Run(n.t, "freeze", n.dir(), "--height", fmt.Sprint(height), "--boxes", folder)
	kept, err := filepath.Glob(filepath.Join(folder, "[0-9]*"))
	n.must(err)
	if len(kept) != 1 {
		n.t.Fatalf("%s: %v of height %d", n.name, kept, height)
	}
	return kept[0]
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatalf("%s: %v", n.name, err)
	}
}
