package haltbox

import (
	"strings"

	"github.com/haltbox/haltbox/ffi/go/internal/api"
)

// NoArchive as [Options.ArchiveBytes] keeps no archive.
const NoArchive = ^uint64(0)

// Engine is how records get into the ring's file.
type Engine uint32

const (
	// EngineAuto maps where a full disk cannot end the process by that (ext4,
	// tmpfs, XFS made without reflinks), else it takes the queue.
	EngineAuto Engine = iota
	// EngineMap copies into the mapped file: a kill loses nothing. On XFS and btrfs
	// a full disk can end the process, or make a call wait.
	EngineMap
	// EngineWrite writes to the file in each call, which can wait for the disk: a
	// kill loses nothing.
	EngineWrite
	// EngineQueue copies into memory, which a thread writes to the file: a kill
	// loses what was not written yet, the last milliseconds as a rule.
	EngineQueue
)

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
	// Engine is how records get into the ring's file; 0 for what its file system
	// allows.
	Engine Engine
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
		Engine:         uint32(o.Engine),
	}
}
