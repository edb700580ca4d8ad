//go:build tools

package main

// The node's own program, for applications that it talks to over a socket.
import _ "github.com/cometbft/cometbft/cmd/cometbft"
