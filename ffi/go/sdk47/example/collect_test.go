package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	dbm "github.com/cometbft/cometbft-db"
	"github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/rpc/client/http"

	"github.com/cosmos/cosmos-sdk/baseapp"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

// client of a node that listens where it was free to.
func (p *process) client() (*http.HTTP, string) {
	p.t.Helper()
	at := regexp.MustCompile(`Starting RPC HTTP server on (127\.0\.0\.1:\d+)`).FindStringSubmatch(p.text())
	if at == nil {
		p.t.Fatalf("no RPC in\n%s", p.text())
	}
	client, err := http.New("http://"+at[1], "/websocket")
	if err != nil {
		p.t.Fatal(err)
	}
	return client, "http://" + at[1]
}

// pay has a block of more than one transaction, of which some fail, and gives its height.
func (p *process) pay(client *http.HTTP) int64 {
	p.t.Helper()
	app, err := NewApp(log.NewNopLogger(), dbm.NewMemDB(), nil, true, baseapp.SetChainID(chainID))
	n := &node{t: p.t, bare: app}
	n.must(err)
	next := int64(1)
	for begun := time.Now(); time.Since(begun) < time.Minute; {
		for _, amount := range []int64{10, 1 << 40, 20, 1 << 41} {
			sent, err := client.BroadcastTxSync(context.Background(), n.send(0, 1, amount))
			n.must(err)
			if sent.Code != 0 {
				p.t.Fatal(sent.Log)
			}
		}
		for ; ; next++ {
			found, err := client.Block(context.Background(), &next)
			if err != nil {
				break
			}
			if len(found.Block.Txs) > 1 {
				return next
			}
		}
	}
	p.t.Fatalf("no block has two transactions\n%s", p.text())
	return 0
}

// A box that is made of what a node tells has the entries that the recorder in the node
// writes, byte for byte and in their order, where it has any. What stands beside the
// inputs (settings, parameters) is what each of the two knows.
func TestWhatANodeTellsByRPCIsWhatItRecords(t *testing.T) {
	node := newProcess(t)
	node.start("HALTBOX_ENABLE=true", "HALTBOX_RING_MIB=16")
	node.execute(3)
	client, url := node.client()
	height := node.pay(client)
	node.execute(int(height) + 3)
	folder := t.TempDir()
	at := []string{"--height", fmt.Sprint(height)}
	dir := filepath.Join(node.home, "haltbox")
	if err := os.Mkdir(filepath.Join(folder, "own"), 0o700); err != nil {
		t.Fatal(err)
	}
	haltboxtest.Run(t, append([]string{"freeze", dir, "--boxes", filepath.Join(folder, "own")}, at...)...)
	haltboxtest.Run(t, append([]string{"collect", "--rpc", url, "--out", filepath.Join(folder, "told")}, at...)...)
	own, told := only(t, filepath.Join(folder, "own")), only(t, filepath.Join(folder, "told"))
	for _, pair := range [][2]string{{own, told}, {told, own}} {
		if said := haltboxtest.Run(t, "diff", pair[0], pair[1]); !strings.Contains(said, "IDENTICAL") {
			t.Error(said)
		}
	}
	if one, other := given(t, own), given(t, told); one != other || !strings.Contains(one, " txs=") {
		t.Errorf("the blocks were given %q and %q", one, other)
	}
	recorded, collected := kept(t, own, at, `"op-`, `"branch`, `"tx-begin"`, `"step-phase"`, `"step-updates"`), kept(t, told, at, `"step-events"`)
	if recorded != collected || strings.Count(collected, `"tx-result"`) < 2 || strings.Count(collected, `"step-store-root"`) < 6 {
		t.Errorf("recorded\n%s\ncollected\n%s", recorded, collected)
	}
}

// kept are the lines of a box but for some types, as one text.
func kept(t *testing.T, box string, at []string, without ...string) string {
	t.Helper()
	var lines []string
	for _, line := range haltboxtest.Cat(t, box, at...) {
		leave := strings.HasPrefix(line, `{"type":"host-`)
		for _, kind := range without {
			leave = leave || strings.HasPrefix(line, `{"type":`+kind)
		}
		if strings.HasPrefix(line, `{"type":"step-input"`) {
			line, _, _ = strings.Cut(line, `,"local":`)
		}
		if !leave {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// given is what a box tells in short of the inputs.
func given(t *testing.T, box string) string {
	t.Helper()
	for _, line := range strings.Split(haltboxtest.Run(t, "info", box), "\n") {
		if strings.HasPrefix(line, "inputs ") {
			line, _, _ = strings.Cut(line, " params=")
			line, _, _ = strings.Cut(line, " config=")
			return line
		}
	}
	return ""
}

// only is the one box of a folder.
func only(t *testing.T, folder string) string {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(folder, "[0-9]*"))
	if len(found) != 1 {
		t.Fatalf("%v in %s", found, folder)
	}
	return found[0]
}
