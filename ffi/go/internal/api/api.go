// Package api is the border to libhaltbox: the only package that uses cgo.
package api

// Status is the result of a call, as in haltbox.h. 0: done. Above 0: done, but check the value.
// Below 0: nothing was done.
type Status int32

// The numbers of haltbox.h. The compiler compares them in numbers.go.
const (
	OK              Status = 0
	Dropped         Status = 1
	Differs         Status = 2
	Unknown         Status = 3
	BadArgument     Status = -1
	TooNew          Status = -2
	Locked          Status = -3
	FileSystem      Status = -4
	NoSpace         Status = -5
	IO              Status = -6
	Forked          Status = -7
	Closed          Status = -8
	Broken          Status = -9
	MarkedByEntries Status = -10
	Nothing         Status = -11
	NotFrozen       Status = -12
	Profile         Status = -13
	NotLent         Status = -14

	// These are this package's own: no library is linked, or one with another ABI.
	NotLinked Status = -1 << 31
	OtherABI  Status = NotLinked + 1
)

// Options are the options of Open, as in haltbox_options.
type Options struct {
	Dir, Profile, NodeProgram, UploadHint string
	RingSize, ArchiveBytes                uint64
	PersistSeconds                        uint32
	Background                            bool
	Engine                                uint32
}

// Stats are the fields of haltbox_stats.
type Stats struct {
	Records, Bytes, Dropped, Head, Released, Oldest, Pinned, Diverged uint64
}
