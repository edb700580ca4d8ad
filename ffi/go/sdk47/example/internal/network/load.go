// Code generated from network/load.go; DO NOT EDIT.

package network

import (
	"context"
	"math/rand"
	"time"

	"github.com/cosmos/cosmos-sdk/client"
	simtestutil "github.com/cosmos/cosmos-sdk/testutil/sims"
	sdktypes "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
)

// send goes on sending coins from each account to the next, one transaction of each
// in a block, by whichever node answers. It ends with the test.
func (net *network) send() {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		defer close(over)
		for round := 0; ctx.Err() == nil; round++ {
			by := net.nodes[round%validators]
			before, takesPart := by.height()
			for account := range net.keys {
				if takesPart {
					net.sendOne(ctx, by, account, int64(1+round%97))
				}
			}
			for now := before; ctx.Err() == nil && takesPart && now == before; now, takesPart = by.height() {
				time.Sleep(50 * time.Millisecond)
			}
		}
	}()
	net.t.Cleanup(func() {
		cancel()
		<-over
	})
}

// sendOne may fail: the node may be killed meanwhile, or the transaction before it
// wait still.
func (net *network) sendOne(ctx context.Context, by *node, account int, amount int64) {
	sequence, err := sequence(ctx, by, net.address(account))
	if err != nil {
		return
	}
	message := banktypes.NewMsgSend(net.address(account), net.address((account+1)%len(net.keys)), stake(amount))
	bytes, err := signed(net.chain.TxConfig, message, uint64(account), sequence, net)
	if err == nil {
		_, _ = by.client.BroadcastTxSync(ctx, bytes)
	}
}

func signed(config client.TxConfig, message sdktypes.Msg, account, sequence uint64, net *network) ([]byte, error) {
	tx, err := simtestutil.GenSignedMockTx(rand.New(rand.NewSource(int64(sequence))), config, []sdktypes.Msg{message},
		stake(7), 300_000, chainID, []uint64{account}, []uint64{sequence}, net.keys[account])
	if err != nil {
		return nil, err
	}
	return config.TxEncoder()(tx)
}

// sequence of an account's next transaction.
func sequence(ctx context.Context, by *node, of sdktypes.AccAddress) (uint64, error) {
	request, err := (&authtypes.QueryAccountRequest{Address: of.String()}).Marshal()
	if err != nil {
		return 0, err
	}
	answer, err := by.client.ABCIQuery(ctx, "/cosmos.auth.v1beta1.Query/Account", request)
	if err != nil {
		return 0, err
	}
	var response authtypes.QueryAccountResponse
	var account authtypes.BaseAccount
	if err := response.Unmarshal(answer.Response.Value); err != nil || response.Account == nil {
		return 0, err
	}
	err = account.Unmarshal(response.Account.Value)
	return account.Sequence, err
}
