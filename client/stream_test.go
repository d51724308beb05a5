package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/client"
)

// frame is what one server-sent event of a test is made of.
type frame struct{ id, kind, data string }

func (f frame) String() string {
	text := "event: " + f.kind + "\ndata: " + f.data + "\n\n"
	if f.id != "" {
		text = "id: " + f.id + "\n" + text
	}
	return text
}

// common are the fields of every event of the log, after those of its type.
const common = `,"session_id":"sess_1","turn_id":"turn_1","schema_version":"1.0","created_at":"2026-05-18T15:26:28.401Z"`

// stored is the frame of an event of the log, more being the fields that its type has.
func stored(n int, kind, more string) frame {
	id := fmt.Sprintf("evt_%03d", n)
	return frame{id, kind, fmt.Sprintf(`{"id":%q,"type":%q%s%s}`, id, kind, more, common)}
}

func started(n int) frame {
	return frame{"", "event_start", fmt.Sprintf(`{"type":"event_start","event":{"id":"evt_%03d","type":"agent.message"}}`, n)}
}

func piece(n, block int, text string) frame {
	return frame{"", "event_delta", fmt.Sprintf(`{"type":"event_delta","event_id":"evt_%03d","delta":{"type":"content_delta","index":%d,"content":{"type":"text","text":%q}}}`, n, block, text)}
}

func said(n int, texts ...string) frame {
	var blocks []string
	for _, text := range texts {
		blocks = append(blocks, fmt.Sprintf(`{"type":"text","text":%q}`, text))
	}
	return stored(n, "agent.message", `,"content":[`+strings.Join(blocks, ",")+`]`)
}

func idle(n int, reason string) frame {
	return stored(n, "session.status_idle", `,"stop_reason":{"type":"`+reason+`"}`)
}

// deleted is the end of a stream.
func deleted(n int) frame { return stored(n, "session.deleted", "") }

// streamBody responds with a stream of text that then fails with err, or hangs until the reader leaves when err is nil.
func streamBody(text string, err error) client.RoundTripFunc {
	return func(req *http.Request) (*http.Response, error) {
		resp, _ := answer(200, "", "Content-Type: text/event-stream; charset=utf-8")(req)
		var rest io.Reader = failing{err}
		if err == nil {
			rest = hanging{req.Context()}
		}
		resp.Body, resp.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader(text), rest)), -1
		return resp, nil
	}
}

type hanging struct{ ctx context.Context }

func (h hanging) Read([]byte) (int, error) {
	<-h.ctx.Done()
	return 0, h.ctx.Err()
}

// text is what a stream says.
func text(frames ...frame) string {
	var b strings.Builder
	for _, f := range frames {
		b.WriteString(f.String())
	}
	return b.String()
}

