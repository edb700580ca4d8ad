package entry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestEveryKindOfMemberIsJSON(t *testing.T) {
	var e Entry
	line := e.Begin("op-x").Int("n", -7).Bool("yes", true).Text("text", "a\"b").Hex("hex", []byte{0xab}).
		Hex("none", nil).Digest("digest", []byte("abc")).Digest("nothing", nil).
		Open("local").Text("code", "sdk").Int("m", 1).Texts("l", []string{"a", "b\n"}).Shut().Bool("last", false).End()
	want := `{"type":"op-x","n":-7,"yes":true,"text":"a\"b","hex":"ab","none":null,` +
		`"digest":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad","nothing":null,` +
		`"local":{"code":"sdk","m":1,"l":["a","b\n"]},"last":false}`
	if string(line) != want {
		t.Errorf("got  %s\nwant %s", line, want)
	}
	if !json.Valid(line) {
		t.Errorf("no JSON: %s", line)
	}
}

func TestKeysOfMoreThan64BytesAreDigests(t *testing.T) {
	var e Entry
	long := bytes.Repeat([]byte{1}, 65)
	line := string(e.Begin("k").Key("a", long[:64]).Key("b", long).Key("c", nil).Key("d", []byte{}).End())
	for _, part := range []string{`"a":"` + strings.Repeat("01", 64) + `"`, `"b":"sha256:`, `"c":null`, `"d":""`} {
		if !strings.Contains(line, part) {
			t.Errorf("no %s in %s", part, line)
		}
	}
}

func TestTheBufferIsUsedAgain(t *testing.T) {
	var e Entry
	e.Begin("long").Text("text", strings.Repeat("x", 300)).End()
	allocations := testing.AllocsPerRun(100, func() {
		e.Begin("op-read").Int("tx", 1).Key("key", nil).Digest("value", []byte("v")).End()
	})
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

// encoding/json reads any text back as it would its own.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "plain", "\"\\\n\t\r\x00\x1f\x7f", "a\xffb", "\u2028é\U0001f600", "\xed\xa0\x80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		line := AppendText(nil, text)
		var got string
		if err := json.Unmarshal(line, &got); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if want := string([]rune(text)); got != want {
			t.Errorf("%q came back as %q", text, got)
		}
		if bytes.IndexByte(line, '\n') >= 0 {
			t.Errorf("a line end in %q", line)
		}
	})
}

func TestHexIsThatOfTheLibrary(t *testing.T) {
	all := make([]byte, 256)
	for at := range all {
		all[at] = byte(at)
	}
	for from := range 8 {
		for length := range 40 {
			for _, value := range [][]byte{all[from : from+length], all[256-from-length : 256-from]} {
				if got := string(appendHex([]byte("x"), value)); got != "x"+hex.EncodeToString(value) {
					t.Fatalf("%x came out as %s", value, got)
				}
			}
		}
	}
}

// More values than are cached, each more than once, and some at the same place.
func TestARememberedDigestIsThatOfTheValue(t *testing.T) {
	var digests Digests
	var e Entry
	for round := range 3 {
		for number := range 3 * remembered {
			value := bytes.Repeat([]byte{byte(number), byte(number >> 8)}, number%(longestRemembered/2+2))
			got := string(e.Begin("k").DigestBy(&digests, "v", value).End())
			if want := fmt.Sprintf(`{"type":"k","v":"%x"}`, sha256.Sum256(value)); got != want {
				t.Fatalf("round %d, %x: got %s, want %s", round, value, got, want)
			}
		}
	}
	if got := string(e.Begin("k").DigestBy(&digests, "v", nil).End()); got != `{"type":"k","v":null}` {
		t.Error(got)
	}
}

// An application may change bytes that it passed, in its own goroutine.
func TestADigestIsThatOfWhatIsRemembered(t *testing.T) {
	value := []byte("value")
	var place digested
	place.keep(value)
	value[0] = 'V'
	place.digest()
	if want := fmt.Sprintf("%x", sha256.Sum256([]byte("value"))); string(place.hex[:]) != want {
		t.Errorf("got %s, want %s", place.hex, want)
	}
}
