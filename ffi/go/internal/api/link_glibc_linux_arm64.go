//go:build cgo && !muslc && !static_haltbox && !sys_haltbox && !nolink_haltbox

package api

// #cgo LDFLAGS: -Wl,-rpath,${SRCDIR} -L${SRCDIR} -lhaltbox.aarch64
import "C"
