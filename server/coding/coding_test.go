package coding_test

import (
	"testing"

	"github.com/cloud-sessions/sessions/server/coding"
)

func TestAcceptsGzip(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		"gzip": true, "GZIP": true, "x-gzip": true, "deflate, gzip;q=0.5, br": true, "*": true, "br;q=1, *;q=0.1": true, "gzip; q=1": true,
		"": false, "br": false, "identity": false, "gzip;q=0": false, "gzip;q=0, *": false, "*;q=0": false, "gzip;q=": false, "gzip;q=x": false, "gzipped": false,
		"gzip; foo=1; q=0": false, "gzip;foo=1;Q=0.0": false, "gzip; foo=1": true, "gzip;q=nan, *": false, "gzip;q=-1, *": false,
	} {
		if got := coding.AcceptsGzip([]string{header}); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
	if coding.AcceptsGzip(nil) || !coding.AcceptsGzip([]string{"br", "gzip"}) {
		t.Error("no header, or two of them")
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		"text/html": true, "TEXT/HTML": true, "application/json, text/html;level=1;q=0.1": true, " text/html ;q=1": true,
		"": false, "*/*": false, "text/*": false, "text/html;q=0": false, "text/html; charset=utf-8; q=0.000": false, "text/htmlx": false, "application/xtext/html": false,
	} {
		if got := coding.Names([]string{header}, "text/html"); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}
