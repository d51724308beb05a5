package client_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/client"
)

// Both successes of a cancellation have the same body; the caller can tell them apart.
func TestCancel(t *testing.T) {
	const body = `{"id":"sess_1","type":"session","status":"canceling"}`
	cases := []struct {
		name     string
		steps    []client.RoundTripFunc
		stopping bool
		err      error
	}{
		{"a turn", []client.RoundTripFunc{answer(202, body)}, true, nil},
		{"no turn", []client.RoundTripFunc{answer(200, body)}, false, nil},
		{"a turn, at the second attempt", []client.RoundTripFunc{answer(503, ""), answer(202, body)}, true, nil},
		{"no session", []client.RoundTripFunc{answer(404, envelope("not_found_error", "gone"))}, false, client.ErrNotFound},
		{"202 without a body", []client.RoundTripFunc{answer(202, "")}, false, client.ErrUnexpectedResponse},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := scripted(t, tc.steps)
			got, err := c.Sessions.Cancel(t.Context(), "sess_1")
			if !errors.Is(err, tc.err) {
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			want := &client.SessionCancellation{ID: "sess_1", Type: "session", Status: "canceling", Stopping: tc.stopping}
			if tc.err != nil {
				want = nil
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// One file is the body itself, several are a list in it.
func TestAddFiles(t *testing.T) {
	file := client.FileResourceInput{FileID: "file_1"}
	placed := client.FileResourceInput{FileID: "file_2", MountPath: new("/mnt/b.csv")}
	c, rec := scripted(t, []client.RoundTripFunc{answer(200, `{"id":"x"}`)})
	_, first := c.Sessions.Resources.Add(t.Context(), "sess_1", &file)
	_, second := c.Sessions.Resources.Add(t.Context(), "sess_1", &placed)
	_, third := c.Sessions.Resources.AddAll(t.Context(), "sess_1", []client.FileResourceInput{file, placed})
	if err := errors.Join(first, second, third); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"type":"file","file_id":"file_1"}`,
		`{"type":"file","file_id":"file_2","mount_path":"/mnt/b.csv"}`,
		`{"resources":[{"type":"file","file_id":"file_1"},{"type":"file","file_id":"file_2","mount_path":"/mnt/b.csv"}]}`,
	}
	if diff := cmp.Diff(want, rec.bodies); diff != "" {
		t.Errorf("bodies (-want +got):\n%s", diff)
	}
}
