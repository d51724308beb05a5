package rules

import (
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// FuzzDateTime compares IsDateTime with kin-openapi and Go's time package: it accepts what both accept.
func FuzzDateTime(f *testing.F) {
	for _, seed := range []string{
		"2026-05-18T15:26:15Z", "2026-05-18T15:26:15.747298Z", "2026-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2000-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-01t00:00:00Z", "2026-01-01T00:00:00z", "2026-01-01 00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
		"2026-01-01T00:00:60Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00,5Z", "2026-01-01T00:00:00+07:00", "2026-01-01T00:00:00-23:59", "2026-01-01T00:00:00+24:00",
		"2026-01-01T00:00:00+0700", "2026-01-01T00:00:00.123456789123Z", "0000-01-01T00:00:00Z", "", "2026-01-01", "2026-01-01T00:00:00.5", "202a-01-01T00:00:00Z", "2026/01/01T00:00:00Z", "2026-01-01T00:00:00Z ",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := time.Parse(time.RFC3339, text)
		kin := openapi3.NewStringSchema().WithFormat("date-time").VisitJSON(text, openapi3.EnableFormatValidation())
		if want := err == nil && kin == nil; IsDateTime(text) != want {
			t.Fatalf("%q: %v, time: %v, kin-openapi: %v", text, IsDateTime(text), err, kin)
		}
	})
}
