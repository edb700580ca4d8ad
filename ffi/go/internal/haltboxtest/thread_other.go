//go:build !linux

package haltboxtest

// ThreadTime is that of the process where there is no clock of the thread.
func ThreadTime() int64 { return processorTime() }
