// Package foreign calls code of the chain that the chain itself does not call at that place, or at
// all. That code may never have run before.
package foreign

import "fmt"

// Call returns a panic of the code as an error, because the recorder must not stop the node.
func Call(code func()) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	code()
	return nil
}
