package sdk

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	haltbox "github.com/haltbox/haltbox/ffi/go"
)

// section of app.toml, and prefix of the environment.
const (
	section = "haltbox."
	prefix  = "HALTBOX_"
)

// ConfigTemplate is the section of app.toml, for a chain that writes its own
// defaults into a new one: append it to the template of
// server.InterceptConfigsPreRunHandler. An operator may as well write it by hand.
const ConfigTemplate = `
###############################################################################
###                                 Haltbox                                 ###
###############################################################################

# The flight recorder for consensus failures. HALTBOX_ENABLE=true and the like in
# the environment go before what stands here.
[haltbox]
enable = false
# Where the ring and the boxes are; empty for haltbox/ in the node's home.
dir = ""
# What the ring takes at once, and the archive at most.
ring-mib = 256
archive-mib = 2048
# What is recorded of the stores, beside inputs, results and the root of each:
# "operations" is every read and write in its order, "writes" what each block changed,
# "roots" no more than the roots.
stores = "operations"
# Say true if the chain has a runner of its own for transactions that executes one after
# the other: without that, "operations" records "writes" then.
sequential = false
# Values of at most so many bytes are kept beside their digests.
value-bytes = 0
# Ends the sentence that tells an operator where to send a box.
upload-hint = ""
`

// AppOptions is what the SDK's servertypes.AppOptions has.
type AppOptions interface {
	Get(key string) any
}

// config is what the operator chose.
type config struct {
	options    haltbox.Options
	stores     detail
	sequential bool
	valueBytes int
	// settings is what the node is set up with; nil if that is not told.
	settings *settingsSum
}

// configOf gives nil if the recorder is switched off.
func configOf(options AppOptions) (*config, error) {
	from := source{options: options}
	if !from.truth("enable", false) {
		return nil, from.err
	}
	dir := from.text("dir")
	if dir == "" {
		dir = filepath.Join(from.home(), "haltbox")
	}
	program, _ := os.Executable()
	chosen := &config{
		options: haltbox.Options{
			Dir:          dir,
			RingSize:     from.number("ring-mib", 0) << 20,
			ArchiveBytes: from.number("archive-mib", 0) << 20,
			UploadHint:   from.text("upload-hint"),
			NodeProgram:  program,
			Background:   true,
		},
		stores:     from.detail("stores"),
		sequential: from.truth("sequential", false),
		valueBytes: int(from.number("value-bytes", 0)),
		settings:   settingsDigest(options),
	}
	if from.err != nil {
		return nil, from.err
	}
	return chosen, nil
}

// source of settings: the environment, then app.toml. The first error stays.
type source struct {
	options AppOptions
	err     error
}

// text is empty for what is not set.
func (s *source) text(name string) string {
	if set := os.Getenv(prefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))); set != "" {
		return set
	}
	if s.options == nil {
		return ""
	}
	if set := s.options.Get(section + name); set != nil {
		return strings.TrimSpace(fmt.Sprint(set))
	}
	return ""
}

func (s *source) truth(name string, otherwise bool) bool {
	text := s.text(name)
	if text == "" {
		return otherwise
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		s.fail(name, text, "true or false")
	}
	return value
}

// detail is how much is recorded of the stores.
type detail int

const (
	operations detail = iota
	written
	rootsAlone
)

// detail takes true and false for the first and the last.
func (s *source) detail(name string) detail {
	switch text := s.text(name); text {
	case "", "operations", "true":
		return operations
	case "writes":
		return written
	case "roots", "false":
		return rootsAlone
	default:
		s.fail(name, text, `"operations", "writes" or "roots"`)
		return rootsAlone
	}
}

// longest is the greatest number of MiB that has a number of bytes.
const longest = 1<<43 - 1

func (s *source) number(name string, otherwise uint64) uint64 {
	text := s.text(name)
	if text == "" {
		return otherwise
	}
	value, err := strconv.ParseUint(text, 10, 64)
	if err != nil || value > longest {
		s.fail(name, text, "a whole number")
		return otherwise
	}
	return value
}

// home of the node: the flag --home, which the SDK's server puts among its options.
func (s *source) home() string {
	if s.options != nil {
		if home, is := s.options.Get("home").(string); is && home != "" {
			return home
		}
	}
	s.fail("dir", "", "a folder, as the node's home is not known")
	return ""
}

func (s *source) fail(name, found, expected string) {
	if s.err == nil {
		s.err = fmt.Errorf("haltbox: %s%s in app.toml, or %s in the environment: expected %s, found %q; nothing is recorded",
			section, name, prefix+strings.ToUpper(strings.ReplaceAll(name, "-", "_")), expected, found)
	}
}
