// Code generated from sdk/command.go; DO NOT EDIT.

package sdk47

import (
	"github.com/cosmos/cosmos-sdk/server"
	"github.com/spf13/cobra"
)

// Command has the start command of a node hand its log to the recorder, CometBFT's
// and the SDK's, and tell it a panic of CometBFT's: as it makes the node it may panic
// without a word to the logger. Call it in main, between making the root command and
// executing it:
//
//	rootCmd := cmd.NewRootCmd()
//	haltbox.Command(rootCmd)
//
// Without it a node that differs is not known for one: CometBFT tells its application
// nothing, only its log.
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

// end is for a defer: the recorder is opened behind it.
func (t *tap) end() {
	cause := recover()
	recorder := t.recorder.Load()
	if cause != nil {
		recorder.TellPanic(cause)
	}
	_ = recorder.Close()
	if cause != nil {
		panic(cause)
	}
}
