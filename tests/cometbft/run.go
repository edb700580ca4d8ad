package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/config"
	cometlogs "github.com/cometbft/cometbft/libs/log"
	"github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/proxy"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/abci"
	"github.com/haltbox/haltbox/ffi/go/kvtrace"

	"github.com/haltbox/haltbox/tests/cometbft/app"
	"github.com/haltbox/haltbox/tests/cometbft/validator"
)

type options struct {
	home     string
	log      string
	off      bool
	txs      int
	parallel bool
	fast     bool
	persist  uint
	times    string
	ringSize uint64
	archive  uint64
	tied     bool
}

func parseOptions(arguments []string) (options, error) {
	var o options
	if len(arguments) == 0 {
		return o, fmt.Errorf("run: expected a home")
	}
	o.home = arguments[0]
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.StringVar(&o.log, "log", "plain", "how to log: plain, json, sdk, sdk-json")
	flags.BoolVar(&o.off, "off", false, "without the recorder")
	flags.IntVar(&o.txs, "txs", 8, "transactions of a proposed block")
	flags.BoolVar(&o.parallel, "parallel", false, "queries run beside the execution")
	flags.BoolVar(&o.fast, "fast", false, "many blocks a second")
	flags.UintVar(&o.persist, "persist", 0, "seconds until a mismatch that is not proved is frozen")
	flags.StringVar(&o.times, "times", "", "a file for how long each FinalizeBlock took")
	flags.Uint64Var(&o.ringSize, "ring", 16<<20, "bytes of the ring")
	flags.Uint64Var(&o.archive, "archive", 0, "bytes of the archive; 0 for as many as it has by itself")
	flags.BoolVar(&o.tied, "tied", false, "end when standard input does")
	return o, flags.Parse(arguments[1:])
}

func run(arguments []string) error {
	o, err := parseOptions(arguments)
	if err != nil {
		return err
	}
	c, err := validator.Config(o.home)
	if err != nil {
		return err
	}
	if o.fast {
		c.Consensus.TimeoutCommit = 5 * time.Millisecond
		c.Consensus.SkipTimeoutCommit = true
	}
	if o.tied {
		validator.Tie()
	}
	recorder := open(o)
	defer recorder.Close()
	defer recorder.LogPanic()
	key := privval.LoadFilePV(c.PrivValidatorKeyFile(), c.PrivValidatorStateFile())
	tracer := kvtrace.New(recorder, kvtrace.Options{ValueBytes: 32})
	application, err := app.New(app.Options{
		StateFile: filepath.Join(o.home, "data", "app.json"), FaultFile: filepath.Join(o.home, "fault.json"),
		Tracer: tracer, Address: key.GetAddress(), Txs: o.txs,
	})
	if err != nil {
		return err
	}
	wrapped, err := withTimes(abci.Wrap(application, recorder, abci.Options{Tracer: tracer}), o.times)
	if err != nil {
		return err
	}
	creator := proxy.NewLocalClientCreator(wrapped)
	if o.parallel {
		creator = proxy.NewConnSyncLocalClientCreator(wrapped)
	}
	logger, err := validator.NewLogger(o.log, recorder)
	if err != nil {
		return err
	}
	n, err := newNode(c, key, creator, logger)
	if err != nil {
		return err
	}
	return validator.Run(n)
}

func newNode(c *config.Config, key *privval.FilePV, creator proxy.ClientCreator, logger cometlogs.Logger) (*node.Node, error) {
	own, err := p2p.LoadNodeKey(c.NodeKeyFile())
	if err != nil {
		return nil, err
	}
	return node.NewNode(c, key, own, creator, node.DefaultGenesisDocProviderFunc(c),
		config.DefaultDBProvider, node.DefaultMetricsProvider(c.Instrumentation), logger)
}

// open goes on without a recorder, as a chain would.
func open(o options) *haltbox.Recorder {
	if o.off {
		return nil
	}
	program, _ := os.Executable()
	recorder, err := haltbox.Open(haltbox.Options{
		Dir: filepath.Join(o.home, "haltbox"), RingSize: o.ringSize, NodeProgram: program, Background: true,
		PersistSeconds: uint32(o.persist), ArchiveBytes: o.archive, UploadHint: "to the validators' channel",
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "no flight recorder:", err)
	}
	return recorder
}

// timed writes a line for each block: its height, and the nanoseconds that
// FinalizeBlock took with all that is wrapped around it.
type timed struct {
	types.Application
	file *os.File
}

func (t timed) FinalizeBlock(ctx context.Context, req *types.RequestFinalizeBlock) (*types.ResponseFinalizeBlock, error) {
	begun := time.Now()
	response, err := t.Application.FinalizeBlock(ctx, req)
	_, _ = fmt.Fprintf(t.file, "%d %d\n", req.Height, time.Since(begun).Nanoseconds())
	return response, err
}

func withTimes(application types.Application, path string) (types.Application, error) {
	if path == "" {
		return application, nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return timed{application, file}, err
}
