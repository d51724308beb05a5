package pipeline

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/budget"
)

func TestABusyCompressorSendsBodiesAsTheyAre(t *testing.T) {
	t.Parallel()
	c := newCompressor()
	for range cap(c.writers) {
		<-c.writers
	}
	reply, request := largeReply()
	c.compress(request, reply)
	if reply.packed != nil || reply.Header().Get("Content-Encoding") != "" || reply.Header().Get("Vary") == "" {
		t.Errorf("%d bytes, %v", len(reply.packed), reply.Header())
	}
	c.writers <- nil
	c.compress(request, reply)
	if reply.packed == nil || len(c.writers) != 1 {
		t.Errorf("%d bytes, %d writers", len(reply.packed), len(c.writers))
	}
}

// TestCompressedCopiesAreReserved compresses a body whose account has no memory left for another copy of it.
func TestCompressedCopiesAreReserved(t *testing.T) {
	t.Parallel()
	c := newCompressor()
	reply, request := largeReply()
	bytes := budget.New(4 * int64(reply.body.Len()))
	reply.grant = bytes.Open("acme")
	defer reply.grant.Close()
	for range 2 { // each counts for half of the account's share at most
		other := bytes.Open("acme")
		defer other.Close()
		if err := other.Grow(reply.body.Len()); err != nil {
			t.Fatal(err)
		}
	}
	c.compress(request, reply)
	if reply.packed != nil {
		t.Error("it was compressed")
	}
}

// largeReply is a held reply that is worth compressing, and the request that accepts it.
func largeReply() (*heldReply, *http.Request) {
	reply := &heldReply{to: httptest.NewRecorder(), status: http.StatusOK}
	reply.Header().Set("Content-Type", "application/json; charset=UTF-8")
	reply.body.WriteString(`{"text":"` + strings.Repeat("a", 2*largestKept) + `"}`)
	request := httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header.Set("Accept-Encoding", "gzip")
	return reply, request
}
