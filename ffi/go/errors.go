package haltbox

import (
	"errors"

	"github.com/haltbox/haltbox/ffi/go/internal/api"
)

// Errors of calls, for errors.Is. In every case the call did nothing, and the node can continue.
var (
	// ErrNotLinked: this program was built without the recorder.
	ErrNotLinked = errors.New("haltbox: this program was built without libhaltbox (cgo off, another system, or nolink_haltbox)")
	// ErrBadArgument: an argument is not of its documented form.
	ErrBadArgument = errors.New("haltbox: an argument is not of its documented form")
	// ErrTooNew: the library is older than this package and lacks an option.
	ErrTooNew = errors.New("haltbox: libhaltbox is older than this package and does not know an option; install the one of this release")
	// ErrLocked: another recorder writes the ring.
	ErrLocked = errors.New("haltbox: another process records into this ring")
	// ErrFileSystem: a ring on this file system could crash the node.
	ErrFileSystem = errors.New("haltbox: a ring cannot be mapped safely on this file system; use ext4, XFS or tmpfs")
	// ErrNoSpace: there is no room for the ring, or for the box.
	ErrNoSpace = errors.New("haltbox: no space on the disk")
	// ErrIO: the disk failed.
	ErrIO = errors.New("haltbox: a file cannot be made, read or written")
	// ErrForked: this process is a fork of the one that opened the recorder.
	ErrForked = errors.New("haltbox: only the process that opened the recorder records")
	// ErrClosed: the recorder was closed.
	ErrClosed = errors.New("haltbox: the recorder is closed")
	// ErrBroken: the recorder failed in an earlier call and is off.
	ErrBroken = errors.New("haltbox: the recorder failed and is off")
	// ErrMarkedByEntries: the profile reads blocks from the node's entries.
	ErrMarkedByEntries = errors.New("haltbox: this profile takes blocks and cranks from the node's own entries; record those")
	// ErrNothing: ring and archive have nothing of that height.
	ErrNothing = errors.New("haltbox: there is nothing to freeze")
	// ErrNotFrozen: a box could not be written.
	ErrNotFrozen = errors.New("haltbox: the box was not written")
	// ErrProfile: there is no profile of that name, or its file is not a profile.
	ErrProfile = errors.New("haltbox: the profile cannot be read")
	// ErrOtherABI: the loaded library has another ABI than this package.
	ErrOtherABI = errors.New("haltbox: the libhaltbox that is loaded has another ABI than this package; install the one of this release")
)

// errorOf returns nil for every status that is not an error.
func errorOf(status api.Status) error {
	if status >= 0 {
		return nil
	}
	switch status {
	case api.BadArgument:
		return ErrBadArgument
	case api.TooNew:
		return ErrTooNew
	case api.Locked:
		return ErrLocked
	case api.FileSystem:
		return ErrFileSystem
	case api.NoSpace:
		return ErrNoSpace
	case api.IO:
		return ErrIO
	case api.Forked:
		return ErrForked
	case api.Closed:
		return ErrClosed
	case api.Broken:
		return ErrBroken
	case api.MarkedByEntries:
		return ErrMarkedByEntries
	case api.Nothing:
		return ErrNothing
	case api.NotFrozen:
		return ErrNotFrozen
	case api.Profile:
		return ErrProfile
	case api.NotLinked:
		return ErrNotLinked
	}
	return ErrOtherABI
}

// libraryError is an error with the library's own message.
type libraryError struct {
	kind    error
	message string
}

func (e *libraryError) Error() string { return "haltbox: " + e.message }
func (e *libraryError) Unwrap() error { return e.kind }

func errorWith(status api.Status, message string) error {
	kind := errorOf(status)
	if kind == nil || message == "" {
		return kind
	}
	return &libraryError{kind, message}
}
