package work_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/work"
)

var began = time.Date(2026, 7, 20, 9, 0, 0, 123_456_789, time.UTC)

const lease = 30 * time.Second

// item returns a work item in a state, delivered with the token "own".
func item(t *testing.T, state store.WorkState) *store.WorkItem {
	t.Helper()
	w := &store.WorkItem{ID: "work_1", State: store.WorkQueued, Lease: store.WorkLease{Token: "own", Worker: "a"}}
	steps := map[store.WorkState]int{store.WorkQueued: 0, store.WorkStarting: 1, store.WorkActive: 2, store.WorkStopping: 3, store.WorkStopped: 4}[state]
	for _, step := range []func() error{
		func() error { return work.Acknowledge(w, "", began, lease) },
		func() error { return beat(w, work.NoHeartbeat, "own", began) },
		func() error { return work.Stop(w, false, false, began) },
		func() error { return work.Stop(w, false, false, began) },
	}[:steps] {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if w.State != state {
		t.Fatalf("the item is %s, want %s", w.State, state)
	}
	return w
}

// beat sends a heartbeat that expects a text.
func beat(w *store.WorkItem, expected, token string, now time.Time) error {
	h := work.Heartbeat{Expected: expected, Token: token}
	h.At, _ = time.Parse(time.RFC3339Nano, expected)
	return work.Beat(w, h, now, lease)
}

// kind names an error.
func kind(err error) string {
	var lost *work.LeaseLostError
	var state *work.StateError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &lost):
		return "412"
	case errors.As(err, &state):
		return "409"
	}
	return err.Error()
}

