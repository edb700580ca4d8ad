//go:build tools

// Package peer pins op-interop-mon, which a test runs beside `haltbox watch`.
package peer

// The real program, as its release has it.
import _ "github.com/ethereum-optimism/optimism/op-interop-mon/cmd"
