package sdk47

import (
	"github.com/spf13/cobra"

	"github.com/cosmos/cosmos-sdk/server"
)

// Command has the start command of a node hand its log to the recorder, CometBFT's
// and the SDK's. Call it in main, between making the root command and executing it:
//
//	rootCmd := cmd.NewRootCmd()
//	haltbox.Command(rootCmd)
//
// Without it a node that differs is not known for one: CometBFT tells its application
// nothing, only its log.
//
// The SDK 0.47 runs CometBFT in a goroutine of its own. A panic there ends the process,
// and nothing of the recorder's hears of it: what was recorded is in the ring.
func Command(root *cobra.Command) {
	for _, command := range root.Commands() {
		if command.Name() == "start" && command.RunE != nil {
			command.RunE = recorded(command.RunE)
		}
	}
}

func recorded(run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(command *cobra.Command, arguments []string) error {
		context := server.GetServerContextFromCmd(command)
		chosen, _ := configOf(context.Viper)
		if chosen == nil {
			return run(command, arguments)
		}
		tap := newTap(context.Logger)
		context.Logger = tap
		defer tap.end()
		return run(command, arguments)
	}
}

// end waits for a box that is being written. Otherwise the recorder stays open until the
// process is over, because the goroutine of CometBFT goes on until then: a block that it
// commits meanwhile would have no end in the recording.
func (t *tap) end() {
	recorder := t.recorder.Load()
	if stats, err := recorder.Stats(); err == nil && stats.Diverged > 0 {
		_ = recorder.Close()
	}
}
