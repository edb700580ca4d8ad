// Package sdk54 records what an application of the Cosmos SDK v0.54 or newer executes:
// with three lines where the node makes its application,
//
//	func newApp(logger log.Logger, db dbm.DB, appOpts servertypes.AppOptions) servertypes.Application {
//		box := haltbox.New(logger, appOpts)
//		options := append(server.DefaultBaseappOptions(appOpts), box.Option)
//		return box.Wrap(app.NewApp(logger, db, true, appOpts, options...))
//	}
//
// and one in main, for the log: see [Command]. Nothing is recorded, and everything
// is as it was, until an operator sets enable in the section [haltbox] of app.toml, or
// HALTBOX_ENABLE=true.
//
// What a block has then, and of which stores, is told by the package sdk, which is for
// the SDK v0.50 to v0.53. It is the same here but for this:
//
//   - The SDK has no tracing of stores any more, so a runner around the SDK's own
//     tells which transaction is executed. The consensus parameters that BaseApp reads
//     before a transaction are among the transaction's operations.
//   - An application that has a runner of its own may execute transactions at the same
//     time, as Block-STM does. Operations would come in an order of chance then, so
//     what each block changes is recorded in their place, as with stores = "writes",
//     unless the runner is around the SDK's DefaultRunner (Unwrap gives it) or the setting
//     sequential says that it executes one after the other. The node's log says so.
//   - Object stores are left out: what they hold are Go values, and not part of the
//     AppHash.
//
// Most files are generated from those of the package sdk: see internal/generate.
package sdk54

//go:generate go run ./internal/generate
