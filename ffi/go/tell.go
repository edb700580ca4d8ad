package haltbox

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// pollInterval is the time between two looks for a message.
const pollInterval = 250 * time.Millisecond

// Tell passes each line for the operator to say: the message about a box that the background thread
// wrote, as in boxes/CONSENSUS_FAILURE.txt, or the reason why it wrote none. Tell returns when the
// recorder is closed, so run it in its own goroutine:
//
//	go recorder.Tell(func(line string) { logger.Error(line) })
//
// The wrapper of package cometlog does that itself. The first call gets all lines. Any other call
// returns at once, as does a call without [Options.Background], which is needed for messages.
func (r *Recorder) Tell(say func(line string)) {
	if r == nil || !r.silent.Swap(false) {
		return
	}
	for {
		message, status := r.handle.TakeMessage()
		if err := errorOf(status); err != nil {
			if errors.Is(err, ErrBroken) {
				say(err.Error())
			}
			return
		}
		if message == "" {
			time.Sleep(pollInterval)
			continue
		}
		for _, line := range strings.Split(strings.TrimSpace(message), "\n") {
			say(strings.TrimSpace(line))
		}
	}
}

// LogPanic is for a defer in the goroutine that creates the node: CometBFT panics there if the
// application's AppHash is not the one that it knows, and logs nothing. LogPanic records the panic
// as a line of the log and panics again. If a block is pinned then, by this panic or by an earlier
// entry, it writes the box of the newest pinned block, and prints the path on standard error, where
// the panic goes. There is no other announcement of the box.
//
//	recorder, err := haltbox.Open(...)
//	defer recorder.Close()
//	defer recorder.LogPanic()
//	n, err := node.NewNode(...)
func (r *Recorder) LogPanic() {
	if r == nil {
		return
	}
	if cause := recover(); cause != nil {
		r.TellPanic(cause)
		panic(cause)
	}
}

// TellPanic does the same as [Recorder.LogPanic] with a panic that the caller has recovered, but
// does not panic again. Use it if the recorder is opened only later than the defer.
func (r *Recorder) TellPanic(cause any) {
	if r == nil {
		return
	}
	_ = r.Log([]byte(fmt.Sprintf("panic: %v", cause)))
	if stats, err := r.Stats(); err != nil || stats.Pinned == 0 {
		return
	}
	if path, err := r.Freeze(0); err == nil {
		fmt.Fprintln(os.Stderr, "haltbox: black box", path)
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
}
