// Package sdk47 records what an application of the Cosmos SDK 0.47 executes, on
// CometBFT 0.37: with three lines where the node makes its application,
//
//	func newApp(logger log.Logger, db dbm.DB, traceStore io.Writer, appOpts servertypes.AppOptions) servertypes.Application {
//		box := haltbox.New(logger, appOpts)
//		options := append(server.DefaultBaseappOptions(appOpts), box.Option)
//		return box.Wrap(app.NewApp(logger, db, traceStore, true, appOpts, options...))
//	}
//
// and one in main, for the log: see [Command]. Nothing is recorded, and everything
// is as it was, until an operator sets enable in the section [haltbox] of app.toml, or
// HALTBOX_ENABLE=true.
//
// It is what package sdk is for later releases, with their settings and entries. Its path
// has no slash before the number: Go takes a last element v47 for a major version.
//
// Two things differ, because CometBFT 0.37 hands over the transactions of a block one by
// one, and is given the AppHash by Commit. The entry step-input has the header's DataHash
// in the place of a digest of the transactions. And end-block is recorded as Commit
// returned, so a process that is killed in between leaves a block without an end: it is
// not compared, and the blocks around it are.
//
// # Which stores
//
// Operations are recorded on the branch of the stores that a block is executed on,
// and on what is branched off it: never those of CheckTx, of queries, simulations or
// proposals. They are taken between the gas meter and the caches: a module's
// operations, each once, whatever caches are under them, and no gas is used for
// that. Memory stores are left out: they are the process's own.
//
// BaseApp does not know the traced store for one of its own type, in two places. The
// header that it gives a store with each commit is given here. A query at an older
// height has the time of the latest block in its context instead of that height's: a node
// that serves such queries sets stores = "writes" or "roots". v0.47.0 and v0.47.1 do not
// start with a store that is not their own: there operations are not recorded.
package sdk47
