//go:build !(cgo && linux && (amd64 || arm64 || sys_haltbox) && !nolink_haltbox)

package api

// Handle has no recorder: Open never returns one.
type Handle struct{}

// Open returns NotLinked.
func Open(Options) (Handle, Status, string) { return Handle{}, NotLinked, "" }

// BeginBlock does nothing.
func (Handle) BeginBlock(uint64, int64, []byte) Status { return NotLinked }

// Record does nothing.
func (Handle) Record([]byte) Status { return NotLinked }

// Lend returns nothing.
func (Handle) Lend() (Span, Status) { return Span{}, NotLinked }

// GiveBack does nothing.
func (Handle) GiveBack() {}

// Log does nothing.
func (Handle) Log([]byte) Status { return NotLinked }

// Crank does nothing.
func (Handle) Crank(uint64, []byte, []byte) Status { return NotLinked }

// EndBlock does nothing.
func (Handle) EndBlock(uint64, []byte) Status { return NotLinked }

// Commit does nothing.
func (Handle) Commit(uint64, []byte) Status { return NotLinked }

// Confirm does nothing.
func (Handle) Confirm(uint64, []byte) Status { return NotLinked }

// Abort does nothing.
func (Handle) Abort(uint64) Status { return NotLinked }

// Diverged does nothing.
func (Handle) Diverged(uint64, []byte, []byte, string) Status { return NotLinked }

// Freeze does nothing.
func (Handle) Freeze(uint64) (string, Status, string) { return "", NotLinked, "" }

// TakeMessage returns nothing.
func (Handle) TakeMessage() (string, Status) { return "", NotLinked }

// Stats returns nothing.
func (Handle) Stats() (Stats, Status) { return Stats{}, NotLinked }

// Flush does nothing.
func (Handle) Flush() Status { return NotLinked }

// Close does nothing.
func (Handle) Close() Status { return OK }

// Version returns an empty text.
func Version() string { return "" }
