// Code generated from abci/input.go; DO NOT EDIT.

package abci1

import (
	"crypto/sha256"
)

// misbehaviorDigest returns nil for no misbehavior.
func (in *input) misbehaviorDigest() []byte {
	if len(in.misbehavior) == 0 {
		return nil
	}
	all := sha256.New()
	for at := range in.misbehavior {
		all.Write(digest(marshalled(&in.misbehavior[at])))
	}
	return all.Sum(nil)
}

// marshalled is deterministic, because none of these messages has a map.
func marshalled(message interface{ Marshal() ([]byte, error) }) []byte {
	bytes, err := message.Marshal()
	if err != nil {
		return nil
	}
	return bytes
}

func digest(bytes []byte) []byte {
	sum := sha256.Sum256(bytes)
	return sum[:]
}

// noneIfEmpty returns nil for an empty slice. A client in the process passes nil where one behind a
// socket makes an empty slice, and both nodes got the same request.
func noneIfEmpty(bytes []byte) []byte {
	if len(bytes) == 0 {
		return nil
	}
	return bytes
}
