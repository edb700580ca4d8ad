// Code generated from network/fault.go; DO NOT EDIT.

package network

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"syscall"
	"time"

	sdktypes "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
)

// IsNode tells whether this process is a node. It then ends with the test that
// started it, which holds the other end of its standard input.
func IsNode() bool {
	if os.Getenv(isNode) == "" {
		return false
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	return true
}

// Fault is what a node does otherwise from a height on.
type Fault struct {
	Kind   Kind
	Height int64
}

// Kind of a fault.
type Kind string

const (
	// clock: the node's own clock is asked at the end of a block.
	clock Kind = "clock"
	// mapOrder: three payments are made in the order of a map.
	mapOrder Kind = "map order"
	// gasParameter: each transaction costs one more gas.
	gasParameter Kind = "gas parameter"
	// killed: the process is killed at the end of the block, once.
	killed Kind = "killed"
)

// faultFile is in a node's home, if it has a fault.
const faultFile = "fault.json"

type work struct {
	bank Bank
	file string
}

// fault at a height, if there is one.
func (w *work) fault(height int64) Kind {
	var fault Fault
	text, err := os.ReadFile(w.file)
	if err != nil || json.Unmarshal(text, &fault) != nil || height < fault.Height {
		return ""
	}
	return fault.Kind
}

func (w *work) gas(ctx sdktypes.Context) uint64 {
	if w.fault(ctx.BlockHeight()) == gasParameter {
		return 11
	}
	return 10
}

// endBlock mints what the block's time says, and pays three accounts.
func (w *work) endBlock(ctx sdktypes.Context) error {
	fault := w.fault(ctx.BlockHeight())
	now := ctx.BlockTime()
	if fault == clock {
		now = time.Now()
	}
	if err := w.bank.MintCoins(ctx, minter, stake(10+now.UnixNano()%1_000_003)); err != nil {
		return err
	}
	for _, name := range payees(fault == mapOrder) {
		if err := w.bank.SendCoinsFromModuleToAccount(ctx, minter, authtypes.NewModuleAddress(name), stake(1)); err != nil {
			return err
		}
		w.bank.SetDenomMetaData(ctx, banktypes.Metadata{Base: "last", Display: name})
	}
	if fault == killed {
		return errors.Join(os.Remove(w.file), syscall.Kill(os.Getpid(), syscall.SIGKILL))
	}
	return nil
}

// minter is a module of the SDK that may mint.
const minter = "mint"

// payees in their order, or in that of a map, of those that are another one.
func payees(unsorted bool) []string {
	all := map[string]bool{"fisher": true, "miller": true, "tailor": true}
	for {
		var order []string
		for name := range all {
			order = append(order, name)
		}
		if slices.IsSorted(order) != unsorted {
			return order
		}
	}
}

func stake(amount int64) sdktypes.Coins {
	return sdktypes.NewCoins(sdktypes.NewInt64Coin(sdktypes.DefaultBondDenom, amount))
}
