// Package sdk records what a Cosmos SDK application executes: with three lines
// where the node makes its application,
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
// Beside what package abci records, a block then has every read and write of every
// store, as modules make them, with the transaction they belong to, and the root of each
// store:
//
//	{"type":"step-phase","phase":"PreBlock"}
//	{"type":"op-read","op":0,"store":"consensus","key":"..","value":".."}
//	{"type":"step-phase","phase":"BeginBlock"}
//	{"type":"tx-begin","tx":0,"digest":"..","bytes":312}
//	{"type":"op-read","tx":0,"op":0,"store":"acc","key":"..","value":".."}
//	{"type":"step-phase","phase":"EndBlock"}
//	{"type":"step-store-root","store":"bank","hash":".."}                 one for each store
//
// # Which stores
//
// Operations are recorded on the branch of the stores that a block is executed on,
// and on what is branched off it: never those of CheckTx, of queries, simulations or
// proposals. They are taken between the gas meter and the caches: a module's
// operations, each once, whatever caches are under them, and no gas is used for
// that. Memory stores are left out: they are the process's own.
//
// Operations of transactions that are executed at the same time, as in forks of the SDK,
// would come in an order of chance. Where that is found out the block begins again
// without them, and no later one has any.
//
// BaseApp does not know the traced store for one of its own type, in two places. The
// header that it gives a store with each commit is given here. A query at an older
// height has the time of the latest block in its context instead of that height's: a node
// that serves such queries sets stores = "roots".
package sdk
