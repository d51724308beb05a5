package turn

import "fmt"

// Failure is an error of a runner whose text callers may see: the session.error event of the turn contains it. For any
// other error, the event reports only that there was one.
type Failure struct{ Message string }

// Failuref returns a Failure; its arguments are those of fmt.Sprintf.
func Failuref(format string, args ...any) *Failure { return &Failure{fmt.Sprintf(format, args...)} }

// Error returns the message.
func (f *Failure) Error() string { return f.Message }

// Public returns the message. Errors of other types with this method are also shown to callers.
func (f *Failure) Public() string { return f.Message }
