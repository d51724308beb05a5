package faults_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/faults"
)

// A handler cannot take the connection from under a response that is to be cut off.
func TestACutResponseKeepsItsConnection(t *testing.T) {
	t.Parallel()
	var injector faults.Injector
	injector.Use(parse(t, `rules: [{operations: streamEvents, cut: {events: 1}}]`))
	fault := injector.Next("streamEvents")
	var taken error
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if taken = err; err == nil {
			_ = conn.Close()
		}
	})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fault.Serve(w, r, "req_1", func(context.Context, time.Duration) error { return nil }, handler)
	}))
	defer web.Close()
	res, err := web.Client().Get(web.URL)
	if err == nil {
		_ = res.Body.Close()
	}
	if !errors.Is(taken, http.ErrNotSupported) {
		t.Errorf("the handler got the connection, or %v", taken)
	}
}
