// Package recording keeps exchanges of an API in a text file: requests, responses and streams with their timing, without
// secrets. A [Recorder] writes the file as the exchanges happen, [Read] reads it.
//
// The file is made to be read and compared. An exchange is one block; the blocks are in the order in which the exchanges
// ended:
//
//	sessions recording 1
//
//	exchange 1 at 0s createSession
//	request POST /v1/sessions
//	  Authorization: Bearer redacted
//	  Content-Type: application/json
//	json
//	  {
//	    "agent": "agent_019e390add9f7bac9b6cc806db46fcbd"
//	  }
//	response 201 after 3.1ms
//	  Content-Type: application/json
//	json
//	  {
//	    "id": "sess_019e3bb1e8c171fd9abbb1477ffb84cc"
//	  }
//	end after 3.2ms
//
// What belongs to a line is indented by two spaces below it. Headers are sorted; Content-Length is left out, except that of
// a response to HEAD. A body is json, without the white space that it had between its tokens, text (of at most 64 KiB) or
// base64. The body of a stream is in frames, each an event with its time; "part" instead of "frame" stands for a piece of one that
// did not end. Times count from the beginning of the exchange, which is what "at" tells, counted from that of the recording.
// The end of an exchange is "end", "cut" when the server broke it off, or "left" when the caller did.
package recording

import (
	"fmt"
	"net/http"
	"time"
)

// header is the first line of a file.
const header = "sessions recording 1"

// Recording is the content of a file.
type Recording struct {
	// Exchanges are in the order in which they began.
	Exchanges []*Exchange
}

// Exchange is a request with its response.
type Exchange struct {
	// Line is where the exchange is in its file, from 1.
	Line int
	// Number counts the exchanges in the order in which they began, from 1.
	Number int
	// At is when it began, since the beginning of the recording.
	At time.Duration
	// Operation is the operationId; "" for a request outside the contract.
	Operation string
	Method    string
	// Target is the path and the query, percent-encoded as they were sent.
	Target string
	// RequestHeader and RequestBody are what the caller sent, without the secrets that were redacted.
	RequestHeader http.Header
	RequestBody   []byte
	// Status is the status of the response; 0 when there was none.
	Status int
	// After is how long the response took to begin, EndAfter how long the exchange took.
	After, EndAfter time.Duration
	// Header is that of the response, without the secrets that were redacted.
	Header http.Header
	// Body is the body of the response, unless it is a stream.
	Body []byte
	// Frames are the pieces of a stream.
	Frames []Frame
	// End is how the exchange ended.
	End End
}

// Frame is a piece of a stream: an event with the blank line that ends it, or a part of one.
type Frame struct {
	// After is when it came, since the beginning of the exchange.
	After time.Duration
	// Text is what was sent.
	Text []byte
}

// End tells how an exchange ended.
type End string

// The ends.
const (
	// Complete is an exchange whose response was complete.
	Complete End = "end"
	// Cut is one that the server broke off.
	Cut End = "cut"
	// Left is one that the caller broke off.
	Left End = "left"
)

// FileError tells what is wrong in a file, and where.
type FileError struct {
	// File is the name of the file.
	File string
	// Line counts from 1.
	Line int
	// Message is one sentence without the place.
	Message string
}

// Error returns the place and the message.
func (e *FileError) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message) }
