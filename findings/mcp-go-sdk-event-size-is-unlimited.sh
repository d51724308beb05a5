#!/bin/sh
# github.com/modelcontextprotocol/go-sdk v1.8.0, StreamableClientTransport.MaxEventSize: the field's comment gives 0 a default
# of 16 MiB, but with 0 an event of 17 MiB arrives. A limit that is set holds for text/event-stream only: a response in
# application/json is read whatever its size. A client of servers that it does not trust has to bound the bodies itself, in
# the RoundTripper.
set -eu
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// server answers a tools/call with a text of a size, as an event or as plain JSON.
func server(size int, event bool) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var call struct {
			ID     json.RawMessage
			Method string
		}
		_ = json.Unmarshal(body, &call)
		result := ""
		switch {
		case r.Method != http.MethodPost:
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		case call.Method == "initialize":
			result = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"t","version":"1"}}`
		case call.Method == "tools/call":
			result = `{"content":[{"type":"text","text":"` + strings.Repeat("a", size) + `"}]}`
		case call.Method == "server/discover":
			w.WriteHeader(http.StatusNotFound)
			return
		default:
			w.WriteHeader(http.StatusAccepted)
			return
		}
		if event && call.Method == "tools/call" {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}\n\n", call.ID, result)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, call.ID, result)
	}))
}

func main() {
	ctx := context.Background()
	for _, c := range []struct {
		limit, size int
		event       bool
	}{{0, 17 << 20, true}, {1 << 20, 2 << 20, true}, {1 << 20, 2 << 20, false}} {
		s := server(c.size, c.event)
		transport := &mcp.StreamableClientTransport{
			Endpoint: s.URL, DisableStandaloneSSE: true, MaxRetries: -1, MaxEventSize: c.limit,
		}
		session, err := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil).Connect(ctx, transport, nil)
		if err != nil {
			fmt.Println("no session:", err)
			continue
		}
		_, err = session.CallTool(ctx, &mcp.CallToolParams{Name: "t"})
		fmt.Printf("limit %d MiB, %d MiB, event %v: arrived %v\n", c.limit>>20, c.size>>20, c.event, err == nil)
	}
}
GO
go mod init example.com/finding >/dev/null 2>&1
go get github.com/modelcontextprotocol/go-sdk@v1.8.0 >/dev/null 2>&1
go mod tidy >/dev/null 2>&1
got=$(go run . 2>/dev/null)
echo "$got"
want='limit 0 MiB, 17 MiB, event true: arrived true
limit 1 MiB, 2 MiB, event true: arrived false
limit 1 MiB, 2 MiB, event false: arrived true'
[ "$got" = "$want" ] || { echo 'changed: 0 used to be no limit, and a limit to hold for events only'; exit 1; }
