package broker_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/broker"
)

// A frame has no character at which any client may end a line, and means the same.
func TestAFrameIsOneLine(t *testing.T) {
	t.Parallel()
	for _, data := range []string{
		"{\"a\":\"x\u0085y\"}", "{\"a\":\"\u2028\u2029\u0085\"}", "{\"\u0085\":\"a\\u0085\\\\\u2028\"}", "{\"a\":\"é话…\u0086\u2027\u202a\"}", `{"a":""}`,
	} {
		frame := broker.Framed("event_1", "agent.message", []byte(data))
		lines := strings.FieldsFunc(string(frame.Text), func(r rune) bool { return strings.ContainsRune("\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029", r) })
		if len(lines) != 3 || lines[0] != "id: event_1" || lines[1] != "event: agent.message" {
			t.Fatalf("%q", lines)
		}
		var got, want any
		if text := strings.TrimPrefix(lines[2], "data: "); text != string(frame.Data) {
			t.Errorf("%q, with the data %q", text, frame.Data)
		}
		if err := json.Unmarshal(frame.Data, &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(data), &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}
