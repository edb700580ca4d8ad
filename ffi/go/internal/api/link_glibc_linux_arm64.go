//go:build cgo && !muslc && !sys_haltbox && !nolink_haltbox

package api

// #cgo LDFLAGS: -Wl,-rpath,${SRCDIR} -L${SRCDIR} -lhaltbox.aarch64
import "C"
