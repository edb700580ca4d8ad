// Code generated from sdk/logger_test.go; DO NOT EDIT.

package sdk47

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cometbft/cometbft/libs/log"
	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

// boxBelowCommand is a box as newApp makes it below the start command, and the
// logger that the node has.
func boxBelowCommand(t *testing.T, printed *bytes.Buffer) (*Box, *tap) {
	t.Helper()
	logger := newTap(log.NewTMLogger(printed))
	options := options{"haltbox.enable": true, "haltbox.dir": t.TempDir() + "/haltbox", "haltbox.ring-mib": 16}
	return New(logger.With("module", "server"), options), logger
}

func TestTheLogIsRecordedFromTheOpeningOn(t *testing.T) {
	recorder, dir := haltboxtest.Open(t)
	var printed bytes.Buffer
	box, logger := boxBelowCommand(t, &printed)
	logger.Info("too early")
	box.tap.begin(recorder)
	logger.With("module", "consensus").Info("a line", "height", int64(7))
	logger.Debug("a debug line")
	box.tell("said by the recorder")
	recorder.Close()
	lines := haltboxtest.Cat(t, dir, "--stream", "node")
	if len(lines) != 1 || !strings.Contains(lines[0], `"_msg":"a line"`) || !strings.Contains(lines[0], `"module":"consensus"`) {
		t.Errorf("%q", lines)
	}
	for _, part := range []string{"too early", "a line", "a debug line", "said by the recorder"} {
		if !strings.Contains(printed.String(), part) {
			t.Errorf("no %q in %s", part, printed.String())
		}
	}
}

// As the SDK hands CometBFT's own words on.
func TestAConsensusFailureInTheLogDiverges(t *testing.T) {
	recorder, _ := haltboxtest.Open(t)
	box, logger := boxBelowCommand(t, new(bytes.Buffer))
	box.tap.begin(recorder)
	own, network := bytes.Repeat([]byte{0xab}, 32), bytes.Repeat([]byte{0xcd}, 32)
	recorder.BeginBlock(7, time.Time{}, nil)
	recorder.EndBlock(7, own)
	recorder.Commit(7, own)
	logger.With("module", "consensus").Error("CONSENSUS FAILURE!!!", "err", fmt.Sprintf(
		"precommit step; +2/3 prevoted for an invalid block: wrong Block.Header.AppHash.  Expected %X, got %X", own, network))
	if stats, err := recorder.Stats(); err != nil || stats.Diverged != 1 {
		t.Errorf("%+v, %v", stats, err)
	}
}
