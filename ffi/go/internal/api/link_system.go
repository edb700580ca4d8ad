//go:build cgo && linux && sys_haltbox && !nolink_haltbox

package api

// #cgo LDFLAGS: -lhaltbox
import "C"
