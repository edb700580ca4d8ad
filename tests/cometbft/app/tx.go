package app

import (
	"fmt"
	"strconv"
	"strings"
)

// A transaction is a name and operations, as text:
//
//	12.3;get acc/7;add acc/7 1;set note/3 hello;div acc/7 2;del note/2;fold acc/
//
// The name makes it unlike any other. The operations on the store, which the
// recording counts from 0, are: get one, set one, del one, add and div two (a
// read, a write), fold a read of each key and a write.
type transaction struct {
	operations []operation
}

type operation struct {
	kind, key string
	// value of a set.
	value []byte
	// number of an add or a div.
	number int64
}

// parameters after the key.
var parameters = map[string]int{"get": 0, "del": 0, "fold": 0, "set": 1, "add": 1, "div": 1}

func parse(tx []byte) (transaction, error) {
	var parsed transaction
	parts := strings.Split(string(tx), ";")
	for _, part := range parts[1:] {
		operation, err := parseOperation(part)
		if err != nil {
			return transaction{}, err
		}
		parsed.operations = append(parsed.operations, operation)
	}
	return parsed, nil
}

func parseOperation(text string) (operation, error) {
	words := strings.Fields(text)
	if len(words) < 2 {
		return operation{}, fmt.Errorf("%q: expected an operation and a key", text)
	}
	expected, known := parameters[words[0]]
	if !known || len(words) != 2+expected {
		return operation{}, fmt.Errorf("%q: no operation, or not its parameters", text)
	}
	parsed := operation{kind: words[0], key: words[1]}
	switch parsed.kind {
	case "set":
		parsed.value = []byte(words[2])
	case "add", "div":
		number, err := strconv.ParseInt(words[2], 10, 64)
		if err != nil || number <= 0 {
			return operation{}, fmt.Errorf("%q: expected a number above 0", text)
		}
		parsed.number = number
	}
	return parsed, nil
}

// accounts is the number of keys that the load touches.
const accounts = 512

// load gives the transactions a proposer fills its block with: the same for
// every proposer of a height.
func load(height int64, count int) [][]byte {
	txs := make([][]byte, count)
	for number := range txs {
		account := (height*31 + int64(number)*7) % accounts
		other := (account + 13) % accounts
		txs[number] = fmt.Appendf(nil, "%d.%d;get acc/%d;add acc/%d %d;set note/%d at-%d", height, number,
			other, account, 1+height%5, account, height)
	}
	// Reads many keys, so that their order tells.
	if count > 2 {
		txs[count-1] = fmt.Appendf(nil, "%d.%d;add acc/%d 5;div acc/%d 2;fold acc/1", height, count-1, height%accounts, height%accounts)
	}
	return txs
}