func TestHeartbeats(t *testing.T) {
	t.Parallel()
	const latest = "2026-07-20T09:00:00.123456Z"
	for _, test := range []struct {
		name            string
		state           store.WorkState
		expected, token string
		want            string
	}{
		{"the first", store.WorkStarting, work.NoHeartbeat, "own", ""},
		{"the first, unconditional", store.WorkStarting, "", "", ""},
		{"the first that expects another", store.WorkStarting, latest, "own", "412"},
		{"before it is acknowledged", store.WorkQueued, work.NoHeartbeat, "own", "412"},
		{"before it is acknowledged, unconditional", store.WorkQueued, "", "own", "409"},
		{"the next", store.WorkActive, latest, "own", ""},
		{"the next in another zone", store.WorkActive, "2026-07-20T11:00:00.123456+02:00", "own", ""},
		{"the next, unconditional", store.WorkActive, "", "", ""},
		{"the first again", store.WorkActive, work.NoHeartbeat, "own", ""},
		{"the first of another worker", store.WorkActive, work.NoHeartbeat, "", "412"},
		{"the first of an earlier delivery", store.WorkActive, work.NoHeartbeat, "old", "412"},
		{"the first of an earlier delivery, after the acknowledgement", store.WorkStarting, work.NoHeartbeat, "old", "412"},
		{"of an earlier delivery, unconditional", store.WorkActive, "", "old", "412"},
		{"the first with a key", store.WorkStarting, work.NoHeartbeat, "", ""},
		{"late by a microsecond", store.WorkActive, "2026-07-20T09:00:00.123455Z", "own", "412"},
		{"while it stops", store.WorkStopping, latest, "own", ""},
		{"after it was stopped", store.WorkStopped, latest, "own", "412"},
		{"after it was stopped, unconditional", store.WorkStopped, "", "own", "409"},
	} {
		w := item(t, test.state)
		if got := kind(beat(w, test.expected, test.token, began.Add(time.Second))); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// A heartbeat is later than the one before it, whatever the clock says, and may be repeated by its worker only.
func TestRepeatedHeartbeats(t *testing.T) {
	t.Parallel()
	w := item(t, store.WorkActive)
	first := *w.HeartbeatAt
	expects := first.Format(time.RFC3339Nano)
	if err := beat(w, expects, "own", began.Add(-time.Hour)); err != nil || !w.HeartbeatAt.Equal(first.Add(time.Microsecond)) {
		t.Fatalf("%v after %v: %v", w.HeartbeatAt, first, err)
	}
	second := *w.HeartbeatAt
	if err := beat(w, expects, "own", began); err != nil || !w.HeartbeatAt.Equal(second) {
		t.Errorf("a repeat: %v, %v", w.HeartbeatAt, err)
	}
	if got := kind(beat(w, expects, "", began)); got != "412" {
		t.Errorf("a repeat without the token: %q", got)
	}
	if got := kind(beat(w, work.NoHeartbeat, "own", began)); got != "412" {
		t.Errorf("the first heartbeat, after the second: %q", got)
	}
}

// The key of an environment cannot take an item from a worker that has it by a session token, nor change its lease.
func TestHeartbeatsWithAKey(t *testing.T) {
	t.Parallel()
	for _, state := range []store.WorkState{store.WorkActive, store.WorkStopping} {
		w := item(t, state)
		before, latest := w.Lease, *w.HeartbeatAt
		for _, h := range []work.Heartbeat{
			{}, {Expected: work.NoHeartbeat}, {Expected: latest.Format(time.RFC3339Nano), At: latest},
		} {
			h.ByKey, h.TTL = true, time.Minute
			if got := kind(work.Beat(w, h, began.Add(time.Second), lease)); got != "412" || w.Lease != before || !w.HeartbeatAt.Equal(latest) {
				t.Errorf("%s, expecting %q: %q and %+v", state, h.Expected, got, w.Lease)
			}
		}
	}
	w := item(t, store.WorkStarting)
	for range 2 {
		if err := work.Beat(w, work.Heartbeat{ByKey: true}, began.Add(time.Second), lease); err != nil {
			t.Errorf("a worker that uses the key only: %v", err)
		}
	}
}

func TestLeases(t *testing.T) {
	t.Parallel()
	for asked, want := range map[time.Duration]time.Duration{0: lease, time.Second: 10 * time.Second, time.Minute: time.Minute, time.Hour: 10 * time.Minute} {
		w := item(t, store.WorkActive)
		if err := work.Beat(w, work.Heartbeat{TTL: asked}, began, lease); err != nil {
			t.Fatal(err)
		}
		if free := w.Lease.FreeAt.Sub(began); w.Lease.TTL != want || free <= want || free > want+5*time.Second {
			t.Errorf("asked for %s: a lease of %s that ends after %s, want %s", asked, w.Lease.TTL, free, want)
		}
	}
	if got := work.Seconds(1500 * time.Millisecond); got != 2 {
		t.Errorf("%d seconds", got)
	}
}

func TestAcknowledgements(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		state       store.WorkState
		worker      string
		want, after string
	}{
		{store.WorkQueued, "", "", "starting"},
		{store.WorkQueued, "a", "", "starting"},
		{store.WorkQueued, "b", "409", "queued"},
		{store.WorkStarting, "a", "", "starting"},
		{store.WorkStarting, "b", "409", "starting"},
		{store.WorkActive, "", "", "active"},
		{store.WorkActive, "b", "409", "active"},
		{store.WorkStopping, "a", "409", "stopping"},
		{store.WorkStopped, "", "409", "stopped"},
	} {
		w := item(t, test.state)
		before := w.Lease.FreeAt
		got := kind(work.Acknowledge(w, test.worker, began.Add(time.Second), lease))
		if got != test.want || string(w.State) != test.after {
			t.Errorf("%s by %q: %q and %s, want %q and %s", test.state, test.worker, got, w.State, test.want, test.after)
		}
		if test.state != store.WorkQueued && w.Lease.FreeAt != before {
			t.Errorf("%s by %q: a repeat changes the lease", test.state, test.worker)
		}
	}
}

func TestStops(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		state        store.WorkState
		force, byKey bool
		want, after  string
	}{
		{store.WorkQueued, false, false, "", "stopped"},
		{store.WorkQueued, true, true, "", "stopped"},
		{store.WorkStarting, false, true, "", "stopping"},
		{store.WorkStarting, true, true, "", "stopped"},
		{store.WorkActive, false, false, "", "stopping"},
		{store.WorkActive, true, false, "", "stopped"},
		{store.WorkActive, true, true, "409", "active"},
		{store.WorkActive, false, true, "409", "active"},
		{store.WorkStopping, false, false, "", "stopped"},
		{store.WorkStopped, true, false, "409", "stopped"},
	} {
		w := item(t, test.state)
		if got := kind(work.Stop(w, test.force, test.byKey, began)); got != test.want || string(w.State) != test.after {
			t.Errorf("%+v: %q and %s", test, got, w.State)
		}
	}
}
