module github.com/haltbox/haltbox/ffi/go

go 1.22
