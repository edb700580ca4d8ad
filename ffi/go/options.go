package haltbox

import (
	"strings"

	"github.com/haltbox/haltbox/ffi/go/internal/api"
)

// NoArchive as [Options.ArchiveBytes] means that no archive is kept.
const NoArchive = ^uint64(0)

// Engine is how records are written to the ring's file.
type Engine uint32

const (
	// EngineAuto is EngineMap on file systems where a full disk cannot kill a process that maps the
	// file (ext4, tmpfs, XFS made without reflinks), else EngineQueue.
	EngineAuto Engine = iota
	// EngineMap copies into the mapped file. A kill loses nothing. On XFS and btrfs a full disk can
	// kill the process, or make a call wait.
	EngineMap
	// EngineWrite writes to the file in each call, which can wait for the disk. A kill loses
	// nothing.
	EngineWrite
	// EngineQueue copies into memory, and a thread writes that to the file. A kill loses what is
	// not written yet, usually the last milliseconds.
	EngineQueue
)

// Options say what to record, and where.
type Options struct {
	// Dir is the folder for ring, boxes and archive, created if it does not exist. Do not put it
	// under the node's data/, which operators reset or replace.
	Dir string
	// RingSize is the size of the ring in bytes, 4 MiB to 1 TiB; 0 for 256 MiB.
	RingSize uint64
	// Profile is the name of a builtin profile, or the path of a profile file. Empty means "host",
	// which the calls of this package are made for.
	Profile string
	// NodeProgram is the path of the node's executable. Its digest is stored in the boxes.
	NodeProgram string
	// UploadHint completes the sentence that tells the operator where to send
	// a box: "to the thread the developers opened".
	UploadHint string
	// Background starts threads that freeze blocks that diverged, archive released blocks, and
	// fault in the ring's pages before a call needs them. Without it, run `haltbox record --attach`
	// beside the node.
	Background bool
	// Engine is how records are written to the ring's file; 0 to choose by file system.
	Engine Engine
	// ArchiveBytes is the maximum size of the archive of the background thread; 0 for 2 GiB.
	ArchiveBytes uint64
	// PersistSeconds is how long a mismatch without proof must last before the background thread
	// freezes it; 0 for 60.
	PersistSeconds uint32
}

// holdNul reports whether a text contains a NUL, which would cut it in C.
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
