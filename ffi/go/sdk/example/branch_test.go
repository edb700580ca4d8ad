package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	sdktypes "github.com/cosmos/cosmos-sdk/types"

	"github.com/haltbox/haltbox/ffi/go/internal/haltboxtest"
)

const (
	throwsAway = 11
	fails      = 12
)

// branching has a module that throws away a branch, keeps another one and throws away
// one that was made of that, where somebody sends so much; and fails behind that.
func branching(n *node) {
	bank := n.bare.bank
	mint := func(ctx sdktypes.Context, amount int64) {
		n.must(bank.MintCoins(ctx, "mint", sdktypes.NewCoins(sdktypes.NewInt64Coin("stake", amount))))
	}
	bank.AppendSendRestriction(func(
		c context.Context, _, to sdktypes.AccAddress, coins sdktypes.Coins,
	) (sdktypes.AccAddress, error) {
		amount := coins.AmountOf("stake").Int64()
		if amount != throwsAway && amount != fails {
			return to, nil
		}
		ctx := sdktypes.UnwrapSDKContext(c)
		before := bank.GetSupply(ctx, "stake")
		thrown, _ := ctx.CacheContext()
		mint(thrown, 1000)
		kept, write := ctx.CacheContext()
		mint(kept, 1)
		inner, _ := kept.CacheContext()
		mint(inner, 2000)
		write()
		if after := bank.GetSupply(ctx, "stake"); after.Sub(before).Amount.Int64() != 1 {
			n.t.Errorf("%v, and before %v", after, before)
		}
		if amount == fails {
			return nil, errors.New("the restriction refuses it")
		}
		return to, nil
	})
}

// branches plays four blocks, with transactions that throw branches away.
func branches(t *testing.T, settings map[string]any) *node {
	t.Helper()
	n := start(t, settings)
	branching(n)
	n.blocks(1, 2)
	for height := int64(3); height <= 4; height++ {
		n.finalize(decided(height, [][]byte{
			n.send(0, 1, throwsAway), n.send(1, 2, fails), n.send(2, 0, 9), n.send(0, 1, throwsAway),
		}))
	}
	n.must(n.app.Close())
	if failed := strings.Join(n.gas[len(n.gas)-3:], " "); !strings.HasPrefix(failed, "1 ") {
		t.Fatal("the message did not fail: ", failed)
	}
	return n
}

// What was thrown away stands in the recording like all else, and no read is held against
// it.
func TestWhatWasThrownAwayAccusesNoRead(t *testing.T) {
	n := branches(t, nil)
	said := haltboxtest.Run(t, "verify", "--reads", n.dir()+"/ring")
	if !strings.Contains(said, " 0 do not match;") || strings.Contains(said, "whether the write before them took effect") {
		t.Error(said)
	}
}

// The messages of a transaction are named.
func TestDiffNamesTheMessages(t *testing.T) {
	var dirs []string
	for _, amount := range []int64{3, 4} {
		n := start(t, nil)
		bank := n.bare.bank
		bank.AppendSendRestriction(func(
			c context.Context, _, to sdktypes.AccAddress, coins sdktypes.Coins,
		) (sdktypes.AccAddress, error) {
			if coins.AmountOf("stake").Int64() == throwsAway {
				n.must(bank.MintCoins(c, "mint", sdktypes.NewCoins(sdktypes.NewInt64Coin("stake", amount))))
			}
			return to, nil
		})
		n.blocks(1, 2)
		n.finalize(decided(3, [][]byte{n.send(2, 1, 1), n.send(0, 1, throwsAway)}))
		n.must(n.app.Close())
		dirs = append(dirs, n.dir())
	}
	said := haltboxtest.Differs(t, "diff", dirs[0], dirs[1])
	for _, part := range []string{"EXECUTION DIFFERS", "height 3, tx 1", "/cosmos.bank.v1beta1.MsgSend"} {
		if !strings.Contains(said, part) {
			t.Errorf("no %q in %s", part, said)
		}
	}
}

// What costs the entries of branches: a few for each transaction.
func TestBranchesAreAFewEntriesOfATransaction(t *testing.T) {
	n := start(t, nil)
	n.blocks(1, 2)
	n.finalize(decided(3, [][]byte{n.send(0, 1, 10), n.send(1, 2, 10), n.send(2, 1, 10)}))
	told, operations := map[string]int{}, 0
	for _, entry := range n.entries("--height", "3") {
		kind := entry["type"].(string)
		if strings.HasPrefix(kind, "branch") {
			told[kind]++
		} else if _, is := entry["tx"]; is && strings.HasPrefix(kind, "op-") {
			operations++
		}
	}
	if fmt.Sprint(told) != "map[branch:10 branch-written:6]" || operations < 60 {
		t.Errorf("%v beside %d operations", told, operations)
	}
}
