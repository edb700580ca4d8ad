package entry

import (
	"bytes"
	"crypto/sha256"
	"hash/maphash"
)

const (
	// remembered is the number of cached values. A hash of the value selects the place.
	remembered = 1024
	// longestRemembered is the length of the longest cached value: most values in stores are
	// shorter. One place fills four cache lines; a value of up to 60 bytes needs two.
	longestRemembered = 189
)

// Digests computes SHA-256 in hex, and caches the digests of short values: an execution reads what
// it wrote, and reads the same parameters with each transaction. The zero value is ready.
type Digests struct {
	seed   maphash.Seed
	places []digested
}

type digested struct {
	hex    [2 * sha256.Size]byte
	length int16
	filled bool
	value  [longestRemembered]byte
}

// appendOf appends the digest of a value.
func (d *Digests) appendOf(line, value []byte) []byte {
	if len(value) > longestRemembered {
		return appendDigest(line, value)
	}
	if d.places == nil {
		d.seed, d.places = maphash.MakeSeed(), make([]digested, remembered)
	}
	place := &d.places[maphash.Bytes(d.seed, value)%remembered]
	if !place.filled || !bytes.Equal(place.value[:place.length], value) {
		place.keep(value)
		place.digest()
	}
	return append(line, place.hex[:]...)
}

func (d *digested) keep(value []byte) {
	d.filled, d.length = true, int16(copy(d.value[:], value))
}

// digest hashes the kept copy. The application may have changed its own bytes since, and this
// digest is used for every value that equals the copy.
func (d *digested) digest() {
	appendDigest(d.hex[:0], d.value[:d.length])
}

func appendDigest(line, value []byte) []byte {
	digest := sha256.Sum256(value)
	return appendHex(line, digest[:])
}
