#!/bin/sh
# github.com/modelcontextprotocol/go-sdk v1.8.0, streamable HTTP client: how one refused tools/call affects the calls after
# it depends on the status. After a single 400, 403, 404, 410 or 413 the ClientSession is over: every later call fails with
# "client is closing", although the server would accept it, and nothing initialises anew. After a 429, 500, 502 or 503 the
# next call works. The package's documentation does not list which errors end a session. A program that keeps sessions open
# must connect again after any error that is not a JSON-RPC error.
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

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// server accepts everything, except that the first tools/call is refused with a status.
func server(status int) *httptest.Server {
	refused := false
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
			w.Header().Set("Mcp-Session-Id", "s1")
			result = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"t","version":"1"}}`
		case call.Method == "tools/call" && !refused:
			refused = true
			w.WriteHeader(status)
			return
		case call.Method == "tools/call":
			result = `{"content":[{"type":"text","text":"done"}]}`
		case call.Method == "server/discover":
			w.WriteHeader(http.StatusNotFound)
			return
		default:
			w.WriteHeader(http.StatusAccepted)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":%s}`, call.ID, result)
	}))
}

func main() {
	ctx := context.Background()
	for _, status := range []int{400, 403, 404, 410, 413, 429, 500, 502, 503} {
		s := server(status)
		transport := &mcp.StreamableClientTransport{Endpoint: s.URL, DisableStandaloneSSE: true, MaxRetries: -1}
		session, err := mcp.NewClient(&mcp.Implementation{Name: "c", Version: "1"}, nil).Connect(ctx, transport, nil)
		if err != nil {
			fmt.Println(status, "no session:", err)
			continue
		}
		call := func() error {
			_, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "t"})
			return err
		}
		if call() == nil {
			fmt.Println(status, "was not refused")
		} else if call() == nil {
			fmt.Println(status, "goes on")
		} else {
			fmt.Println(status, "is over")
		}
	}
}
GO
go mod init example.com/finding >/dev/null 2>&1
go get github.com/modelcontextprotocol/go-sdk@v1.8.0 >/dev/null 2>&1
go mod tidy >/dev/null 2>&1
got=$(go run . 2>/dev/null)
echo "$got"
want='400 is over
403 is over
404 is over
410 is over
413 is over
429 goes on
500 goes on
502 goes on
503 goes on'
[ "$got" = "$want" ] || { echo 'changed: 4xx except 429 used to end the session, 429 and 5xx not'; exit 1; }
