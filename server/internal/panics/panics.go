// Package panics turns panics into errors. It imports the standard library only.
package panics

import (
	"fmt"
	"runtime/debug"
)

// Error is a panic. Its text holds the value, not the stack.
type Error struct {
	// Value is what was given to panic.
	Value any
	// Stack is the stack of the goroutine that panicked, for the log.
	Stack []byte
}

func (e *Error) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// ToError runs fn and returns its error, or an *Error if it panics.
func ToError(fn func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &Error{Value: v, Stack: debug.Stack()}
		}
	}()
	return fn()
}
