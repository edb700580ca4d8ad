// Package entry writes entries, one line of JSON each, into a reused buffer. It uses no reflection,
// and allocates nothing once the buffer has grown.
package entry

import (
	"strconv"
	"unicode/utf8"
)

// Room is the size of the free space before an entry, for a record header.
const Room = 16

// Entry is an entry that is being written. The zero value is ready.
type Entry struct {
	// line is the free space and the entry behind it.
	line []byte
}

// begin returns the line without an entry.
func (e *Entry) begin() []byte {
	if cap(e.line) < Room {
		e.line = make([]byte, Room, 512)
	}
	return e.line[:Room]
}

// Begin starts an entry and discards the one before. Types and names of members must not contain
// characters that JSON escapes.
func (e *Entry) Begin(kind string) *Entry {
	line := append(e.begin(), `{"type":"`...)
	line = append(line, kind...)
	e.line = append(line, '"')
	return e
}

// BeginWith starts an entry with a beginning that many entries share, from the opening brace on,
// and a number behind it.
func (e *Entry) BeginWith(opening string, members []byte, number int64) *Entry {
	line := append(e.begin(), opening...)
	line = append(line, members...)
	e.line = strconv.AppendInt(line, number, 10)
	return e
}

// End returns the line, which the next Begin overwrites.
func (e *Entry) End() []byte { return e.EndBehindRoom()[Room:] }

// EndBehindRoom returns the line with the free space before it.
func (e *Entry) EndBehindRoom() []byte {
	e.line = append(e.line, '}')
	return e.line
}

// Open starts a member that holds an object; Shut ends it.
func (e *Entry) Open(name string) *Entry {
	e.line = append(e.named(name), '{')
	return e
}

// Shut ends an object.
func (e *Entry) Shut() *Entry {
	e.line = append(e.line, '}')
	return e
}

// Int adds a whole number.
func (e *Entry) Int(name string, value int64) *Entry {
	e.line = strconv.AppendInt(e.named(name), value, 10)
	return e
}

// Bool adds true or false.
func (e *Entry) Bool(name string, value bool) *Entry {
	e.line = strconv.AppendBool(e.named(name), value)
	return e
}

// Text adds any text.
func (e *Entry) Text(name, value string) *Entry {
	e.line = AppendText(e.named(name), value)
	return e
}

// Texts adds a list of any texts.
func (e *Entry) Texts(name string, values []string) *Entry {
	line := append(e.named(name), '[')
	for at, value := range values {
		if at > 0 {
			line = append(line, ',')
		}
		line = AppendText(line, value)
	}
	e.line = append(line, ']')
	return e
}

// Hex adds bytes in hex, or null for nil.
func (e *Entry) Hex(name string, value []byte) *Entry {
	line := e.named(name)
	if value == nil {
		e.line = append(line, null...)
		return e
	}
	e.line = append(appendHex(append(line, '"'), value), '"')
	return e
}

// Digest adds the SHA-256 of bytes, or null for nil.
func (e *Entry) Digest(name string, value []byte) *Entry {
	line := e.named(name)
	if value == nil {
		e.line = append(line, null...)
		return e
	}
	e.line = append(appendDigest(append(line, '"'), value), '"')
	return e
}

// DigestBy does the same with cached digests.
func (e *Entry) DigestBy(digests *Digests, name string, value []byte) *Entry {
	line := e.named(name)
	if value == nil {
		e.line = append(line, null...)
		return e
	}
	e.line = append(digests.appendOf(append(line, '"'), value), '"')
	return e
}

// Key adds bytes in hex, or `sha256:` and their digest if there are more than 64.
func (e *Entry) Key(name string, value []byte) *Entry {
	if len(value) <= longestKey {
		return e.Hex(name, value)
	}
	line := append(e.named(name), `"sha256:`...)
	e.line = append(appendDigest(line, value), '"')
	return e
}

const (
	longestKey = 64
	null       = "null"
)

// named returns the line behind the name of its next member.
func (e *Entry) named(name string) []byte {
	line := e.line
	if line[len(line)-1] != '{' {
		line = append(line, ',')
	}
	line = append(line, '"')
	line = append(line, name...)
	return append(line, '"', ':')
}

// AppendText appends a JSON string. Bytes that are not UTF-8 become U+FFFD.
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
		} else if isPlain[text[at]] {
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

// isPlain has the ASCII characters that need no escape.
var isPlain = func() (plain [256]bool) {
	for char := byte(' '); char < 0x7f; char++ {
		plain[char] = char != '"' && char != '\\'
	}
	return plain
}()

func appendEscaped(line []byte, char byte) []byte {
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
