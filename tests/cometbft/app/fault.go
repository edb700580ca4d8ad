package app

import (
	"encoding/json"
	"os"
	"syscall"
)

// Fault is a way to go wrong, at one place of one block.
type Fault struct {
	// Kind is one of:
	//
	//	value      the write at tx, op has another value
	//	gas        tx uses one more gas
	//	data       tx gives other data, and nothing else differs
	//	order      fold reads its keys as a Go map has them, in every tx
	//	kill       SIGKILL before tx, op
	//	kill-commit  SIGKILL as Commit begins, before anything is saved
	Kind string `json:"kind"`
	// Height of the block; 0 for the last one before this node's own proposal.
	Height int64 `json:"height"`
	Tx     int   `json:"tx"`
	Op     int   `json:"op"`
}

// armed reads what the harness put there. A node that is killed by its fault is
// not to be killed again by it.
func armed(file string) (fault Fault) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Fault{}
	}
	if err := json.Unmarshal(text, &fault); err != nil {
		panic(err)
	}
	return fault
}

// die leaves no time for anything, and nothing to die of again.
func die(file string) {
	if err := os.Remove(file); err != nil {
		panic(err)
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}
