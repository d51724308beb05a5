package main

import (
	"fmt"
	"strings"
	"time"
)

// moment writes a time for programs and logs, "" for none.
func moment(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateTime + "Z")
}

// whenOfTable returns how a table writes times: on a terminal how long ago they were or, in a log, the time of day there;
// elsewhere the moment.
func (a *app) whenOfTable(log bool) func(*time.Time) string {
	write := ago
	switch {
	case !a.out.terminal:
		return moment
	case log:
		write = timeOfDay
	}
	return func(t *time.Time) string {
		if t == nil || t.IsZero() {
			return ""
		}
		return write(*t, a.now())
	}
}

// whenOfSheet writes a time of a single record: the moment and, on a terminal, how long ago that was.
func (a *app) whenOfSheet(t *time.Time) string {
	text := moment(t)
	if text == "" || !a.out.terminal {
		return text
	}
	if since := ago(*t, a.now()); !strings.HasPrefix(text, since) {
		text += " (" + since + ")"
	}
	return text
}

// ago says in a few characters how long before now t was, or after it; for what is a month away, the day.
func ago(t, now time.Time) string {
	age := now.Sub(t)
	before, after := "", " ago"
	if age < 0 {
		before, after, age = "in ", "", -age
	}
	switch {
	case age < time.Minute:
		return "just now"
	case age < time.Hour:
		return fmt.Sprintf("%s%dm%s", before, age/time.Minute, after)
	case age < 24*time.Hour:
		return fmt.Sprintf("%s%dh%s", before, age/time.Hour, after)
	case age < 30*24*time.Hour:
		return fmt.Sprintf("%s%dd%s", before, age/(24*time.Hour), after)
	}
	return t.UTC().Format(time.DateOnly)
}

// timeOfDay is the time of day in the terminal's time zone, with the day unless that is today.
func timeOfDay(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format("01-02 " + time.TimeOnly)
}
