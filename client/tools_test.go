package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/client"
)

// A tool's schema is that of its struct, and a server takes it.
func TestToolSchemas(t *testing.T) {
	type point struct {
		Lat float64 `json:"lat"`
		Lon float64 `json:"lon"`
	}
	type search struct {
		Query string   `json:"query" jsonschema:"what to look for"`
		Tags  []string `json:"tags,omitempty"`
		Near  *point   `json:"near,omitempty"`
		Limit int      `json:"limit,omitzero"`
	}
	tool := client.NewTool("search", "Searches.", func(context.Context, search) (string, error) { return "", nil })
	var got, want any
	if err := json.Unmarshal([]byte(toJSON(t, tool.AgentTool())), &got); err != nil {
		t.Fatal(err)
	}
	_ = json.Unmarshal([]byte(`{"type": "custom", "name": "search", "description": "Searches.", "input_schema": {
		"type": "object", "required": ["query"], "additionalProperties": false,
		"properties": {
			"query": {"type": "string", "description": "what to look for"},
			"tags": {"type": ["null", "array"], "items": {"type": "string"}},
			"near": {"type": ["null", "object"], "required": ["lat", "lon"], "additionalProperties": false,
				"properties": {"lat": {"type": "number"}, "lon": {"type": "number"}}},
			"limit": {"type": "integer"}}}}`), &want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	agent, err := startReal(t).Agents.Create(t.Context(), &client.CreateAgentRequest{Name: "a", Model: "auto", Tools: []client.AgentTool{tool.AgentTool()}})
	if err != nil || toJSON(t, agent.Tools) != "["+toJSON(t, tool.AgentTool())+"]" {
		t.Errorf("%v, %v", err, toJSON(t, agent.Tools))
	}
}

// A tool whose input is not a struct panics at once.
func TestToolsWithoutASchema(t *testing.T) {
	for name, make := range map[string]func(){
		"no struct": func() { client.NewTool("t", "", func(context.Context, string) (string, error) { return "", nil }) },
		"no schema": func() {
			client.NewTool("t", "", func(context.Context, struct{ C chan int }) (string, error) { return "", nil })
		},
	} {
		func() {
			defer func() {
				if p := fmt.Sprint(recover()); !strings.HasPrefix(p, "client.NewTool: t: ") {
					t.Errorf("%s: %s", name, p)
				}
			}()
			make()
		}()
	}
}

// A result that is not a string is sent as JSON.
func TestToolResultsAsJSON(t *testing.T) {
	r := startReal(t)
	tool := client.NewTool("get_weather", "", func(_ context.Context, in weather) (map[string]int, error) {
		return map[string]int{"days": in.Days}, nil
	})
	events, err := readAll(r.Sessions.Run(t.Context(), r.session, "weather?", &client.RunParams{Tools: []client.Tool{tool}}))
	if err != nil {
		t.Fatal(err)
	}
	if got := conversation(events)[2]; got != `result: {"days":1}` {
		t.Errorf("%s", got)
	}
}
