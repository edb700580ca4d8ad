package haltbox

import (
	"strings"

	"github.com/haltbox/haltbox/ffi/go/internal/api"
)

// NoArchive as [Options.ArchiveBytes] keeps no archive.
const NoArchive = ^uint64(0)

// Options say what to record, and where.
type Options struct {
	// Dir is the folder of ring, boxes and archive. It is made if it is not
	// there. Never under the node's data/, which operators reset or replace.
	Dir string
	// RingSize is the size of the ring in bytes, 4 MiB to 64 GiB; 0 for 256 MiB.
	RingSize uint64
	// Profile is the name of a builtin profile or the path of a profile's file;
	// empty for "host", which the calls of this package are made for.
	Profile string
	// NodeProgram is the node's executable, whose digest goes into the boxes.
	NodeProgram string
	// UploadHint completes the sentence that tells the operator where to send
	// a box: "to the thread the developers opened".
	UploadHint string
	// Background starts threads that freeze what diverged, archive, and make the
	// ring's pages present before a call needs them.
	// Without it, run `haltbox record --attach` beside the node.
	Background bool
	// ArchiveBytes bounds the archive of the background thread; 0 for 2 GiB.
	ArchiveBytes uint64
	// PersistSeconds is for how long an unproved mismatch has to last before
	// the background thread freezes it; 0 for 60.
	PersistSeconds uint32
}

// holdNul tells whether a text would be cut by its way through C.
func (o Options) holdNul() bool {
	for _, text := range []string{o.Dir, o.Profile, o.NodeProgram, o.UploadHint} {
		if strings.IndexByte(text, 0) >= 0 {
			return true
		}
	}
	return false
}

func (o Options) lower() api.Options {
	return api.Options{
		Dir:            o.Dir,
		RingSize:       o.RingSize,
		Profile:        o.Profile,
		NodeProgram:    o.NodeProgram,
		UploadHint:     o.UploadHint,
		ArchiveBytes:   o.ArchiveBytes,
		PersistSeconds: o.PersistSeconds,
		Background:     o.Background,
	}
}
