// Code generated from sdk/messages_test.go; DO NOT EDIT.

package sdk47

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func fieldOf(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

// rawTx is a TxRaw with messages of these types.
func rawTx(types ...string) []byte {
	var body []byte
	for _, name := range types {
		body = append(body, fieldOf(1, append(fieldOf(1, []byte(name)), fieldOf(2, []byte("value"))...))...)
	}
	body = append(body, fieldOf(2, []byte("memo"))...)
	return append(fieldOf(1, body), fieldOf(2, []byte("auth"))...)
}

func TestTheTypesOfMessagesAreReadFromTheBytes(t *testing.T) {
	const send, vote = "/cosmos.bank.v1beta1.MsgSend", "/cosmos.gov.v1.MsgVote"
	many := strings.Split(strings.Repeat(send+" ", 999)+send, " ")
	for name, of := range map[string]struct {
		tx   []byte
		want []string
	}{
		"one":                     {rawTx(send), []string{send}},
		"two":                     {rawTx(send, vote), []string{send, vote}},
		"many":                    {rawTx(many...), many[:4]},
		"none":                    {rawTx(), nil},
		"no transaction":          {[]byte("no transaction"), nil},
		"nothing":                 {nil, nil},
		"a type that is too long": {rawTx("/" + strings.Repeat("a", 128)), nil},
		"a type that is none":     {rawTx(send, "/\x1b[2J"), nil},
		"a type without a slash":  {rawTx("MsgSend"), nil},
		"no bytes for a type":     {fieldOf(1, fieldOf(1, protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 7))), nil},
		"a length beyond its end": {[]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1}, nil},
	} {
		if got := messageTypes(of.tx); !slices.Equal(got, of.want) {
			t.Errorf("%s: %q, want %q", name, got, of.want)
		}
	}
	whole := rawTx(send, vote)
	for end := range whole {
		for _, name := range messageTypes(whole[:end]) {
			if name != send && name != vote {
				t.Errorf("%d bytes give %q", end, name)
			}
		}
	}
}

func FuzzMessageTypes(f *testing.F) {
	f.Add(rawTx("/a.B", "/c.D"))
	f.Fuzz(func(t *testing.T, tx []byte) {
		types := messageTypes(tx)
		if len(types) > mostMessages {
			t.Errorf("%d types", len(types))
		}
		for _, name := range types {
			if !isTypeURL(name) {
				t.Errorf("%q", name)
			}
		}
	})
}