// readAll reads events to their end.
func readAll(events iter.Seq2[client.Event, error]) (all []client.Event, last error) {
	for e, err := range events {
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
	return all, nil
}

// names lists events in short: the id, or what a piece says.
func names(events []client.Event) (short []string) {
	for _, e := range events {
		switch v := e.Value.(type) {
		case client.EventStart:
			short = append(short, "start "+v.Event.ID)
		case client.EventDelta:
			short = append(short, "+"+v.Delta.Content.Text)
		default:
			short = append(short, e.ID)
		}
	}
	return short
}

// recorded is a stream with all that there is: two messages in pieces, one of two blocks, comments, line ends of all kinds.
var recorded = []frame{
	stored(1, "session.status_running", ""), stored(2, "user.message", `,"content":[{"type":"text","text":"你好"}]`),
	started(5), piece(5, 0, "Let "), piece(5, 0, "me "), piece(5, 0, "look."), said(5, "Let me look."),
	stored(6, "agent.telepathy", `,"range":7`),
	started(8), piece(8, 0, "One"), piece(8, 1, "Zwei, "), piece(8, 1, "drei 三"), said(8, "One", "Zwei, drei 三"),
	idle(9, "end_turn"), deleted(10),
}

// replay answers like a server that has recorded: it goes on after the cursor. Of a message in the making, a reader who
// comes back gets the pieces again, in one, or none but the message.
func replay(req *http.Request, frames []frame, again string) []frame {
	cursor := req.Header.Get("Last-Event-ID")
	if query := req.URL.Query().Get("after_id"); query != cursor {
		panic("the cursors differ: " + query)
	}
	var rest []frame
	joined := map[string]string{}
	for _, f := range frames {
		switch {
		case f.id != "" && f.id <= cursor:
			rest, joined = nil, map[string]string{}
			continue
		case f.id == "" && cursor == "" || again == "in pieces":
		case f.id == "" && again == "whole":
			continue
		case f.kind == "event_delta" && again == "in one":
			// {…,"index":N,"content":{"type":"text","text":"…"}}}
			head, tail, _ := strings.Cut(f.data, `"text":"`)
			said := strings.TrimSuffix(tail, `"}}}`)
			if before, ok := joined[head]; ok {
				last := &rest[len(rest)-1]
				last.data = head + `"text":"` + before + said + `"}}}`
				joined[head] = before + said
				continue
			}
			joined[head] = said
		}
		rest = append(rest, f)
	}
	return rest
}

// No event is lost, and none comes twice, wherever the connection is cut; nor does a piece of a message.
func TestStreamsAreCutAtEveryByte(t *testing.T) {
	want := []string{
		"evt_001", "evt_002", "start evt_005", "Let me look.", "evt_005", "evt_006", "start evt_008", "One|Zwei, drei 三", "evt_008", "evt_009", "evt_010",
	}
	for _, tc := range []struct {
		ends, again string
		everywhere  bool // not only near the ends of lines and at every 41st byte
	}{
		{"\n", "in one", true}, {"\r\n", "in pieces", false}, {"\n", "whole", false}, {"\r", "in one", false},
	} {
		whole := asStream(recorded, tc.ends)
		for cut := range len(whole) + 1 {
			near := whole[max(0, cut-2):min(len(whole), cut+2)]
			if !tc.everywhere && cut%41 != 0 && !strings.ContainsAny(near, "\r\n") {
				continue
			}
			cutBy := []error{io.EOF, io.ErrUnexpectedEOF}[cut%2]
			first := true
			c, rec := scripted(t, []client.RoundTripFunc{func(req *http.Request) (*http.Response, error) {
				if first {
					first = false
					return streamBody(whole[:cut], cutBy)(req)
				}
				return streamBody(asStream(replay(req, recorded, tc.again), tc.ends), io.EOF)(req)
			}})
			events, err := readAll(c.Sessions.Events.Stream(t.Context(), "sess_1", &client.StreamParams{Deltas: []client.DeltaType{client.DeltaTypeAgentMessage}}))
			if err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			got, wanted := joinPieces(names(events), events), want
			if tc.again == "whole" {
				got, wanted = withoutPieces(got), withoutPieces(want)
			}
			if !slices.Equal(wanted, got) {
				t.Fatalf("%+v cut at %d, %d requests: %s", tc, cut, len(rec.requests), cmp.Diff(wanted, got))
			}
		}
	}
}

// asStream writes frames with a byte order mark, comments between them and lines that end so. It leaves out the fields that all
// events of the log have besides id and type: a cut in them is one in any JSON.
func asStream(frames []frame, ends string) string {
	var b strings.Builder
	b.WriteString("\xef\xbb\xbf: hello\n\n")
	for i, f := range frames {
		b.WriteString(strings.Replace(f.String(), common, "", 1))
		if i%3 == 0 {
			b.WriteString(": heartbeat\n\n")
		}
	}
	return strings.ReplaceAll(b.String(), "\n", ends)
}

// joinPieces makes one entry of the pieces of an event, its blocks parted by bars.
func joinPieces(short []string, events []client.Event) (joined []string) {
	blocks := map[int32]string{}
	flush := func() {
		if len(blocks) > 0 {
			text := blocks[0]
			if second, ok := blocks[1]; ok {
				text += "|" + second
			}
			joined = append(joined, text)
			clear(blocks)
		}
	}
	for i, e := range events {
		if d, ok := e.Value.(client.EventDelta); ok {
			blocks[d.Delta.Index] += d.Delta.Content.Text
			continue
		}
		flush()
		joined = append(joined, short[i])
	}
	flush()
	return joined
}

// withoutPieces leaves out starts and pieces.
func withoutPieces(short []string) (rest []string) {
	for _, s := range short {
		if strings.HasPrefix(s, "evt_") {
			rest = append(rest, s)
		}
	}
	return rest
}

func TestStreamRequests(t *testing.T) {
	c, rec := scripted(t, []client.RoundTripFunc{
		streamBody("retry: 250\n\n"+text(stored(1, "agent.thinking", "")), io.EOF), streamBody(text(deleted(2)), io.EOF),
	})
	deltas := []client.DeltaType{client.DeltaTypeAgentMessage, client.DeltaTypeAgentThinking}
	params := &client.StreamParams{AfterID: "evt_000", Deltas: deltas}
	stream := c.Sessions.Events.Stream(t.Context(), "sess_1", params, client.WithHeader("X-Own", "1"))
	params.AfterID, deltas[0] = "evt_changed", "changed"
	if _, err := readAll(stream); err != nil {
		t.Fatal(err)
	}
	for i, cursor := range []string{"evt_000", "evt_001"} {
		req := rec.requests[i]
		want := "http://sessions.test/api/v1/cloud/sessions/sess_1/events/stream?after_id=" + cursor + "&event_deltas%5B%5D=agent.message&event_deltas%5B%5D=agent.thinking"
		if got := req.URL.String(); got != want {
			t.Errorf("URL %s, want %s", got, want)
		}
		if h := req.Header; h.Get("Last-Event-ID") != cursor || h.Get("Accept") != "text/event-stream" || h.Get("X-Own") != "1" || h.Get("Authorization") != "Bearer "+token {
			t.Errorf("headers %v", h)
		}
	}
	if diff := cmp.Diff([]time.Duration{250 * time.Millisecond}, rec.slept); diff != "" {
		t.Errorf("the server asked for 250ms: %s", diff)
	}
	if _, err := readAll(stream); err != nil || rec.requests[2].Header.Get("Last-Event-ID") != "evt_000" {
		t.Errorf("ranging again: %v, from %s", err, rec.requests[2].Header)
	}
}

func TestStreamErrors(t *testing.T) {
	cut := errors.New("cut")
	one := text(stored(1, "agent.thinking", ""))
	wrong := json.Unmarshal([]byte(`{"content":7}`), &client.AgentMessageEvent{}) // its words depend on the version of Go
	cases := []struct {
		name     string
		steps    []client.RoundTripFunc
		opts     []client.Option
		requests int
		kind     error
		err      string
	}{
		{"no session", []client.RoundTripFunc{answer(404, envelope("not_found_error", "No such session."))}, nil, 1, client.ErrNotFound,
			"Sessions.Events.Stream: 404 not_found_error: No such session. (request id req_body)"},
		{"unknown cursor", []client.RoundTripFunc{answer(400, envelope("invalid_request_error", "No such event."))}, nil, 1, client.ErrInvalidRequest,
			"Sessions.Events.Stream: 400 invalid_request_error: No such event. (request id req_body)"},
		{"no connection", []client.RoundTripFunc{refuse(cut)}, nil, 3, cut, "Sessions.Events.Stream: no response: cut (3 attempts)"},
		{"busy", []client.RoundTripFunc{answer(503, envelope("overloaded_error", "Busy."))}, nil, 3, client.ErrOverloaded,
			"Sessions.Events.Stream: 503 overloaded_error: Busy. (request id req_body, 3 attempts)"},
		{"too many streams for long", []client.RoundTripFunc{answer(429, envelope("rate_limit_error", "Too many."), "Retry-After: 3600")}, nil, 1, client.ErrRateLimit,
			"Sessions.Events.Stream: 429 rate_limit_error: Too many. (request id req_body)"},
		{"HTML", []client.RoundTripFunc{answer(200, "<html>", "Content-Type: text/html")}, nil, 1, client.ErrUnexpectedResponse,
			`Sessions.Events.Stream: 200 unexpected_response: the response is text/html, not JSON: "<html>"; is the base URL right?`},
		{"JSON", []client.RoundTripFunc{answer(200, "{}")}, nil, 1, client.ErrUnexpectedResponse,
			`Sessions.Events.Stream: 200 unexpected_response: the response is not the contract's: "{}"; is the base URL right?`},
		{"a redirect elsewhere", []client.RoundTripFunc{answer(302, "", "Location: https://other.test/stream?key=1")}, nil, 1, client.ErrUnexpectedResponse,
			"Sessions.Events.Stream: 302 unexpected_response: the server redirects to https://other.test/stream and the client does not follow; is the base URL right? (request id req_1)"},
		{"no JSON in an event", []client.RoundTripFunc{streamBody("data: oops\n\n", nil)}, nil, 1, client.ErrUnexpectedResponse,
			"Sessions.Events.Stream: 200 unexpected_response: an event of the stream is not the contract's: invalid character 'o' looking for beginning of value"},
		{"another form of event", []client.RoundTripFunc{streamBody(text(stored(1, "agent.message", `,"content":7`)), nil)}, nil, 1, client.ErrUnexpectedResponse,
			"Sessions.Events.Stream: 200 unexpected_response: an event of the stream is not the contract's: " + wrong.Error()},
		{"an error as an event", []client.RoundTripFunc{streamBody("event: error\ndata: "+envelope("overloaded_error", "Busy.")+"\n\n", nil)}, nil, 1, client.ErrOverloaded,
			"Sessions.Events.Stream: 200 overloaded_error: Busy. (request id req_body)"},
		{"an endless event", []client.RoundTripFunc{streamBody("data: "+strings.Repeat("x", 33<<20), nil)}, nil, 1, client.ErrUnexpectedResponse,
			"Sessions.Events.Stream: 200 unexpected_response: an event of the stream is larger than 32 MiB"},
		{"deleted while away", []client.RoundTripFunc{streamBody(one, cut), answer(404, envelope("not_found_error", "No such session."))}, nil, 2, client.ErrNotFound,
			"Sessions.Events.Stream: 404 not_found_error: No such session. (request id req_body)"},
		{"gone for good", []client.RoundTripFunc{streamBody(one, cut), refuse(cut)}, nil, 11, cut, "Sessions.Events.Stream: no response: cut (11 attempts)"},
		{"nothing but ends", []client.RoundTripFunc{streamBody(": hello\n\n", io.EOF)}, nil, 11, io.ErrUnexpectedEOF,
			"Sessions.Events.Stream: the stream was cut off: unexpected EOF (11 attempts)"},
		{"no reconnects", []client.RoundTripFunc{streamBody(one, cut)}, []client.Option{client.WithMaxReconnects(0)}, 1, cut,
			"Sessions.Events.Stream: the stream was cut off: cut"},
		{"no retries", []client.RoundTripFunc{refuse(cut)}, []client.Option{client.WithMaxRetries(0)}, 1, cut, "Sessions.Events.Stream: no response: cut"},
		{"a bad option", nil, []client.Option{client.WithMaxReconnects(-1)}, 0, client.ErrInvalidRequest, "Sessions.Events.Stream: WithMaxReconnects: -1 is negative"},
		{"silence", []client.RoundTripFunc{streamBody(one, nil)}, []client.Option{client.WithTimeout(time.Millisecond), client.WithMaxReconnects(0)}, 1, nil,
			"Sessions.Events.Stream: the stream was cut off: the server was silent for too long"},
		{"no answer", []client.RoundTripFunc{func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}},
			[]client.Option{client.WithTimeout(time.Millisecond), client.WithMaxRetries(0)}, 1, context.DeadlineExceeded,
			"Sessions.Events.Stream: no response within 1ms: context deadline exceeded"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, rec := scripted(t, tc.steps)
			_, err := readAll(c.Sessions.Events.Stream(t.Context(), "sess_1", nil, tc.opts...))
			wantText(t, err, tc.err)
			if tc.kind != nil && !errors.Is(err, tc.kind) {
				t.Errorf("kind %v, want %v", err, tc.kind)
			}
			if len(rec.requests) != tc.requests {
				t.Errorf("%d requests, want %d", len(rec.requests), tc.requests)
			}
		})
	}
	c, _ := scripted(t, nil)
	_, err := readAll(c.Sessions.Events.Stream(t.Context(), "..", nil))
	wantText(t, err, `Sessions.Events.Stream: ".." is not an id (param session_id)`)
	var none context.Context
	_, err = readAll(c.Sessions.Events.Stream(none, "sess_1", nil))
	wantText(t, err, "Sessions.Events.Stream: the context is nil")
}

