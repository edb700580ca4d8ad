// Package api is the border to libhaltbox: the only package that uses cgo.
package api

// Status of a call, as haltbox.h numbers them: 0 done, above it done but look,
// below it nothing was done.
type Status int32

// The numbers of haltbox.h. numbers.go has the compiler compare them.
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

	// These are this package's own: no library stands behind it, or another one.
	NotLinked Status = -1 << 31
	OtherABI  Status = NotLinked + 1
)

// Options of Open, as haltbox_options.
type Options struct {
	Dir, Profile, NodeProgram, UploadHint string
	RingSize, ArchiveBytes                uint64
	PersistSeconds                        uint32
	Background                            bool
	Engine                                uint32
}

// Stats as haltbox_stats.
type Stats struct {
	Records, Bytes, Dropped, Head, Released, Oldest, Pinned, Diverged uint64
}
