package haltbox

import "github.com/haltbox/haltbox/ffi/go/internal/api"

// Version returns the version of the linked library; empty if none is linked.
func Version() string { return api.Version() }
