// Package logline writes lines of a log in the form of CometBFT's JSON log.
package logline

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/haltbox/haltbox/ffi/go/internal/entry"
)

// Missing is the value of a key that came without one, as in go-kit's loggers, which CometBFT uses.
const Missing = "(MISSING)"

// Line is a line of CometBFT's JSON log. The zero value is ready.
type Line struct {
	bytes []byte
	// keys are the written keys, to leave out a repeated field.
	keys []string
}

// Write returns the line, which the next call overwrites.
func (l *Line) Write(level, msg string, now time.Time, fields, keyvals []any) []byte {
	l.bytes = append(l.bytes[:0], `{"_msg":`...)
	l.bytes = entry.AppendText(l.bytes, msg)
	l.bytes = append(l.bytes, `,"level":"`...)
	l.bytes = append(l.bytes, level...)
	l.bytes = append(l.bytes, `","ts":"`...)
	l.bytes = now.UTC().AppendFormat(l.bytes, time.RFC3339Nano)
	l.bytes = append(l.bytes, '"')
	l.keys = append(l.keys[:0], "_msg", "level", "ts")
	// Of two fields with the same key the later counts, so the loop runs from the end.
	l.pairs(keyvals)
	l.pairs(fields)
	return append(l.bytes, '}')
}

func (l *Line) pairs(keyvals []any) {
	for at := (len(keyvals) - 1) &^ 1; at >= 0; at -= 2 {
		key := text(keyvals[at])
		if l.has(key) {
			continue
		}
		l.keys = append(l.keys, key)
		l.bytes = append(l.bytes, ',')
		l.bytes = entry.AppendText(l.bytes, key)
		l.bytes = append(l.bytes, ':')
		if at+1 == len(keyvals) {
			l.bytes = entry.AppendText(l.bytes, Missing)
		} else {
			l.bytes = appendValue(l.bytes, keyvals[at+1])
		}
	}
}

func (l *Line) has(key string) bool {
	for _, had := range l.keys {
		if had == key {
			return true
		}
	}
	return false
}

// appendValue writes numbers as JSON numbers and all else as text: bytes in upper-case hex, as in
// CometBFT's plain log.
func appendValue(line []byte, value any) []byte {
	switch value := value.(type) {
	case string:
		return entry.AppendText(line, value)
	case int64:
		return strconv.AppendInt(line, value, 10)
	case int:
		return strconv.AppendInt(line, int64(value), 10)
	case int32:
		return strconv.AppendInt(line, int64(value), 10)
	case uint64:
		return strconv.AppendUint(line, value, 10)
	case uint32:
		return strconv.AppendUint(line, uint64(value), 10)
	case bool:
		return strconv.AppendBool(line, value)
	case nil:
		return append(line, "null"...)
	}
	return entry.AppendText(line, text(value))
}

// text is what a logger prints for a value. Values run the node's own code. One that panics, as a
// nil pointer may, must not panic once more than it would without the recorder.
func text(value any) (text string) {
	defer func() {
		if recover() != nil {
			text = "(PANIC)"
		}
	}()
	switch value := value.(type) {
	case string:
		return value
	case error:
		return value.Error()
	case fmt.Stringer:
		return value.String()
	case []byte:
		return upperHex(value)
	}
	return fmt.Sprint(value)
}

func upperHex(value []byte) string {
	digits := make([]byte, 0, 2*len(value))
	digits = hex.AppendEncode(digits, value)
	for at, digit := range digits {
		if digit >= 'a' {
			digits[at] = digit - 'a' + 'A'
		}
	}
	return string(digits)
}

// lines are reused buffers.
var lines = sync.Pool{New: func() any { return new(Line) }}

// Give passes a line to a function, which must not keep it.
func Give(to func(line []byte) error, level, msg string, fields, keyvals []any) {
	line := lines.Get().(*Line)
	_ = to(line.Write(level, msg, time.Now(), fields, keyvals))
	lines.Put(line)
}

// Join returns a new list: loggers with a common origin must not share the memory behind the ends
// of their lists.
func Join(fields, keyvals []any) []any {
	joined := make([]any, 0, len(fields)+len(keyvals)+1)
	joined = append(append(joined, fields...), keyvals...)
	if len(joined)%2 != 0 {
		joined = append(joined, Missing)
	}
	return joined
}
