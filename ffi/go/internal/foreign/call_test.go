package foreign

import "testing"

func TestAPanicIsAnError(t *testing.T) {
	if err := Call(func() { panic("not implemented") }); err == nil || err.Error() != "panic: not implemented" {
		t.Error(err)
	}
	called := false
	if err := Call(func() { called = true }); err != nil || !called {
		t.Error(err, called)
	}
}
