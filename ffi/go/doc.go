// Package haltbox records what a blockchain node executes, from inside the
// node: a flight recorder for consensus failures.
//
//	recorder, err := haltbox.Open(haltbox.Options{Dir: home + "/haltbox"})
//	if err != nil {
//		logger.Error("no flight recorder", "err", err) // the node continues
//	}
//	defer recorder.Close()
//
//	recorder.BeginBlock(height, blockTime, inputDigest)
//	recorder.Record(entry) // as often as you like
//	recorder.EndBlock(height, appHash)
//	recorder.Commit(height, appHash)
//
// A nil *Recorder is switched off: each of its methods does nothing and returns nil. [Open] returns
// nil beside an error, so a node needs no condition around its calls.
//
// Every method may be called from any goroutine. [Open], [Recorder.Freeze] and [Recorder.LogPanic]
// wait for the disk; the calls of the execution do not, unless the engine is [EngineWrite]. No
// method panics, except LogPanic, which passes a panic on. A node may ignore all errors. If the
// ring has no room for an entry, that is not an error; [Stats.Dropped] counts it.
//
// The recorder is the library libhaltbox, linked by cgo. Without cgo, on another system, or with
// the build tag nolink_haltbox, everything builds and [Open] returns [ErrNotLinked].
package haltbox
