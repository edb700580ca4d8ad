package haltboxtest

import (
	"syscall"
	"unsafe"
)

// ThreadTime returns the processor time of this thread, in nanoseconds, which excludes the work of
// others. Getrusage counts only in ticks.
func ThreadTime() int64 {
	const thread = 3 // CLOCK_THREAD_CPUTIME_ID
	var time syscall.Timespec
	at := uintptr(unsafe.Pointer(&time))
	if _, _, failed := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, thread, at, 0); failed != 0 {
		return 0
	}
	return time.Nano()
}
