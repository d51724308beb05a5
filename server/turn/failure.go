package turn

import "fmt"

// Failure is an error of a runner whose text callers may see: the session.error event of the turn has it. Of any
// other error they are told only that there was one.
type Failure struct{ Message string }

// Failuref returns a Failure; the arguments are those of fmt.Sprintf.
func Failuref(format string, args ...any) *Failure { return &Failure{fmt.Sprintf(format, args...)} }

// Error returns the message.
func (f *Failure) Error() string { return f.Message }

// Public returns the message. Errors of other types that have this method are shown to callers, too.
func (f *Failure) Public() string { return f.Message }
