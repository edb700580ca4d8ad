// Code generated from sdk/messages.go; DO NOT EDIT.

package sdk47

import (
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// mostMessages whose types are told of a transaction: those it begins with.
	mostMessages = 4
	// longestType of a message that is told.
	longestType = 128
)

// messageTypes gives the types of the messages of a transaction, as the SDK encodes one:
// TxRaw.body_bytes, TxBody.messages and Any.type_url are the first field of each. Of bytes
// that are something else it gives none.
func messageTypes(tx []byte) (types []string) {
	body := field(tx)
	if body == nil {
		return nil
	}
	for rest := body; len(rest) > 0 && len(types) < mostMessages; {
		number, value, size := next(rest)
		if size < 0 {
			return nil
		}
		if rest = rest[size:]; number != wanted {
			continue
		}
		name := string(field(value))
		if !isTypeURL(name) {
			return nil
		}
		types = append(types, name)
	}
	return types
}

// wanted is the number of the field that each of them has what is looked for in.
const wanted protowire.Number = 1

// field gives the bytes of the first field with that number; nil if there is none.
func field(message []byte) []byte {
	for len(message) > 0 {
		number, value, size := next(message)
		if size < 0 || number == wanted {
			return value
		}
		message = message[size:]
	}
	return nil
}

// next gives a field, its bytes if it has a length, and how much there is of it; a negative
// size if it is none.
func next(message []byte) (number protowire.Number, value []byte, size int) {
	number, kind, tag := protowire.ConsumeTag(message)
	if tag < 0 {
		return 0, nil, tag
	}
	size = protowire.ConsumeFieldValue(number, kind, message[tag:])
	if size < 0 {
		return 0, nil, size
	}
	if kind == protowire.BytesType {
		value, _ = protowire.ConsumeBytes(message[tag:])
	}
	return number, value, tag + size
}

// isTypeURL tells whether a text is the name of a type, as protobuf allows it.
func isTypeURL(text string) bool {
	if len(text) > longestType || !strings.Contains(text, "/") {
		return false
	}
	return strings.IndexFunc(text, func(char rune) bool {
		letter := 'a' <= char|0x20 && char|0x20 <= 'z'
		return !letter && !('0' <= char && char <= '9') && !strings.ContainsRune("_./-", char)
	}) < 0
}
