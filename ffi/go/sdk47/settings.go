// Code generated from sdk/settings.go; DO NOT EDIT.

package sdk47

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/haltbox/haltbox/ffi/go/internal/foreign"
)

// settings are the values of app.toml that reach the execution of a block: caches, the
// layout and the pruning of the stores, the database, and where a node halts. None of
// them should change a result, and faults of each of them did. What only CheckTx and
// queries see, such as minimum-gas-prices and query-gas-limit, is left out, and so is
// what a node serves, and to whom.
var settings = []string{
	"app-db-backend", "halt-height", "halt-time", "iavl-cache-size", "iavl-disable-fastnode", "iavl-lazy-loading",
	"iavl-sync-pruning", "inter-block-cache", "pruning", "pruning-interval", "pruning-keep-recent",
}

// sections of app.toml that are about execution: of virtual machines, and of other stores.
var sections = []string{"evm.", "memiavl.", "state-commit.", "state-store.", "versiondb.", "wasm."}

// settingsSum is a digest of them; nil if they are not known.
type settingsSum [sha256.Size]byte

func (s *settingsSum) bytes() []byte {
	if s == nil {
		return nil
	}
	return s[:]
}

// settingsDigest is the digest of these values, of the file, of the environment and of the
// command line together, by their names. It is nil where the options do not tell which there are.
func settingsDigest(options AppOptions) (digest *settingsSum) {
	all, is := options.(interface{ AllKeys() []string })
	if !is {
		return nil
	}
	// The SDK asks for values alone.
	if foreign.Call(func() { digest = settingsOf(options, all.AllKeys()) }) != nil {
		return nil
	}
	return digest
}

func settingsOf(options AppOptions, keys []string) *settingsSum {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	sum := sha256.New()
	for _, key := range keys {
		if reachesExecution(key) {
			fmt.Fprintf(sum, "%q=%q\n", key, fmt.Sprint(options.Get(key)))
		}
	}
	return (*settingsSum)(sum.Sum(nil))
}

func reachesExecution(key string) bool {
	within := func(section string) bool { return strings.HasPrefix(key, section) }
	return slices.Contains(settings, key) || slices.ContainsFunc(sections, within)
}
