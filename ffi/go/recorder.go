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

// digestLength is the length of SHA-256 and BLAKE3 digests, in bytes.
const digestLength = 32

// Agreement is the result of comparing this node's AppHash with the network's.
type Agreement int

const (
	// Unknown: this node's AppHash is not known. Nothing was released.
	Unknown Agreement = iota
	// Equal: the block is released, and every block below it.
	Equal
	// Differs: the block is pinned until a box holds it.
	Differs
)

// Stats is the state of the recording.
type Stats struct {
	// Records and Bytes count entries and their bytes since the recorder was opened, including
	// dropped entries.
	Records, Bytes uint64
	// Dropped counts dropped entries: the ring had no room that may be overwritten, because what is
	// left in it waits for a box.
	Dropped uint64
	// Head is the height that began last; 0 for none.
	Head uint64
	// Released is the highest height that the network agreed with; 0 for none.
	Released uint64
	// Oldest is the lowest height that has entries in the ring; 0 for none.
	Oldest uint64
	// Pinned counts blocks that must not be overwritten.
	Pinned uint64
	// Diverged counts pinned blocks that diverged and are in no box yet.
	Diverged uint64
}

// Recorder records into one folder. A nil Recorder is switched off.
type Recorder struct {
	// handle stays valid after Close: the library never frees it.
	handle api.Handle
	notice string
	lane   lane.Lane
	// silent is true until Tell is called, if there is a background thread: only that has messages,
	// and one caller gets them.
	silent atomic.Bool
	// boundary has the functions to call between two executions.
	boundary     []func()
	boundaryLock sync.Mutex
}

// Open opens or creates the ring. It waits for the disk, about a second for a new ring. After an
// error the recorder is nil; the text of the error can be shown to the operator as it is.
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

// Notice is a message for the operator about a successful opening: a ring that was moved aside, a
// thread that could not be started. It is usually empty.
func (r *Recorder) Notice() string {
	if r == nil {
		return ""
	}
	return r.notice
}

// AtBoundary registers a function that is called before each [Recorder.BeginBlock],
// [Recorder.EndBlock] and [Recorder.Abort], so that no entry of the execution before stands behind
// them. Package kvtrace ends its attempts with it.
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

// BeginBlock records that the execution of a block begins. The block time is in the years 1678 to
// 2262, or the zero time. The input digest has 32 bytes, or none. Nodes are compared by both.
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

// Record records one entry of what the node executes: a line of JSON as the profile reads it, or
// any other bytes, of any length. It copies the bytes before it returns. A line end inside splits
// the entry in two.
func (r *Recorder) Record(entry []byte) error {
	if r == nil {
		return nil
	}
	return errorOf(r.lane.Record(r.handle, entry))
}

// Log records a line of the node's log. The profile reads the AppHash and consensus failures from
// it.
func (r *Recorder) Log(line []byte) error {
	if r == nil {
		return nil
	}
	return errorOf(r.handle.Log(line))
}

// Crank records the end of a part of a block that has its own digests, of 32 bytes each.
func (r *Recorder) Crank(number uint64, crankhash, activityhash []byte) error {
	if r == nil {
		return nil
	}
	if len(crankhash) != digestLength || len(activityhash) != digestLength {
		return ErrBadArgument
	}
	return errorOf(r.lane.Call(func() api.Status { return r.handle.Crank(number, crankhash, activityhash) }))
}

// EndBlock records that the execution of the block ended, with its AppHash (1 to 64 bytes) if that
// is known already.
func (r *Recorder) EndBlock(height uint64, appHash []byte) error {
	if r == nil {
		return nil
	}
	r.arriveAtBoundary()
	return errorOf(r.lane.Call(func() api.Status { return r.handle.EndBlock(height, appHash) }))
}

// Commit records that the block's state is durable. It releases the block before, because a chain
// commits a block only on top of one that the network agreed with.
func (r *Recorder) Commit(height uint64, appHash []byte) error {
	if r == nil {
		return nil
	}
	return errorOf(r.lane.Call(func() api.Status { return r.handle.Commit(height, appHash) }))
}

// Confirm records what the network decided for a height: the AppHash in the decided header of the
// next height. A switched-off recorder returns Unknown.
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

// Abort records that an execution of the height was discarded, such as an optimistic one whose
// proposal was not decided.
func (r *Recorder) Abort(height uint64) error {
	if r == nil {
		return nil
	}
	r.arriveAtBoundary()
	return errorOf(r.lane.Call(func() api.Status { return r.handle.Abort(height) }))
}

// Diverged records that a height is proved to differ: this node expected one hash and got another.
// what is the field that differs, such as "LastResultsHash"; empty means "AppHash". The block is
// kept until a box holds it.
func (r *Recorder) Diverged(height uint64, expected, got []byte, what string) error {
	if r == nil {
		return nil
	}
	return errorOf(r.handle.Diverged(height, expected, got, what))
}

// Freeze writes the black box of a height and returns its path. Height 0 means the block that
// diverged, is pinned, or was executed last. Freeze waits for the disk, seconds for a large ring;
// other goroutines can record meanwhile.
func (r *Recorder) Freeze(height uint64) (path string, err error) {
	if r == nil {
		return "", nil
	}
	path, status, message := r.handle.Freeze(height)
	return path, errorWith(status, message)
}

// Stats returns the state of the recording. For a switched-off recorder everything is 0.
func (r *Recorder) Stats() (Stats, error) {
	if r == nil {
		return Stats{}, nil
	}
	stats, status := r.handle.Stats()
	return Stats(stats), errorOf(status)
}

// Flush makes the kernel start to write the ring to the disk, and waits only if the disk's queue is
// full. It matters only for a power cut: what was recorded survives the end of the process anyway.
func (r *Recorder) Flush() error {
	if r == nil {
		return nil
	}
	return errorOf(r.handle.Flush())
}

// Close closes the ring. It waits for running calls; later calls return [ErrClosed]. A box that is
// being written is finished. Close may be called more than once. A process that ends without Close
// loses nothing, unless the engine is the queue.
func (r *Recorder) Close() error {
	if r == nil {
		return nil
	}
	return errorOf(r.lane.Close(&r.handle))
}
