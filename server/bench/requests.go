package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/cloud-sessions/sessions/server"
)

// mount is where the operations are called.
const mount = "/api/v1/cloud"

// stampWidth is the number of digits that make a request unique.
const stampWidth = 16

// requests are requests as they go over the wire, sent in turn.
type requests struct {
	Wire [][]byte
	// Stamp is where in each of them stampWidth digits are written anew each time; 0 for nowhere.
	Stamp int
}

// call is a request before it is written out.
type call struct {
	method, path, body string
	header             string // one more header line, without its end
}

// wire writes a request as a keep-alive client does.
func (c call) wire() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s%s HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer %s\r\n", c.method, mount, c.path, token)
	if c.header != "" {
		b.WriteString(c.header + "\r\n")
	}
	if c.method == http.MethodPost {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(c.body))
	}
	b.WriteString("\r\n" + c.body)
	return b.Bytes()
}

// createBody is the documentation's request, for an agent and an environment.
func createBody(agent, environment string) string {
	body, err := json.Marshal(map[string]any{
		"agent": agent, "environment_id": environment, "title": "我的会话",
		"metadata": map[string]string{"purpose": "customer-support"},
	})
	if err != nil {
		panic(err) // strings are always JSON
	}
	return string(body)
}

func createCall() call {
	return call{method: http.MethodPost, path: "/sessions", body: createBody(server.DemoAgent, server.DemoEnvironment)}
}

func createRequests([]string) (requests, error) {
	return requests{Wire: [][]byte{createCall().wire()}}, nil
}

func keyedRequests([]string) (requests, error) {
	c, digits := createCall(), strings.Repeat("0", stampWidth)
	c.header = "Idempotency-Key: bench-" + digits
	wire := c.wire()
	return requests{Wire: [][]byte{wire}, Stamp: bytes.Index(wire, []byte(digits))}, nil
}

func getRequests(ids []string) (requests, error) {
	var list requests
	for _, id := range ids {
		list.Wire = append(list.Wire, call{method: http.MethodGet, path: "/sessions/" + id}.wire())
	}
	return list, nil
}

func listRequests([]string) (requests, error) {
	return requests{Wire: [][]byte{call{method: http.MethodGet, path: "/sessions?limit=20"}.wire()}}, nil
}

// stamp makes a request unique.
func stamp(wire []byte, at int, n uint64) {
	for i := at + stampWidth - 1; i >= at; i-- {
		wire[i] = byte('0' + n%10)
		n /= 10
	}
}
