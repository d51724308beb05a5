package sse_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/api/sse"
)

// event is an sse.Event that keeps its data.
type event struct{ ID, Type, Data string }

// all reads a stream to its end.
func all(in io.Reader, limit int) (events []event, retry time.Duration, err error) {
	r := sse.NewReader(in, limit)
	for {
		e, err := r.Next()
		if err != nil {
			return events, r.Retry(), err
		}
		events = append(events, event{e.ID, e.Type, string(e.Data)})
	}
}

func TestEvents(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	cases := []struct {
		name, in string
		want     []event
	}{
		{"nothing", "", nil},
		{"one", "id: 1\nevent: e\ndata: d\n\n", []event{{"1", "e", "d"}}},
		{"CRLF", "id: 1\r\nevent: e\r\ndata: d\r\n\r\n", []event{{"1", "e", "d"}}},
		{"CR", "id: 1\revent: e\rdata: d\r\r", []event{{"1", "e", "d"}}},
		{"ends of all kinds", "data: a\r\ndata: b\rdata: c\n\r\ndata: d\n\n", []event{{"", "", "a\nb\nc"}, {"", "", "d"}}},
		{"byte order mark", "\xef\xbb\xbfdata: d\n\n", []event{{"", "", "d"}}},
		{"byte order mark, later", "data: d\n\n\xef\xbb\xbfdata: e\n\n", []event{{"", "", "d"}}},
		{"comments", ": hello\n\n:\ndata: d\n: more\n\n: heartbeat\n\n", []event{{"", "", "d"}}},
		{"several lines", "data: a\ndata\ndata:\ndata: b\n\n", []event{{"", "", "a\n\n\nb"}}},
		{"spaces", "data:a\n\ndata:  b \n\n", []event{{"", "", "a"}, {"", "", " b "}}},
		{"colons", "data: {\"a\":1}\n\n", []event{{"", "", `{"a":1}`}}},
		{"empty data", "data\n\n", []event{{"", "", ""}}},
		{"no data", "event: e\n\ndata: d\n\n", []event{{"", "", "d"}}},
		{"an id alone", "id: 7\n\ndata: d\n\n", []event{{"7", "", ""}, {"", "", "d"}}},
		{"an id with NUL", "id: a\x00b\ndata: d\n\n", []event{{"", "", "d"}}},
		{"unknown fields", "dat: a\nData: b\nretry: soon\nretry:\ndata: d\n\n", []event{{"", "", "d"}}},
		{"a field that was replaced", "event: a\nevent: b\nid: 1\nid: 2\ndata: d\n\n", []event{{"2", "b", "d"}}},
		{"cut in the data", "data: a\n\ndata: b", []event{{"", "", "a"}}},
		{"cut before the blank line", "data: a\n\nid: 2\ndata: b\n", []event{{"", "", "a"}}},
		{"a long line", "data: " + long + "\n\ndata: d\n\n", []event{{"", "", long}, {"", "", "d"}}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			for name, in := range map[string]io.Reader{
				"at once": strings.NewReader(tc.in), "byte by byte": iotest.OneByteReader(strings.NewReader(tc.in)),
				"with the end": iotest.DataErrReader(strings.NewReader(tc.in)),
			} {
				events, _, err := all(in, 1<<20)
				if err != io.EOF {
					t.Errorf("%s: %v", name, err)
				}
				if diff := cmp.Diff(tc.want, events); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		})
	}
}

func TestRetry(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"": 0, "retry: 250\n": 250 * time.Millisecond, "retry: 1\nretry: 2\n": 2 * time.Millisecond, "retry: 1\nretry: -1\n": time.Millisecond,
		"retry: 1.5\n": 0, "retry: 600000\n": time.Minute, "retry: 9000000000000000000\n": time.Minute, "retry: 99999999999999999999\n": 0,
	} {
		if _, retry, _ := all(strings.NewReader(in), 100); retry != want {
			t.Errorf("%q: %v, want %v", in, retry, want)
		}
	}
}

func TestLimits(t *testing.T) {
	const limit = 1000
	for name, in := range map[string]io.Reader{
		"a line without end":    io.MultiReader(strings.NewReader("data: "), endless('x')),
		"a comment without end": io.MultiReader(strings.NewReader(":"), endless('x')),
		"lines without end":     endless('d', 'a', 't', 'a', '\n'),
		"one byte too much":     strings.NewReader("data: " + strings.Repeat("x", limit+1) + "\n\n"),
	} {
		if _, _, err := all(in, limit); !errors.Is(err, sse.ErrTooLong) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if events, _, err := all(strings.NewReader("data: "+strings.Repeat("x", limit)+"\n\n"), limit); len(events) != 1 || err != io.EOF {
		t.Errorf("at the limit: %d events, %v", len(events), err)
	}
	if _, _, err := all(iotest.ErrReader(io.ErrClosedPipe), limit); err != io.ErrClosedPipe {
		t.Errorf("the stream's error: %v", err)
	}
}

func TestIgnored(t *testing.T) {
	var ignored []string
	r := sse.NewReader(strings.NewReader(": ping\n\nerror: {}\n{\"a\":1}\ndata: d\n\n:\nretry: 1\nid: 1\nevent: e\n\n"), 100)
	r.Ignored = func(line []byte) { ignored = append(ignored, string(line)) }
	for err := error(nil); err == nil; {
		_, err = r.Next()
	}
	if want := []string{": ping", "error: {}", `{"a":1}`, ":"}; !slices.Equal(ignored, want) {
		t.Errorf("ignored lines %q, want %q", ignored, want)
	}
}

func TestUnfinished(t *testing.T) {
	for in, want := range map[string]string{
		"": "none", "data: a\n\n": "none", "data: a\n\nid: 1\n": "none", "data: a\n\ndata: b\n": "b",
		"data: a\ndata: b\n": "a\nb", "data: a\ndata: b": "a", "data\n": "",
	} {
		r := sse.NewReader(strings.NewReader(in), 100)
		for err := error(nil); err == nil; {
			_, err = r.Next()
		}
		got := "none"
		if data, ok := r.Unfinished(); ok {
			got = string(data)
		}
		if got != want {
			t.Errorf("%q leaves %q, want %q", in, got, want)
		}
	}
}

// endless is a reader of the same bytes over and over.
func endless(b ...byte) io.Reader { return &repeated{b: b} }

type repeated struct {
	b  []byte
	at int
}

func (r *repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.b[r.at]
		r.at = (r.at + 1) % len(r.b)
	}
	return len(p), nil
}

// FuzzReader tests that the events do not depend on how the stream arrives and how its lines end.
func FuzzReader(f *testing.F) {
	f.Add([]byte("id: 1\r\nevent: e\rdata: d\n\n: c\nretry: 5\n\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		events, retry, err := all(bytes.NewReader(in), 1<<10)
		slowly, slowRetry, slowErr := all(iotest.OneByteReader(bytes.NewReader(in)), 1<<10)
		if diff := cmp.Diff(events, slowly); diff != "" || retry != slowRetry || err != slowErr {
			t.Errorf("%v, %v and %v: %s", retry, err, slowErr, diff)
		}
		// A prefix of the stream has a prefix of the events.
		part, _, _ := all(bytes.NewReader(in[:len(in)/2]), 1<<10)
		if len(part) > len(events) || !slices.Equal(part, events[:len(part)]) {
			t.Errorf("of half the stream %q, of all %q", part, events)
		}
	})
}
