package haltbox

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// asked is how often Tell looks for a message.
const asked = 250 * time.Millisecond

// Tell gives each line that the operator should read to say: the message of a box
// that the background thread wrote, as it stands in boxes/CONSENSUS_FAILURE.txt,
// or why it wrote none. It returns when the recorder is closed, so it has a
// goroutine of its own:
//
//	go recorder.Tell(func(line string) { logger.Error(line) })
//
// The wrapper of package cometlog does that by itself. The first call gets all
// lines, any other returns at once, as does one without [Options.Background]: then
// there are none.
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
			time.Sleep(asked)
			continue
		}
		for _, line := range strings.Split(strings.TrimSpace(message), "\n") {
			say(strings.TrimSpace(line))
		}
	}
}

// LogPanic is for a defer in the goroutine that makes the node: CometBFT panics
// there if the application's AppHash is not the one it knows, without a word to
// the logger. The panic is recorded as a line of the log and goes on. If a block is
// pinned then, by these words or by what came before, its box is written, of
// several that of the newest, and its path told on standard error, where the
// panic goes; there is no other announcement of it.
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

// TellPanic does what [Recorder.LogPanic] does with a panic that the caller has
// recovered from, and lets go on: for a recorder that is opened only within what may
// panic, later than its defer.
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
