// Package entry writes entries, one line of JSON each, into a buffer that is
// used again: without reflection, and without taking memory once it has grown.
package entry

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"unicode/utf8"
)

// Entry is one that is being written. The zero value is ready.
type Entry struct {
	line []byte
}

// Begin starts an entry, and forgets the one before. Types are names, without
// characters that JSON escapes; so are the names of members.
func (e *Entry) Begin(kind string) *Entry {
	e.line = append(e.line[:0], `{"type":"`...)
	e.line = append(e.line, kind...)
	e.line = append(e.line, '"')
	return e
}

// End gives the line, which the next Begin overwrites.
func (e *Entry) End() []byte {
	e.line = append(e.line, '}')
	return e.line
}

// Open starts a member that holds an object; Shut ends it.
func (e *Entry) Open(name string) *Entry {
	e.name(name)
	e.line = append(e.line, '{')
	return e
}

// Shut ends an object.
func (e *Entry) Shut() *Entry {
	e.line = append(e.line, '}')
	return e
}

// Int is a whole number.
func (e *Entry) Int(name string, value int64) *Entry {
	e.name(name)
	e.line = strconv.AppendInt(e.line, value, 10)
	return e
}

// Bool is true or false.
func (e *Entry) Bool(name string, value bool) *Entry {
	e.name(name)
	e.line = strconv.AppendBool(e.line, value)
	return e
}

// Text is any text.
func (e *Entry) Text(name, value string) *Entry {
	e.name(name)
	e.line = AppendText(e.line, value)
	return e
}

// Hex is bytes in hex, or null for nil.
func (e *Entry) Hex(name string, value []byte) *Entry {
	e.name(name)
	if value == nil {
		return e.null()
	}
	e.line = append(e.line, '"')
	e.line = hex.AppendEncode(e.line, value)
	e.line = append(e.line, '"')
	return e
}

// Digest is the SHA-256 of bytes, or null for nil.
func (e *Entry) Digest(name string, value []byte) *Entry {
	if value == nil {
		e.name(name)
		return e.null()
	}
	digest := sha256.Sum256(value)
	return e.Hex(name, digest[:])
}

// Key is bytes in hex, or `sha256:` and their digest if there are more than 64.
func (e *Entry) Key(name string, value []byte) *Entry {
	if len(value) <= longestKey {
		return e.Hex(name, value)
	}
	digest := sha256.Sum256(value)
	e.name(name)
	e.line = append(e.line, `"sha256:`...)
	e.line = hex.AppendEncode(e.line, digest[:])
	e.line = append(e.line, '"')
	return e
}

const longestKey = 64

func (e *Entry) null() *Entry {
	e.line = append(e.line, "null"...)
	return e
}

func (e *Entry) name(name string) {
	if last := e.line[len(e.line)-1]; last != '{' {
		e.line = append(e.line, ',')
	}
	e.line = append(e.line, '"')
	e.line = append(e.line, name...)
	e.line = append(e.line, '"', ':')
}

// AppendText appends a JSON string. What is no UTF-8 becomes U+FFFD.
func AppendText(line []byte, text string) []byte {
	line = append(line, '"')
	plain := 0
	for at := 0; at < len(text); {
		size := 1
		if text[at] >= utf8.RuneSelf {
			var char rune
			char, size = utf8.DecodeRuneInString(text[at:])
			if char != utf8.RuneError || size != 1 {
				at += size
				continue
			}
		} else if isPlain(text[at]) {
			at++
			continue
		}
		line = append(line, text[plain:at]...)
		line = appendEscaped(line, text[at])
		at += size
		plain = at
	}
	line = append(line, text[plain:]...)
	return append(line, '"')
}

func isPlain(char byte) bool {
	return char >= ' ' && char != '"' && char != '\\' && char != 0x7f
}

func appendEscaped(line []byte, char byte) []byte {
	const digits = "0123456789abcdef"
	switch {
	case char == '"' || char == '\\':
		return append(line, '\\', char)
	case char == '\n':
		return append(line, '\\', 'n')
	case char == '\t':
		return append(line, '\\', 't')
	case char >= utf8.RuneSelf:
		return append(line, `\ufffd`...)
	}
	return append(line, '\\', 'u', '0', '0', digits[char>>4], digits[char&15])
}
