package sqlstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cloud-sessions/sessions/server/plainjson"
	"github.com/cloud-sessions/sessions/server/store"
)

// toMicros is how times are stored: microseconds since 1970.
func toMicros(t time.Time) int64 { return t.UnixMicro() }

// toMicrosUp rounds up what toMicros rounds down.
func toMicrosUp(t time.Time) int64 { return toMicros(t.Add(time.Microsecond - time.Nanosecond)) }

func fromMicros(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// toMicrosOrNull stores nil as NULL.
func toMicrosOrNull(t *time.Time) *int64 {
	if t == nil {
		return nil
	}
	micros := toMicros(*t)
	return &micros
}

// cut returns t as it will be read back.
func cut(t time.Time) time.Time { return fromMicros(toMicros(t)) }

func cutOrNil(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := cut(*t)
	return &u
}

// timeTo scans a time into the time that it points to.
type timeTo struct{ t *time.Time }

// Scan implements sql.Scanner.
func (c timeTo) Scan(src any) error {
	micros, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a time is stored as %T", src)
	}
	*c.t = fromMicros(micros)
	return nil
}

// timeOrNilTo scans a time, or nil for NULL, into the pointer that it points to.
type timeOrNilTo struct{ t **time.Time }

// Scan implements sql.Scanner.
func (c timeOrNilTo) Scan(src any) error {
	if src == nil {
		*c.t = nil
		return nil
	}
	*c.t = new(time.Time)
	return timeTo{*c.t}.Scan(src)
}

// toJSON returns the text that stores a list or a map; equal values have equal texts. It panics for a value without a
// JSON form, of which the store has none.
func toJSON(v any) string {
	switch v := v.(type) { // most are empty
	case map[string]string:
		if v != nil && len(v) == 0 {
			return "{}"
		}
	case []string:
		if v != nil && len(v) == 0 {
			return "[]"
		}
	case []resourceJSON:
		if v != nil && len(v) == 0 {
			return "[]"
		}
	case []store.PendingAction:
		if len(v) == 0 {
			return "[]"
		}
	}
	text, err := plainjson.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// fromJSON scans JSON text into the value that v points to. A json.RawMessage gets the text unchanged.
type fromJSON struct{ v any }

// Scan implements sql.Scanner.
func (c fromJSON) Scan(src any) error {
	text, ok := src.(string)
	if !ok {
		return fmt.Errorf("JSON is stored as %T", src)
	}
	return c.read(text)
}

// ScanBytes implements pgx's BytesScanner, which is preferred to Scan: a large text is copied once, not twice.
func (c fromJSON) ScanBytes(text []byte) error {
	if text == nil {
		return errors.New("JSON is stored as NULL")
	}
	if v, ok := c.v.(*json.RawMessage); ok {
		*v = bytes.Clone(text)
		return nil
	}
	return c.read(string(text))
}

func (c fromJSON) read(text string) error {
	switch v := c.v.(type) {
	case *json.RawMessage:
		*v = json.RawMessage(text)
		return nil
	case *map[string]string:
		if text == "{}" {
			*v = map[string]string{}
			return nil
		}
	case *[]string:
		if text == "[]" {
			*v = []string{}
			return nil
		}
	case *[]resourceJSON:
		if text == "[]" {
			*v = nil
			return nil
		}
	case *[]store.PendingAction:
		if text == "[]" {
			*v = nil
			return nil
		}
	}
	return json.Unmarshal([]byte(text), c.v)
}

// orEmpty returns m, or an empty map for nil: maps are never nil when they are read.
func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// orNone returns list, or an empty one for nil: slices are never nil when they are read.
func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
