//go:build cgo && muslc && !sys_haltbox && !nolink_haltbox

package api

// #cgo LDFLAGS: -L${SRCDIR} -lhaltbox_muslc.aarch64
import "C"
