package haltbox

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/haltbox/haltbox/ffi/go/internal/api"
	"github.com/haltbox/haltbox/ffi/go/internal/lane"
)

func init() {
	lane.Of = func(recorder any) (*lane.Lane, *api.Handle) {
		r := recorder.(*Recorder)
		return &r.lane, &r.handle
	}
}

// digestLength is that of SHA-256 and BLAKE3, in bytes.
const digestLength = 32

// Agreement is what the network's AppHash says of this node's.
type Agreement int

const (
	// Unknown: this node's AppHash is not known, and nothing was released.
	Unknown Agreement = iota
	// Equal: the block is released, and every block below it.
	Equal
	// Differs: the block is pinned until a box holds it.
	Differs
)

// Stats tell how recording stands.
type Stats struct {
	// Records and Bytes were recorded since the recorder was opened.
	Records, Bytes uint64
	// Dropped counts entries for which there was no room that may be
	// overwritten: what is left in the ring waits for a box.
	Dropped uint64
	// Head is the height begun last; 0 for none.
	Head uint64
	// Released is the greatest height the network agreed with; 0 for none.
	Released uint64
	// Oldest is the least height that has entries in the ring; 0 for none.
	Oldest uint64
	// Pinned counts blocks that must not be overwritten.
	Pinned uint64
	// Diverged counts those of them that diverged and are in no box yet.
	Diverged uint64
}

// Recorder records into one folder. Nil is a recorder that is switched off.
type Recorder struct {
	// handle stays valid for ever: the library answers calls after Close.
	handle api.Handle
	notice string
	lane   lane.Lane
	// silent until Tell is called: only a background thread has messages, and
	// one caller gets them.
	silent atomic.Bool
	// boundary is what to call where one execution ends and another may begin.
	boundary     []func()
	boundaryLock sync.Mutex
}

// Open opens or makes the ring, and waits for the disk while it does: a second
// for a new one. With an error, whose text can be shown to the operator as it is,
// the recorder is nil.
func Open(options Options) (*Recorder, error) {
	if options.holdNul() {
		return nil, ErrBadArgument
	}
	handle, status, message := api.Open(options.lower())
	if status < 0 {
		return nil, errorWith(status, message)
	}
	recorder := &Recorder{handle: handle, notice: message}
	recorder.silent.Store(options.Background)
	return recorder, nil
}

// Notice is what the operator should hear of an opening that went well: a ring
// that was set aside, a thread that could not be started. Mostly empty.
func (r *Recorder) Notice() string {
	if r == nil {
		return ""
	}
	return r.notice
}

// AtBoundary has a function called before each [Recorder.BeginBlock],
// [Recorder.EndBlock] and [Recorder.Abort]: entries of the execution before are
// not to stand behind these. Package kvtrace ends its attempts by it.
func (r *Recorder) AtBoundary(end func()) {
	if r == nil {
		return
	}
	r.boundaryLock.Lock()
	defer r.boundaryLock.Unlock()
	r.boundary = append(r.boundary, end)
}

func (r *Recorder) arriveAtBoundary() {
	r.boundaryLock.Lock()
	ends := r.boundary
	r.boundaryLock.Unlock()
	for _, end := range ends {
		end()
	}
}

// BeginBlock tells that the execution of a block begins: at a block time in
// 1678 to 2262, or the zero time, with a digest (32 bytes, or none) of what the
// block brings. Nodes are compared by both.
func (r *Recorder) BeginBlock(height uint64, blockTime time.Time, inputDigest []byte) error {
	if r == nil {
		return nil
	}
	if len(inputDigest) != digestLength && len(inputDigest) != 0 {
		return ErrBadArgument
	}
	var ns int64
	if !blockTime.IsZero() {
		ns = blockTime.UnixNano()
	}
	r.arriveAtBoundary()
	return errorOf(r.lane.Call(func() api.Status { return r.handle.BeginBlock(height, ns, inputDigest) }))
}

