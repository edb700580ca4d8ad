package haltbox_test

import (
	"os"
	"strconv"
	"testing"

	haltbox "github.com/haltbox/haltbox/ffi/go"
)

// Some tests need their own process, which they may kill: this binary, called again with the part
// that it plays.
const role = "HALTBOX_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "writer":
		engine, _ := strconv.Atoi(os.Getenv("HALTBOX_TEST_ENGINE"))
		writeUntilKilled(os.Getenv("HALTBOX_TEST_DIR"), os.Getenv("HALTBOX_TEST_COUNT"), haltbox.Engine(engine))
	case "child":
		lookAround(os.Getenv("HALTBOX_TEST_DIR"))
	case "panicking":
		panicInTheHandshake(os.Getenv("HALTBOX_TEST_DIR"))
	default:
		os.Exit(m.Run())
	}
}
