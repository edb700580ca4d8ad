// Package haltbox records what a blockchain node executes, from inside the
// node: a flight recorder for consensus failures.
//
//	recorder, err := haltbox.Open(haltbox.Options{Dir: home + "/haltbox"})
//	if err != nil {
//		logger.Error("no flight recorder", "err", err) // the node goes on
//	}
//	defer recorder.Close()
//
//	recorder.BeginBlock(height, blockTime, inputDigest)
//	recorder.Record(entry) // as often as you like
//	recorder.EndBlock(height, appHash)
//	recorder.Commit(height, appHash)
//
// A nil *Recorder is one that is switched off: each of its methods does nothing
// and returns nil. What [Open] returns beside an error is nil, so a node needs
// no condition around its calls.
//
// Every method may be called from any goroutine. Those of the execution do not
// wait for the disk (as [Open], [Recorder.Freeze] and [Recorder.LogPanic] do), none
// panics, and none returns what the node has to act upon: errors may be ignored.
// An entry for which the ring had no room is not an error; [Stats.Dropped] counts
// it.
//
// The recorder is the library libhaltbox, linked by cgo. Without cgo, on a
// system it is not made for, or with the build tag nolink_haltbox, everything
// builds and [Open] returns [ErrNotLinked].
package haltbox
