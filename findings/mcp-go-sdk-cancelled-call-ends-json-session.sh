#!/bin/sh
# github.com/modelcontextprotocol/go-sdk v1.8.0, StreamableClientTransport: what a cancelled call leaves behind depends on how
# the server was responding. While its response arrives as text/event-stream, the session goes on. While it arrives as
# application/json, the body that the cancelled context cuts off counts as a failure of the connection: a moment later the
# session's next call fails. A client that sets a deadline for calls has to begin a new session after one that ended within
# JSON, before it meets the dying one.
set -eu
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// server takes its time for the first call: its response has begun, and goes on after a minute or when nobody waits.
func server(media, begin, end string) *httptest.Server {
	var calls atomic.Int32
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var m struct {
			ID     json.RawMessage
			Method string
		}
		_ = json.Unmarshal(body, &m)
		result := ""
		switch m.Method {
		case "initialize":
			result = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"t","version":"1"}}`
		case "tools/call":
			result = `{"content":[{"type":"text","text":"done"}]}`
		case "server/discover":
			w.WriteHeader(http.StatusNotFound)
			return
		default:
			w.WriteHeader(http.StatusAccepted)
			return
		}
		response := fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, m.ID, result)
		if m.Method != "tools/call" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, response)
			return
		}
		w.Header().Set("Content-Type", media)
		_, _ = io.WriteString(w, begin+response[:1])
		w.(http.Flusher).Flush()
		if calls.Add(1) == 1 {
			select {
			case <-r.Context().Done():
			case <-time.After(time.Minute):
			}
		}
		_, _ = io.WriteString(w, response[1:]+end)
	}))
}

func main() {
	ctx := context.Background()
	for _, c := range []struct{ media, begin, end string }{
		{"text/event-stream", "event: message\ndata: ", "\n\n"}, {"application/json", "", ""},
	} {
		s := server(c.media, c.begin, c.end)
		transport := &mcp.StreamableClientTransport{Endpoint: s.URL, DisableStandaloneSSE: true}
		session, err := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil).Connect(ctx, transport, nil)
		if err != nil {
			fmt.Println("no session:", err)
			continue
		}
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		_, err = session.CallTool(short, &mcp.CallToolParams{Name: "slow"})
		cancel()
		late := errors.Is(err, context.DeadlineExceeded)
		time.Sleep(500 * time.Millisecond)
		_, err = session.CallTool(ctx, &mcp.CallToolParams{Name: "next"})
		fmt.Printf("%s: the first call ended late %v, the next one succeeds %v\n", c.media, late, err == nil)
	}
}
GO
go mod init example.com/finding >/dev/null 2>&1
go get github.com/modelcontextprotocol/go-sdk@v1.8.0 >/dev/null 2>&1
go mod tidy >/dev/null 2>&1
got=$(go run . 2>/dev/null)
echo "$got"
want='text/event-stream: the first call ended late true, the next one succeeds true
application/json: the first call ended late true, the next one succeeds false'
[ "$got" = "$want" ] || { echo 'changed: a cancelled call used to end the session only within application/json'; exit 1; }
