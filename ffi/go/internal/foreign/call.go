// Package foreign calls code of the chain that the chain itself does not call at that
// place, or not at all. It may never have run before.
package foreign

import "fmt"

// Call gives a panic of the code as an error: a node does not stop for its recorder.
func Call(code func()) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	code()
	return nil
}
