// valnode is a CometBFT validator with the recorder linked, an application that
// goes wrong on command, and what a test needs to make a chain of them.
//
//	valnode testnet DIR PORT            homes DIR/node0 to node3; ports from PORT on
//	valnode run HOME [options]          a validator, until it is killed
//	valnode reexecute HOME HEIGHT       the AppHash of a height, by a fresh application
//	                                    that executes the blocks of a stopped node
//
// CometBFT 0.38 is in go.mod, 0.40 in comet-0.40.mod. Releases before 0.38 call an
// application otherwise: comet-0.37.mod is for the program in abci1.
package main

import (
	"fmt"
	"os"

	"github.com/haltbox/haltbox/tests/cometbft/validator"
)

func main() {
	commands := map[string]func([]string) error{"testnet": validator.Testnet, "run": run, "reexecute": reexecute}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fail(fmt.Errorf("expected testnet, run or reexecute"))
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "valnode:", err)
	os.Exit(2)
}
