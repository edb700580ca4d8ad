package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/store"

	"github.com/haltbox/haltbox/tests/cometbft/app"
	"github.com/haltbox/haltbox/tests/cometbft/validator"
)

// reexecute runs the blocks that a stopped node has, and nothing beside them.
func reexecute(arguments []string) error {
	if len(arguments) != 2 {
		return fmt.Errorf("reexecute: expected a home and a height")
	}
	until, err := strconv.ParseInt(arguments[1], 10, 64)
	if err != nil {
		return err
	}
	c, err := validator.Config(arguments[0])
	if err != nil {
		return err
	}
	db, err := config.DefaultDBProvider(&config.DBContext{ID: "blockstore", Config: c})
	if err != nil {
		return err
	}
	defer db.Close()
	folder, err := os.MkdirTemp("", "reexecute")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	fresh, err := app.New(app.Options{StateFile: filepath.Join(folder, "app.json"), FaultFile: filepath.Join(folder, "none")})
	if err != nil {
		return err
	}
	return executeAll(fresh, store.NewBlockStore(db), until)
}

func executeAll(fresh *app.App, blocks *store.BlockStore, until int64) error {
	ctx := context.Background()
	for height := blocks.Base(); height <= until; height++ {
		block := blocks.LoadBlock(height)
		if block == nil {
			return fmt.Errorf("reexecute: block %d is not in the store", height)
		}
		req := &types.RequestFinalizeBlock{Height: height, Time: block.Time, Txs: block.Txs.ToSliceOfBytes()}
		done, err := fresh.FinalizeBlock(ctx, req)
		if err != nil {
			return err
		}
		if _, err := fresh.Commit(ctx, &types.RequestCommit{}); err != nil {
			return err
		}
		if height == until {
			fmt.Printf("%X\n", done.AppHash)
		}
	}
	return nil
}
