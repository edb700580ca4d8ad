// Command go makes what a release of the Go modules needs and the go command
// has no command for.
//
//	go run . settle TREE VERSION          go.mod and go.sum files as importers get them
//	go run . proxy REPOSITORY VERSION TO  the tagged modules, as files of a module proxy
//
// packaging/go/release runs the first; whoever tries a release before it is
// published runs the second, and sets GOPROXY to its folder.
package main

import (
	"fmt"
	"os"

	"golang.org/x/mod/semver"
)

const usage = "expected: settle TREE VERSION, or proxy REPOSITORY VERSION TO"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func run(arguments []string) error {
	if len(arguments) < 3 {
		return fmt.Errorf("%s", usage)
	}
	version := "v" + arguments[2]
	if semver.Canonical(version) != version {
		return fmt.Errorf("%s is no version: expected one such as 1.2.3 or 1.2.3-rc.1", arguments[2])
	}
	switch {
	case arguments[0] == "settle" && len(arguments) == 3:
		return settle(arguments[1], version)
	case arguments[0] == "proxy" && len(arguments) == 4:
		return writeProxy(arguments[1], version, arguments[3])
	}
	return fmt.Errorf("%s", usage)
}
