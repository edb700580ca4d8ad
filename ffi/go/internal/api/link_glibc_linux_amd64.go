//go:build cgo && !muslc && !static_haltbox && !sys_haltbox && !nolink_haltbox

package api

// #cgo LDFLAGS: -Wl,-rpath,${SRCDIR} -L${SRCDIR} -lhaltbox.x86_64
// #ifdef __has_include
// #if !__has_include("libhaltbox.x86_64.so")
// #error "no libhaltbox.x86_64.so in this version of github.com/haltbox/haltbox/ffi/go: put it there with build-lib, or build with -tags nolink_haltbox"
// #endif
// #endif
import "C"
