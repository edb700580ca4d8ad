//go:build cgo && linux && (amd64 || arm64 || sys_haltbox) && !nolink_haltbox

package api

// #include "haltbox.h"
import "C"

// A status whose number is not the header's does not compile.
var (
	_ = [1]struct{}{}[OK-C.HALTBOX_OK]
	_ = [1]struct{}{}[Dropped-C.HALTBOX_DROPPED]
	_ = [1]struct{}{}[Differs-C.HALTBOX_DIFFERS]
	_ = [1]struct{}{}[Unknown-C.HALTBOX_UNKNOWN]
	_ = [1]struct{}{}[BadArgument-C.HALTBOX_BAD_ARGUMENT]
	_ = [1]struct{}{}[TooNew-C.HALTBOX_TOO_NEW]
	_ = [1]struct{}{}[Locked-C.HALTBOX_LOCKED]
	_ = [1]struct{}{}[FileSystem-C.HALTBOX_FILE_SYSTEM]
	_ = [1]struct{}{}[NoSpace-C.HALTBOX_NO_SPACE]
	_ = [1]struct{}{}[IO-C.HALTBOX_IO]
	_ = [1]struct{}{}[Forked-C.HALTBOX_FORKED]
	_ = [1]struct{}{}[Closed-C.HALTBOX_CLOSED]
	_ = [1]struct{}{}[Broken-C.HALTBOX_BROKEN]
	_ = [1]struct{}{}[MarkedByEntries-C.HALTBOX_MARKED_BY_ENTRIES]
	_ = [1]struct{}{}[Nothing-C.HALTBOX_NOTHING]
	_ = [1]struct{}{}[NotFrozen-C.HALTBOX_NOT_FROZEN]
	_ = [1]struct{}{}[Profile-C.HALTBOX_PROFILE]
	_ = [1]struct{}{}[NotLent-C.HALTBOX_NOT_LENT]
)
