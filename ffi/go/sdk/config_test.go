package sdk

import (
	"path/filepath"
	"strings"
	"testing"

	"cosmossdk.io/log"
)

type options map[string]any

func (o options) Get(key string) any { return o[key] }

func TestWhatTheOperatorChooses(t *testing.T) {
	home := options{"home": "/home/v", "haltbox.enable": "true"}
	for name, step := range map[string]struct {
		options     options
		environment map[string]string
		want        func(c *config, err error) bool
	}{
		"nothing": {options{"home": "/home/v"}, nil, func(c *config, err error) bool { return c == nil && err == nil }},
		"on": {home, nil, func(c *config, err error) bool {
			return err == nil && c.options.Dir == "/home/v/haltbox" && c.stores == operations && !c.sequential && c.options.RingSize == 0
		}},
		"sequential": {home, map[string]string{"HALTBOX_SEQUENTIAL": "true"}, func(c *config, err error) bool {
			return err == nil && c.sequential
		}},
		"sequential or not": {home, map[string]string{"HALTBOX_SEQUENTIAL": "maybe"}, refused("haltbox.sequential")},
		"on by the environment": {options{"home": "/home/v", "haltbox.enable": false, "haltbox.ring-mib": int64(7)},
			map[string]string{"HALTBOX_ENABLE": "1", "HALTBOX_STORES": "false", "HALTBOX_DIR": "/x"},
			func(c *config, err error) bool {
				return err == nil && c.options.Dir == "/x" && c.stores == rootsAlone && c.options.RingSize == 7<<20
			}},
		"neither true nor false": {home, map[string]string{"HALTBOX_STORES": "maybe"}, refused("haltbox.stores", `"maybe"`)},
		"too much":               {home, map[string]string{"HALTBOX_RING_MIB": "18446744073709551615"}, refused("HALTBOX_RING_MIB")},
		"no home":                {options{"haltbox.enable": true}, nil, refused("haltbox.dir")},
	} {
		t.Run(name, func(t *testing.T) {
			for name, value := range step.environment {
				t.Setenv(name, value)
			}
			if chosen, err := configOf(step.options); !step.want(chosen, err) {
				t.Errorf("%+v, %v", chosen, err)
			}
		})
	}
}

func refused(parts ...string) func(*config, error) bool {
	return func(c *config, err error) bool {
		for _, part := range parts {
			if c != nil || err == nil || !strings.Contains(err.Error(), part) {
				return false
			}
		}
		return true
	}
}

// The template is of the settings that are read, with the values they have anyway.
func TestTheTemplateIsTheDefault(t *testing.T) {
	found := options{"home": "/home/v"}
	for _, line := range strings.Split(ConfigTemplate, "\n") {
		if name, value, is := strings.Cut(line, " = "); is && !strings.HasPrefix(line, "#") {
			found[section+name] = strings.Trim(value, `"`)
		}
	}
	found["haltbox.enable"] = true
	chosen, err := configOf(found)
	plain, _ := configOf(options{"home": "/home/v", "haltbox.enable": true})
	if err != nil || len(found) != 9 {
		t.Fatal(err, found)
	}
	if chosen.options.RingSize != 256<<20 || chosen.options.ArchiveBytes != 2048<<20 {
		t.Errorf("%+v", chosen)
	}
	chosen.options.RingSize, chosen.options.ArchiveBytes = 0, 0
	if *chosen != *plain {
		t.Errorf("%+v, and without it %+v", chosen, plain)
	}
}

func TestSwitchedOffItIsTheApplicationItself(t *testing.T) {
	var box *Box = New(log.NewNopLogger(), options{"home": filepath.Clean("/home/v")})
	if box != nil || box.Wrap(nil) != nil {
		t.Error("it is on")
	}
	box.Option(nil)
}

// keys is what the SDK's server hands over: it tells its keys, too.
type keys struct{ options }

func (k keys) AllKeys() (all []string) {
	for key := range k.options {
		all = append(all, key)
	}
	return all
}

// keyless panics where it is asked for its keys.
type keyless struct{ options }

func (keyless) AllKeys() []string { panic("not implemented") }

func TestOptionsThatPanicHaveNoDigest(t *testing.T) {
	if settingsDigest(keyless{}) != nil {
		t.Error("they have one")
	}
}

// What reaches execution is told apart, and nothing else is.
func TestTheDigestOfWhatANodeIsSetUpWith(t *testing.T) {
	own := func(change options) string {
		set := options{"iavl-cache-size": 781250, "wasm.memory_cache_size": 100, "moniker": "a", "minimum-gas-prices": "1stake"}
		for key, value := range change {
			set[key] = value
		}
		return string(settingsDigest(keys{set}).bytes())
	}
	for key, reaches := range map[string]bool{
		"iavl-cache-size": true, "inter-block-cache": true, "wasm.memory_cache_size": true, "pruning": true,
		"moniker": false, "minimum-gas-prices": false, "query-gas-limit": false, "p2p.laddr": false, "haltbox.dir": false,
	} {
		if (own(options{key: "another"}) != own(nil)) != reaches {
			t.Errorf("%s: expected that it reaches execution: %v", key, reaches)
		}
	}
	if own(nil) != own(options{"iavl-cache-size": "781250"}) || settingsDigest(options{"pruning": "nothing"}) != nil {
		t.Error("a number and its text differ, or options without keys are told")
	}
}
