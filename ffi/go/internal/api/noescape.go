//go:build go1.24 && cgo && linux && (amd64 || arm64 || sys_haltbox) && !nolink_haltbox

package api

// Entries stay on the stack: the library copies them, keeps no pointer and never calls back.

// #cgo noescape haltbox_begin_block
// #cgo nocallback haltbox_begin_block
// #cgo noescape haltbox_record
// #cgo nocallback haltbox_record
// #cgo noescape haltbox_lend
// #cgo nocallback haltbox_lend
// #cgo noescape haltbox_log
// #cgo nocallback haltbox_log
// #cgo noescape haltbox_crank
// #cgo nocallback haltbox_crank
// #include "haltbox.h"
import "C"
