//go:build cgo && !muslc && !static_haltbox && !sys_haltbox && !nolink_haltbox

package api

// #cgo LDFLAGS: -Wl,-rpath,${SRCDIR} -L${SRCDIR} -lhaltbox.x86_64
import "C"
