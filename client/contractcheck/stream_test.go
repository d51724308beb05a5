package contractcheck_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/contractcheck"
)

func stored(id, kind, more string) string {
	return "id: evt_" + id + "\nevent: " + kind + "\ndata: {\"id\":\"evt_" + id + "\",\"type\":\"" + kind + `",` + more +
		`"session_id":"sess_1","turn_id":"turn_1","schema_version":"1.0","created_at":"2026-05-18T15:26:15Z","processed_at":"2026-05-18T15:26:15Z"}` + "\n\n"
}

func running(id string) string { return stored(id, "session.status_running", "") }

const (
	start   = "event: event_start\ndata: {\"type\":\"event_start\",\"event\":{\"id\":\"evt_5\",\"type\":\"agent.message\"}}\n\n"
	deleted = "event: session.deleted\ndata: {\"type\":\"session.deleted\",\"id\":\"evt_9\"}\n\n"
)

// chunks reads so many bytes at a time.
type chunks struct {
	io.Reader
	size int
}

func (c chunks) Read(p []byte) (int, error) { return c.Reader.Read(p[:min(c.size, len(p))]) }

// TestStreams tests that a stream passes unchanged however it is cut up, and what is found in it.
func TestStreams(t *testing.T) {
	t.Parallel()
	good := running("1") + ": heartbeat\n\n" + start + running("2")
	for name, tc := range map[string]struct {
		text   string
		events int // before the first violation
		want   []string
	}{
		"in order":        {good, 3, nil},
		"CRLF":            {strings.ReplaceAll(good, "\n", "\r\n"), 3, nil},
		"CR":              {strings.ReplaceAll(good, "\n", "\r"), 3, nil},
		"cut off":         {good[:len(good)-2], 2, nil},
		"unknown field":   {running("1") + stored("2", "session.status_running", `"more":1,`) + good, 1, []string{"additionalProperties at '/more': unknown property"}},
		"no JSON":         {running("1") + "data: [DONE]\n\n", 1, []string{"json: invalid JSON near byte 2"}},
		"other id":        {strings.Replace(good, "id: evt_1", "id: evt_0", 1), 0, []string{"event: the id line of an event of type session.status_running is not its id"}},
		"no id":           {strings.Replace(good, "id: evt_1\n", "", 1), 0, []string{"event: the id line of an event of type session.status_running is not its id"}},
		"id of increment": {running("1") + "id: evt_5\n" + start, 1, []string{"event: an event of type event_start is not stored and must not have an id line"}},
		"other name":      {strings.Replace(good, "event: session.status_running", "event: message", 1), 0, []string{"event: the event name is not the type of the event, session.status_running"}},
		"two":             {"data: 1\n\ndata: {}\n\n" + good, 0, []string{"discriminator: ", "discriminator: "}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, 2, 7, 100, len(tc.text)} {
				n := &network{200, "text/event-stream", func() io.Reader { return chunks{strings.NewReader(tc.text), size} }, 0, -1}
				report, heard := violations()
				if got := passed(t, n, report); got != tc.text {
					t.Errorf("%d bytes at a time: passed %q, want %q", size, got, tc.text)
				}
				for i := range *heard {
					(*heard)[i] = strings.TrimPrefix((*heard)[i], "streamEvents: the response (200) violates the contract: ")
				}
				if !slices.EqualFunc(*heard, tc.want, strings.HasPrefix) {
					t.Errorf("%d bytes at a time: heard %q, want %q", size, *heard, tc.want)
				}
				if tc.want == nil {
					continue
				}
				n.sent = 0
				events := 0
				for _, err := range newClient(t, n, contractcheck.Strict(), client.WithMaxReconnects(3)).Sessions.Events.Stream(t.Context(), "sess_1", nil) {
					if violation, ok := errors.AsType[*contractcheck.Violation](err); err == nil {
						events++
					} else if !ok || !strings.Contains(violation.Error(), tc.want[0]) || n.sent != 1 {
						t.Errorf("strict: %v, %d sent", err, n.sent)
					}
				}
				if events != tc.events {
					t.Errorf("strict, %d bytes at a time: %d events before the violation, want %d", size, events, tc.events)
				}
			}
		})
	}
}

// passed reads a stream's bytes as they come through the check.
func passed(t *testing.T, n *network, check client.Option) (text string) {
	t.Helper()
	readAll(newClient(t, n, tap(func(body io.Reader) {
		all, err := io.ReadAll(body)
		if err != nil {
			t.Error(err)
		}
		text = string(all)
	}), check))
	return text
}

// tap is an option that keeps the bodies of responses.
func tap(read func(io.Reader)) client.Option {
	return client.WithMiddleware(func(next client.RoundTripFunc) client.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			resp, err := next(req)
			if err != nil {
				return nil, err
			}
			defer resp.Body.Close()
			read(resp.Body)
			return nil, client.Permanent(io.EOF)
		}
	})
}

func readAll(c *client.Client) {
	for range c.Sessions.Events.Stream(context.Background(), "sess_1", nil) {
	}
}

// TestStreamsAreNotHeldBack tests that what is no whole event passes at once.
func TestStreamsAreNotHeldBack(t *testing.T) {
	t.Parallel()
	in, out := io.Pipe()
	n := &network{200, "text/event-stream", func() io.Reader { return in }, 0, -1}
	report, heard := violations()
	lines := make(chan string)
	c := newClient(t, n, tap(func(body io.Reader) {
		for scan := bufio.NewScanner(body); scan.Scan(); {
			lines <- scan.Text()
		}
	}), report)
	var reading sync.WaitGroup
	reading.Go(func() { readAll(c) })
	for _, line := range []string{": heartbeat", "", "id: evt_1", "event: session.status_running"} {
		if _, err := io.WriteString(out, line+"\n"); err != nil {
			t.Fatal(err)
		}
		if got := <-lines; got != line {
			t.Errorf("passed %q, want %q", got, line)
		}
	}
	_ = out.Close()
	reading.Wait()
	if len(*heard) > 0 {
		t.Error(*heard)
	}
}
