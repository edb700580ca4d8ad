//go:build !linux

package haltboxtest

// ThreadTime returns the time of the process: this system has no clock of the thread.
func ThreadTime() int64 { return processorTime() }
