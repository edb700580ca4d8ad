package haltbox

// LogWriter passes everything that is written to it to [Recorder.Log]. Put it beside the writer of
// a logger that writes one line at a time, such as that of the cosmos-sdk, zerolog, zap or slog:
//
//	log.NewLogger(io.MultiWriter(os.Stderr, haltbox.LogWriter{Recorder: recorder}))
//
// It never fails, so the lines reach the node's own log whatever happens to the recorder.
type LogWriter struct {
	Recorder *Recorder
}

// Write records one line, or several.
func (w LogWriter) Write(lines []byte) (int, error) {
	_ = w.Recorder.Log(lines)
	return len(lines), nil
}
