//go:build cgo && muslc && !sys_haltbox && !nolink_haltbox

package api

// #cgo LDFLAGS: -L${SRCDIR} -lhaltbox_muslc.aarch64
// #ifdef __has_include
// #if !__has_include("libhaltbox_muslc.aarch64.a")
// #error "no libhaltbox_muslc.aarch64.a in this version of github.com/haltbox/haltbox/ffi/go: put it there with build-lib --musl, or build with -tags nolink_haltbox"
// #endif
// #endif
import "C"
