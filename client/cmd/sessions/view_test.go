package main

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/client"
)

func TestPlainView(t *testing.T) {
	t.Parallel()
	type rating string
	type record struct {
		ID       string            `json:"id"`
		Type     string            `json:"type"`
		FileID   string            `json:"file_id"`
		Rating   rating            `json:"rating"`
		Score    *int64            `json:"score,omitempty"`
		Missing  *string           `json:"missing,omitempty"`
		Final    bool              `json:"final"`
		Share    float64           `json:"share"`
		Made     time.Time         `json:"created_at"`
		Archived *time.Time        `json:"archived_at"`
		Tags     []string          `json:"tags"`
		Metadata map[string]string `json:"metadata"`
	}
	v, shown := viewOf[record](), [][2]string{}
	r := record{ID: "rec_1", Type: "record", FileID: "file_1", Rating: "bad", Score: new(int64(7)), Share: 0.5, Made: time.Unix(0, 0), Tags: []string{"x"}}
	for _, c := range v.columns {
		shown = append(shown, [2]string{c.name, c.value(&r, moment)})
	}
	want := [][2]string{
		{"ID", "rec_1"}, {"FILE ID", "file_1"}, {"RATING", "bad"}, {"SCORE", "7"}, {"MISSING", ""}, {"FINAL", "false"}, {"SHARE", "0.5"},
		{"CREATED", "1970-01-01 00:00:00Z"}, {"ARCHIVED", ""},
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Error(diff)
	}
	if id := v.id(&r); id != "rec_1" {
		t.Errorf("id %q", id)
	}
}

// A list has no column for secrets, which only the response that creates them has; the sheet of that one shows it.
func TestListsHaveNoColumnsOfSecrets(t *testing.T) {
	t.Parallel()
	details := slices.Concat(detailsOf(viewOf[client.EnvironmentKey]()), detailsOf(viewOf[client.Work]()))
	if !slices.Equal(details, []string{"ENVIRONMENT ID", "KEY", "ENVIRONMENT ID", "SECRET"}) { // commands name the environment
		t.Errorf("%v", details)
	}
}

func detailsOf[T any](v view[T]) (names []string) {
	for _, c := range v.columns {
		if c.detail {
			names = append(names, c.name)
		}
	}
	return names
}

// The sheet of a session calls its resources files if all of them are.
func TestResourcesOfASession(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`[]`: "", `[{"type":"file","file_id":"file_1"}]`: "FILES 1",
		`[{"type":"file","file_id":"file_1"},{"type":"memory_store","memory_store_id":"memstore_1"}]`: "RESOURCES 2",
	} {
		var s client.Session
		if err := json.Unmarshal([]byte(`{"resources":`+text+`}`), &s); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, c := range sessionView().columns {
			if value := c.value(&s, moment); value != "" && (c.name == "FILES" || c.name == "RESOURCES") {
				got += c.name + " " + value
			}
		}
		if got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}

// A record with a view by hand is shown by that one.
func TestViewsByHand(t *testing.T) {
	t.Parallel()
	if got, want := headings(viewOf[client.Session]()), headings(sessionView()); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func headings[T any](v view[T]) (names []string) {
	for _, c := range v.columns {
		names = append(names, c.name)
	}
	return names
}
