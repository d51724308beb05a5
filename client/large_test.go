package client_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

// The client reads whatever the server may send: its bound on a response is beyond the server's bound on a page and beyond
// any single record, also one that was stored when < took six bytes.
func TestAllReadsLargeEvents(t *testing.T) {
	var dsn string
	r := startReal(t, func(c *server.Config) { dsn = c.DB })
	db, err := sqlstore.Open(t.Context(), dsn, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	// The first two nearly fill a page, and the third is on the next one.
	texts := []string{strings.Repeat(`\u003c`, 1_000_000), strings.Repeat(`\u2028`, 340_000), strings.Repeat("a", 1_000_000)}
	if first := len(texts[0]) + len(texts[1]); first > store.PageBytes || first+len(texts[2]) < store.PageBytes {
		t.Fatalf("%d bytes do not fill a page", first)
	}
	for _, text := range texts {
		payload := json.RawMessage(`{"content":[{"type":"text","text":"` + text + `"}]}`)
		_, _, err := db.AppendEvents(t.Context(), server.DemoAccount, string(r.session), func(*store.Session) ([]store.NewEvent, error) {
			return []store.NewEvent{{Type: "user.message", TurnID: "turn_1", Payload: payload}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	got := 0
	for e, err := range r.Sessions.Events.All(t.Context(), r.session, &client.ListEventsParams{Limit: new(int32(100))}) {
		if err != nil {
			t.Fatalf("after %d events: %v", got, err)
		}
		if len(e.Text()) < 1_000_000 {
			t.Errorf("an event has %d bytes of text", len(e.Text()))
		}
		got++
	}
	if got != len(texts) {
		t.Errorf("%d of %d events were read", got, len(texts))
	}
}
