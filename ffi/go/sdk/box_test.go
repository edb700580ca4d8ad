package sdk

import (
	"bytes"
	"strings"
	"testing"

	"cosmossdk.io/log"
	storetypes "cosmossdk.io/store/types"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
)

// storeless is an application that gives its store to nobody.
type storeless struct{ servertypes.Application }

func (storeless) CommitMultiStore() storetypes.CommitMultiStore { panic("not implemented") }

func TestAnApplicationThatPanicsAtTheStartIsNotRecorded(t *testing.T) {
	var printed bytes.Buffer
	box := New(log.NewLogger(&printed), options{"haltbox.enable": true, "haltbox.dir": t.TempDir()})
	defer box.close()
	box.start(storeless{})
	if box.marker != nil || !strings.Contains(printed.String(), "panic: not implemented") {
		t.Errorf("%q", printed.String())
	}
}

// What shows that transactions are executed at the same time stands in the node's log.
func TestTheLogSaysWhatWasFound(t *testing.T) {
	var printed bytes.Buffer
	box := &Box{logger: log.NewLogger(&printed, log.ColorOption(false)), stores: &commitStore{}}
	box.fallBack("transaction 3 is late")
	if !strings.Contains(printed.String(), `found="transaction 3 is late"`) {
		t.Error(printed.String())
	}
}

func TestStoresThatTakeNoListenersStopNoNode(t *testing.T) {
	for stores, without := range map[detail]string{
		written:    "so it is not recorded",
		operations: "so only their roots are recorded if transactions turn out",
	} {
		var printed bytes.Buffer
		box := &Box{logger: log.NewLogger(&printed), stores: &commitStore{}}
		said := func() string { return printed.String() }
		if box.writesOf(&brokenStores{}, stores) != nil || !strings.Contains(said(), "panic: not implemented") ||
			!strings.Contains(said(), without) {
			t.Errorf("%q", said())
		}
	}
}
