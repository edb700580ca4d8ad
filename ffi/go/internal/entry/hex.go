package entry

import (
	"encoding/binary"
	"slices"
)

// appendHex is hex.AppendEncode, four bytes at a time: most of an entry is hex.
func appendHex(line, value []byte) []byte {
	at := len(line)
	line = slices.Grow(line, 2*len(value))[:at+2*len(value)]
	into := line[at:]
	for len(value) >= 4 {
		binary.LittleEndian.PutUint64(into, digitsOf(binary.LittleEndian.Uint32(value)))
		value, into = value[4:], into[8:]
	}
	for at, octet := range value {
		into[2*at], into[2*at+1] = digits[octet>>4], digits[octet&15]
	}
	return line
}

const digits = "0123456789abcdef"

// digitsOf returns the eight digits of four bytes, the first in the lowest byte.
func digitsOf(octets uint32) uint64 {
	const each = 0x0101010101010101
	// Spread each byte over two, then each half into its own byte.
	wide := uint64(octets)
	wide = (wide | wide<<16) & 0x0000ffff0000ffff
	wide = (wide | wide<<8) & 0x00ff00ff00ff00ff
	wide = wide>>4&0x000f000f000f000f | wide&0x000f000f000f000f<<8
	// A half above 9 is a letter.
	letters := (wide + 6*each) >> 4 & each
	return wide + '0'*each + letters*('a'-'0'-10)
}
