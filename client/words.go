package client

import "fmt"

// words is an error, or the message of an [Error], in the client's own words. What comes from elsewhere, and may contain a
// secret, is apart from them: only that is redacted.
type words struct {
	own     string // a format of the texts from elsewhere, with %s and %q
	foreign []any  // strings, and beginnings of longer ones
	cause   error
}

// saying returns words around texts from elsewhere.
func saying(own string, foreign ...any) *words { return &words{own: own, foreign: foreign} }

// because returns the words before the text of an error from elsewhere, which is their cause.
func because(own string, cause error) *words {
	return &words{own: own + ": %s", foreign: []any{cause.Error()}, cause: cause}
}

// Error implements error.
func (w *words) Error() string { return w.with(func(text string) string { return text }) }

// Unwrap returns the cause.
func (w *words) Unwrap() error { return w.cause }

// with returns the words with each text from elsewhere changed.
func (w *words) with(change func(string) string) string {
	changed := make([]any, len(w.foreign))
	for i, text := range w.foreign {
		if long, ok := text.(beginning); ok {
			changed[i] = long.with(change)
		} else {
			changed[i] = change(text.(string))
		}
	}
	return fmt.Sprintf(w.own, changed...)
}

// beginning is a text of which a message has the beginning. It is cut once it has been changed, so that no half of a secret is
// left at the end.
type beginning string

// maxBeginning is the most bytes of a beginning.
const maxBeginning = 200

func (b beginning) with(change func(string) string) string {
	text := change(string(b))
	return text[:min(len(text), maxBeginning)]
}

// failed returns an error without a response, for a reason.
func failed(cause error) *Error {
	own, _ := cause.(*words)
	return &Error{Message: cause.Error(), words: own, cause: cause}
}

// invalid returns an error of a request that is not sent; param is what is invalid, "" for none.
func invalid(param, own string, foreign ...any) *Error {
	text := saying(own, foreign...)
	return &Error{Type: ErrInvalidRequest, Message: text.Error(), Param: param, words: text}
}

// unexpected returns an error for a response, or a part of one, that the contract does not have.
func unexpected(status int, own string, foreign ...any) *Error {
	text := saying(own, foreign...)
	return &Error{Status: status, Type: ErrUnexpectedResponse, Message: text.Error(), words: text}
}
