package mcptools

import (
	"context"
	"net/http"
	"testing"
)

// The MCP client gives up a session with a document that it cannot read to its end, a moment after the call has ended: the
// next call must not meet the session by then.
func TestACallThatEndsWithinADocumentEndsItsSession(t *testing.T) {
	t.Parallel()
	ended, end := context.WithCancel(t.Context())
	end()
	for contentType, dead := range map[string]bool{
		"application/json": true, "application/json; charset=utf-8": true, "text/event-stream": false,
		"": false, // the older transport responds on a stream of the session's own
	} {
		n := &note{}
		if f := fateOf(ended, n, ended.Err()); !f.ran || f.dead {
			t.Errorf("before a response: %+v", f)
		}
		n.add(http.MethodPost, &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {contentType}}}, nil)
		if f := fateOf(ended, n, ended.Err()); !f.ran || f.dead != dead {
			t.Errorf("%s: %+v", contentType, f)
		}
	}
}
