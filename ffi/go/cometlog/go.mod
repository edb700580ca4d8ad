module github.com/haltbox/haltbox/ffi/go/cometlog

go 1.22

require (
	github.com/cometbft/cometbft v0.38.0
	github.com/haltbox/haltbox/ffi/go v0.0.0
)

require (
	github.com/go-kit/log v0.2.1 // indirect
	github.com/go-logfmt/logfmt v0.6.0 // indirect
	github.com/pkg/errors v0.9.1 // indirect
)

replace github.com/haltbox/haltbox/ffi/go => ../
