//go:build cgo && static_haltbox && !muslc && !sys_haltbox && !nolink_haltbox

package api

// #cgo LDFLAGS: -L${SRCDIR} -lhaltbox_static.aarch64 -lgcc_s -lutil -lrt -lpthread -lm -ldl
// #ifdef __has_include
// #if !__has_include("libhaltbox_static.aarch64.a")
// #error "no libhaltbox_static.aarch64.a in this version of github.com/haltbox/haltbox/ffi/go: put it there with build-lib --static, or build with -tags nolink_haltbox"
// #endif
// #endif
import "C"
