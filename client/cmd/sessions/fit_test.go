package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/client"
)

// A table is as wide as the terminal at most: the widest columns are cut, the least important ones are left out, ids and
// times stay whole.
func TestTablesFitTheTerminal(t *testing.T) {
	t.Parallel()
	type record struct{ id, title, agent string }
	columns := view[record]{columns: []column[record]{
		{name: "ID", text: func(r *record) string { return r.id }},
		{name: "TITLE", text: func(r *record) string { return r.title }},
		{name: "AGENT", text: func(r *record) string { return r.agent }, drop: 1},
		{name: "CREATED", at: func(*record) *time.Time { return new(time.Unix(0, 0)) }},
	}}
	long := record{"sess_0123456789", "关于退款的一个很长的会话标题", "an agent with a name"}
	for _, tc := range []struct {
		width int
		want  string
	}{
		{0, "ID               TITLE                         AGENT                 CREATED\n" +
			"sess_0123456789  关于退款的一个很长的会话标题  an agent with a name  1970-01-01\n"},
		{79, "ID               TITLE                         AGENT                 CREATED\n" +
			"sess_0123456789  关于退款的一个很长的会话标题  an agent with a name  1970-01-01\n"},
		{60, "ID               TITLE            AGENT           CREATED\n" +
			"sess_0123456789  关于退款的一个…  an agent with…  1970-01-01\n"},
		{47, "ID               TITLE     AGENT     CREATED\n" +
			"sess_0123456789  关于退…   an agen…  1970-01-01\n"},
		{46, "ID               TITLE              CREATED\n" +
			"sess_0123456789  关于退款的一个很…  1970-01-01\n"},
		{30, "ID               TITLE\n" +
			"sess_0123456789  关于退款的一…\n"},
		{10, "ID\nsess_0123456789\n"},
	} {
		var out strings.Builder
		a := &app{now: time.Now, out: stream{to: &out, terminal: true, width: tc.width}}
		if err := showAll(a, columns, []record{long}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, out.String()); diff != "" {
			t.Errorf("%d columns: %s", tc.width, diff)
		}
	}
}

// Rows that come later use the columns of those before, and fit as well.
func TestLaterRowsFit(t *testing.T) {
	t.Parallel()
	type record struct{ id, title string }
	var out strings.Builder
	a := &app{now: time.Now, out: stream{to: &out, terminal: true, width: 16}}
	l := &listing[record]{a: a, view: view[record]{columns: []column[record]{
		{name: "ID", text: func(r *record) string { return r.id }}, {name: "TITLE", text: func(r *record) string { return r.title }},
	}}}
	for _, r := range []record{{"1", "short"}, {"2", strings.Repeat("long", 10)}, {"3", ""}} {
		if err := l.page([]record{r}); err != nil {
			t.Fatal(err)
		}
	}
	if want := "ID  TITLE\n1   short\n2   longlonglon…\n3\n"; out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}

func TestTimesOnATerminal(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 18, 12, 0, 0, 0, time.UTC)
	for age, want := range map[time.Duration]string{
		0: "just now", -20 * time.Second: "just now", 59 * time.Second: "just now", time.Minute: "1m ago", 90 * time.Minute: "1h ago",
		23 * time.Hour: "23h ago", 25 * time.Hour: "1d ago", 29 * 24 * time.Hour: "29d ago", 30 * 24 * time.Hour: "2026-04-18",
		-3 * time.Hour: "in 3h", -48 * time.Hour: "in 2d",
	} {
		if got := ago(now.Add(-age), now); got != want {
			t.Errorf("%v: %q, want %q", age, got, want)
		}
	}
	a := &app{now: func() time.Time { return now }, out: stream{terminal: true}}
	at := now.Add(-2 * time.Hour)
	local := at.Local().Format(time.TimeOnly)
	yesterday := at.Add(-48 * time.Hour).Local()
	for got, want := range map[string]string{
		a.whenOfSheet(&at): "2026-05-18 10:00:00Z (2h ago)", a.whenOfSheet(nil): "", a.whenOfSheet(new(now.AddDate(-1, 0, 0))): "2025-05-18 12:00:00Z",
		a.whenOfTable(false)(&at): "2h ago", a.whenOfTable(false)(nil): "", a.whenOfTable(true)(&yesterday): yesterday.Format("01-02 15:04:05"),
		timeOfDay(at, at): local,
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	a.out.terminal = false
	if got := a.whenOfTable(true)(&at) + a.whenOfSheet(&at); got != "2026-05-18 10:00:00Z2026-05-18 10:00:00Z" {
		t.Errorf("in a pipe: %s", got)
	}
}

// A narrow terminal shows what happened, and the state or the name rather than the environment that the command names.
func TestNarrowTablesShowWhatMatters(t *testing.T) {
	t.Parallel()
	event := client.Event{ID: "evt_019e3bb1e8c171fd9abbb1477ffb84cc", Type: client.EventTypeSpanModelRequestStart, CreatedAt: time.Unix(0, 0),
		Value: client.SpanModelRequestStartEvent{Model: strings.Repeat("model", 10)}}
	if got := narrow(t, 60, eventView(), event); !strings.Contains(got, "modelmodel") || strings.Contains(got, "ID") {
		t.Errorf("events: %s", got)
	}
	const environment = "env_019e2590d33f711fabf42f2857cecd8a"
	work := client.Work{ID: "work_019e3bb1e8c171fd9abbb1477ffb84cc", EnvironmentID: environment, State: "queued"}
	if got := narrow(t, 80, viewOf[client.Work](), work); !strings.Contains(got, "queued") || strings.Contains(got, environment) {
		t.Errorf("work: %s", got)
	}
	key := client.EnvironmentKey{ID: "envkey_019e3bb1e8c171fd9abbb1477ffb84cc", EnvironmentID: environment, Name: "laptop"}
	if got := narrow(t, 80, viewOf[client.EnvironmentKey](), key); !strings.Contains(got, "laptop") || strings.Contains(got, environment) {
		t.Errorf("keys: %s", got)
	}
}

// narrow is the table of a record on a terminal of a width.
func narrow[T any](t *testing.T, width int, v view[T], record T) string {
	t.Helper()
	var out strings.Builder
	a := &app{now: time.Now, out: stream{to: &out, terminal: true, width: width}}
	if err := showAll(a, v, []T{record}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
