package validator

import (
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/node"
	"github.com/spf13/viper"
)

// Config of a home.
func Config(home string) (*config.Config, error) {
	c := config.TestConfig()
	read := viper.New()
	read.SetConfigFile(filepath.Join(home, "config", "config.toml"))
	if err := read.ReadInConfig(); err != nil {
		return nil, err
	}
	if err := read.Unmarshal(c); err != nil {
		return nil, err
	}
	c.SetRoot(home)
	return c, nil
}

// Tie ends the process when standard input does, so that nothing is left of a
// test that was killed.
func Tie() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
}

// Run runs a node until a signal ends it.
func Run(n *node.Node) error {
	if err := n.Start(); err != nil {
		return err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	<-ended
	err := n.Stop()
	n.Wait()
	return err
}