// A connection that brings an event starts the count of failures, and the waits, anew.
func TestStreamsGoOnForAsLongAsTheyBringSomething(t *testing.T) {
	var steps []client.RoundTripFunc
	for n := range 50 {
		steps = append(steps, streamBody(text(stored(n, "agent.thinking", "")), io.EOF), refuse(io.ErrClosedPipe))
	}
	c, rec := scripted(t, append(steps, streamBody(text(deleted(99)), io.EOF)))
	events, err := readAll(c.Sessions.Events.Stream(t.Context(), "sess_1", nil))
	if err != nil || len(events) != 51 {
		t.Errorf("%d events, %v", len(events), err)
	}
	for i, d := range rec.slept {
		if want := []time.Duration{500 * time.Millisecond, time.Second}[i%2]; d != want {
			t.Fatalf("wait %d: %v, want %v", i, d, want)
		}
	}
}

// The loop ends a stream, and so does its context, in the middle of a wait too.
func TestStreamsEndWithTheirLoop(t *testing.T) {
	var sent context.Context
	c, _ := scripted(t, []client.RoundTripFunc{func(req *http.Request) (*http.Response, error) {
		sent = req.Context()
		return streamBody(text(stored(1, "agent.thinking", ""), stored(2, "agent.thinking", "")), nil)(req)
	}})
	for e, err := range c.Sessions.Events.Stream(t.Context(), "sess_1", nil) {
		if err != nil || e.ID != "evt_001" {
			t.Errorf("%s, %v", e.ID, err)
		}
		break
	}
	if sent.Err() == nil {
		t.Error("the connection lives")
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	for _, err := range c.Sessions.Events.Stream(ctx, "sess_1", nil) {
		if err != nil {
			wantText(t, err, "Sessions.Events.Stream: context canceled: enough")
			if !errors.Is(err, context.Canceled) {
				t.Errorf("kind %v", err)
			}
		}
		cancel(errors.New("enough"))
	}
	_, err := readAll(c.Sessions.Events.Stream(ctx, "sess_1", nil))
	wantText(t, err, "Sessions.Events.Stream: context canceled: enough")
}

// Types, reasons and fields that this version does not know are kept.
func TestUnknownEventsAreKept(t *testing.T) {
	stream := []frame{
		stored(1, "agent.telepathy", `,"range":7`),
		{"evt_002", "session.status_idle", `{"id":"evt_002","type":"session.status_idle","stop_reason":{"type":"bored","since":1},"mood":"calm","turn_id":"turn_9","schema_version":"2.0","created_at":"2026-05-18T15:26:28.401Z"}`},
		{"", "whisper", `{"type":"whisper","volume":1}`},
		{"", "nameless", `{"volume":2}`},
		deleted(3),
	}
	c, _ := scripted(t, []client.RoundTripFunc{streamBody(text(stream...), io.EOF)})
	events, err := readAll(c.Sessions.Events.Stream(t.Context(), "sess_1", nil))
	if err != nil || len(events) != 5 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	if e := events[0]; e.Value != nil || e.Type != "agent.telepathy" || e.ID != "evt_001" || e.TurnID != "turn_1" || e.CreatedAt.IsZero() || e.Text() != "" {
		t.Errorf("%+v", e)
	}
	if v, ok := events[1].Value.(client.SessionStatusIdleEvent); !ok || v.StopReason.Type != "bored" || v.StopReason.Type.Valid() {
		t.Errorf("%+v", events[1])
	}
	if events[2].Type != "whisper" || events[3].Type != "nameless" {
		t.Errorf("%s, %s", events[2].Type, events[3].Type)
	}
	for i, e := range events {
		if got := toJSON(t, e); got != stream[i].data || !bytes.Equal(e.Raw(), []byte(stream[i].data)) {
			t.Errorf("got %s, want %s", got, stream[i].data)
		}
	}
	if got := toJSON(t, client.Event{}); got != "null" {
		t.Errorf("no event is %s", got)
	}
}

func TestTexts(t *testing.T) {
	c, _ := scripted(t, []client.RoundTripFunc{streamBody(text(
		stored(2, "user.message", `,"content":[{"type":"text","text":"Hi"}]`), piece(3, 0, "a"), said(3, "a", "b"), idle(4, "end_turn"), deleted(5)), io.EOF)})
	events, err := readAll(c.Sessions.Events.Stream(t.Context(), "sess_1", nil))
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, e := range events {
		texts = append(texts, e.Text())
	}
	if diff := cmp.Diff([]string{"Hi", "a", "a\nb", "", ""}, texts); diff != "" {
		t.Error(diff)
	}
}
