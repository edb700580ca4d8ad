package sdk54

import "context"

// The SDK's loggers take a context since v0.54. Without these methods such lines would
// pass the tap by: BaseApp logs so that a transaction panicked.

func (t *tap) InfoContext(ctx context.Context, msg string, keyvals ...any) {
	t.record("info", msg, keyvals)
	t.Logger.InfoContext(ctx, msg, keyvals...)
}

func (t *tap) WarnContext(ctx context.Context, msg string, keyvals ...any) {
	t.record("warn", msg, keyvals)
	t.Logger.WarnContext(ctx, msg, keyvals...)
}

func (t *tap) ErrorContext(ctx context.Context, msg string, keyvals ...any) {
	t.record("error", msg, keyvals)
	t.Logger.ErrorContext(ctx, msg, keyvals...)
}