// Record keeps one entry of what the node executes: a line of JSON as the
// profile reads it, or any other bytes; of any length, also none. The bytes are
// copied before Record returns. A line end inside parts the entry in two.
func (r *Recorder) Record(entry []byte) error {
	if r == nil {
		return nil
	}
	return errorOf(r.lane.Record(r.handle, entry))
}

// Log keeps a line of the node's log, which is read for the AppHash and for
// the words of a consensus failure.
func (r *Recorder) Log(line []byte) error {
	if r == nil {
		return nil
	}
	return errorOf(r.handle.Log(line))
}

// Crank tells that a part of a block with digests of its own (32 bytes each)
// ended.
func (r *Recorder) Crank(number uint64, crankhash, activityhash []byte) error {
	if r == nil {
		return nil
	}
	if len(crankhash) != digestLength || len(activityhash) != digestLength {
		return ErrBadArgument
	}
	return errorOf(r.lane.Call(func() api.Status { return r.handle.Crank(number, crankhash, activityhash) }))
}

// EndBlock tells that the execution of the block ended, and the AppHash it
// gave (1 to 64 bytes), if that is known by then.
func (r *Recorder) EndBlock(height uint64, appHash []byte) error {
	if r == nil {
		return nil
	}
	r.arriveAtBoundary()
	return errorOf(r.lane.Call(func() api.Status { return r.handle.EndBlock(height, appHash) }))
}

// Commit tells that the block's state is durable. It releases the block before:
// a chain commits a block only on top of one the network agreed with.
func (r *Recorder) Commit(height uint64, appHash []byte) error {
	if r == nil {
		return nil
	}
	return errorOf(r.lane.Call(func() api.Status { return r.handle.Commit(height, appHash) }))
}

// Confirm tells what the network decided for a height: the AppHash in the
// decided header of the next one. A switched-off recorder knows nothing: Unknown.
func (r *Recorder) Confirm(height uint64, networkAppHash []byte) (Agreement, error) {
	if r == nil {
		return Unknown, nil
	}
	status := r.handle.Confirm(height, networkAppHash)
	switch status {
	case api.OK:
		return Equal, nil
	case api.Differs:
		return Differs, nil
	}
	return Unknown, errorOf(status)
}

// Abort tells that an execution of the height was thrown away: an optimistic
// one whose proposal was not decided.
func (r *Recorder) Abort(height uint64) error {
	if r == nil {
		return nil
	}
	r.arriveAtBoundary()
	return errorOf(r.lane.Call(func() api.Status { return r.handle.Abort(height) }))
}

// Diverged tells that it is proved that a height differs: this node expected
// one hash and got another. what differs: "AppHash" (also if empty),
// "LastResultsHash". The block is kept until a box holds it.
func (r *Recorder) Diverged(height uint64, expected, got []byte, what string) error {
	if r == nil {
		return nil
	}
	return errorOf(r.handle.Diverged(height, expected, got, what))
}

// Freeze writes the black box of a height, or with 0 of the one an operator
// would mean, and returns its path. It waits for the disk, seconds for a large
// ring; recording goes on meanwhile.
func (r *Recorder) Freeze(height uint64) (path string, err error) {
	if r == nil {
		return "", nil
	}
	path, status, message := r.handle.Freeze(height)
	return path, errorWith(status, message)
}

// Stats tells how recording stands. Without a recorder everything is 0.
func (r *Recorder) Stats() (Stats, error) {
	if r == nil {
		return Stats{}, nil
	}
	stats, status := r.handle.Stats()
	return Stats(stats), errorOf(status)
}

// Flush has the kernel begin to write to the disk, and waits only where the disk's
// queue is full. What
// was recorded survives the end of the process without it.
func (r *Recorder) Flush() error {
	if r == nil {
		return nil
	}
	return errorOf(r.handle.Flush())
}

// Close closes the ring in order. Calls under way end, later ones return
// [ErrClosed], and a box that is being written is finished. It may be called more
// than once. A process that ends without Close loses nothing.
func (r *Recorder) Close() error {
	if r == nil {
		return nil
	}
	return errorOf(r.lane.Close(&r.handle))
}
