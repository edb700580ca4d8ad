//go:build cgo && static_haltbox && !muslc && !sys_haltbox && !nolink_haltbox

package api

// #cgo LDFLAGS: -L${SRCDIR} -lhaltbox_static.aarch64 -lgcc_s -lutil -lrt -lpthread -lm -ldl
import "C"
