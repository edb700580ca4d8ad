package validator

import (
	"fmt"
	"io"
	"os"

	sdk "cosmossdk.io/log"
	comet "github.com/cometbft/cometbft/libs/log"
	"github.com/rs/zerolog"

	haltbox "github.com/haltbox/haltbox/ffi/go"
	"github.com/haltbox/haltbox/ffi/go/cometlog"
)

// NewLogger makes what a chain would have, recorded as such a chain would do it:
// CometBFT's own loggers are wrapped, and beside the writer of the SDK's stands
// the recorder's.
func NewLogger(format string, recorder *haltbox.Recorder) (comet.Logger, error) {
	to := comet.NewSyncWriter(os.Stdout)
	switch format {
	case "plain":
		return wrap(comet.NewTMLogger(to), recorder), nil
	case "json":
		return wrap(comet.NewTMJSONLogger(to), recorder), nil
	case "sdk":
		return ofSDK(to, recorder), nil
	case "sdk-json":
		return ofSDK(to, recorder, sdk.OutputJSONOption()), nil
	}
	return nil, fmt.Errorf("-log: expected plain, json, sdk or sdk-json, found %q", format)
}

func wrap(logger comet.Logger, recorder *haltbox.Recorder) comet.Logger {
	return cometlog.Wrap(comet.NewFilter(logger, comet.AllowInfo()), recorder, cometlog.Options{})
}

func ofSDK(to io.Writer, recorder *haltbox.Recorder, options ...sdk.Option) comet.Logger {
	beside := io.MultiWriter(to, haltbox.LogWriter{Recorder: recorder})
	logger := sdkLogger{sdk.NewLogger(beside, append(options, sdk.LevelOption(zerolog.InfoLevel))...)}
	own := logger.With("module", "haltbox")
	go recorder.Tell(func(line string) { own.Error(line) })
	return logger
}

// sdkLogger is the SDK's logger as its server gives it to CometBFT.
type sdkLogger struct{ sdk.Logger }

func (l sdkLogger) With(keyvals ...any) comet.Logger { return sdkLogger{l.Logger.With(keyvals...)} }
