package client_test

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/cloud-sessions/sessions/client"
)

// demo is a client of a small stand-in for a server.
func demo(opts ...client.Option) (*client.Client, *httptest.Server) {
	mux := http.NewServeMux()
	reply := func(pattern string, status int, body string) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		})
	}
	const session = `{"id":"sess_1","status":"idle","title":"我的会话","usage":{"input_tokens":1203}}`
	reply("POST /api/v1/cloud/sessions", 201, session)
	reply("GET /api/v1/cloud/sessions/sess_1", 200, session)
	reply("POST /api/v1/cloud/agents", 201, `{"id":"agent_1","version":1}`)
	reply("POST /api/v1/cloud/environments", 201, `{"id":"env_1","status":"ready"}`)
	reply("GET /api/v1/cloud/agents/agent_unknown", 404, `{"type":"error","request_id":"req_7",
		"error":{"type":"not_found_error","message":"Agent 'agent_unknown' was not found."}}`)
	conflict := func(message string) string {
		return `{"type":"error","request_id":"req_8","error":{"type":"conflict_error","message":"` + message + `"}}`
	}
	reply("POST /api/v1/cloud/sessions/sess_1", 200, `{"id":"sess_1","title":"","metadata":{"ticket":"T-1029"}}`)
	reply("POST /api/v1/cloud/sessions/sess_1/cancel", 202, `{"id":"sess_1","type":"session","status":"canceling"}`)
	reply("POST /api/v1/cloud/sessions/sess_1/archive", 200, `{"id":"sess_1","archived_at":"2026-05-19T09:00:00Z"}`)
	reply("DELETE /api/v1/cloud/sessions/sess_1", 200, `{"id":"sess_1","type":"session_deleted"}`)
	const file = `{"id":"sesr_1","type":"file","file_id":"file_1","mount_path":"/mnt/report.csv"}`
	reply("POST /api/v1/cloud/sessions/sess_1/resources", 200, file)
	reply("GET /api/v1/cloud/sessions/sess_1/resources", 200, `{"data":[`+file+`],"has_more":false}`)
	reply("DELETE /api/v1/cloud/sessions/sess_1/resources/sesr_1", 200, `{"id":"sesr_1","type":"session_resource_deleted"}`)
	reply("GET /api/v1/cloud/sessions/sess_1/resources/sesr_1", 404, `{"type":"error","request_id":"req_9",
		"error":{"type":"not_found_error","message":"Session resource 'sesr_1' was not found."}}`)
	mux.HandleFunc("POST /api/v1/cloud/files", func(w http.ResponseWriter, r *http.Request) {
		_, file, err := r.FormFile("file")
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, `{"id":"file_1","filename":%q,"size_bytes":%d}`, file.Filename, file.Size)
	})
	reply("GET /api/v1/cloud/files/file_1/content", 200, "# Plan\n")
	reply("GET /api/v1/cloud/agents/agent_1", 200, `{"id":"agent_1","version":2}`)
	mux.HandleFunc("POST /api/v1/cloud/agents/agent_1", func(w http.ResponseWriter, r *http.Request) {
		var change struct{ Version int }
		if json.NewDecoder(r.Body).Decode(&change) != nil || change.Version != 2 {
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, conflict("The agent is at version 2."))
			return
		}
		fmt.Fprint(w, `{"id":"agent_1","version":3}`)
	})
	reply("GET /api/v1/cloud/agents/agent_1/versions", 200, `{"data":[{"id":"agent_1","version":2,"model":"auto"},
		{"id":"agent_1","version":1,"model":"ultimate"}],"first_id":"2","last_id":"1","has_more":false,"next_page":null}`)
	reply("POST /api/v1/cloud/environments/env_1", 200, `{"id":"env_1","name":"checks"}`)
	reply("DELETE /api/v1/cloud/environments/env_1", 409, conflict("Sessions refer to the environment."))
	reply("POST /api/v1/cloud/environments/env_1/archive", 200, `{"id":"env_1","status":"archived"}`)
	reply("POST /api/v1/cloud/environments/env_1/keys", 201, `{"id":"tok_1","environment_id":"env_1","name":"build-host-1","key":"pt-env-1"}`)
	reply("GET /api/v1/cloud/environments/env_1/work/poll", 200, `null`)
	reply("GET /api/v1/cloud/environments/env_1/work/stats", 200, `{"depth":3,"workers_polling":2}`)
	reply("POST /api/v1/cloud/vaults", 201, `{"id":"vault_1","type":"vault","status":"active"}`)
	reply("POST /api/v1/cloud/vaults/vault_1/credentials", 201, `{"id":"vcred_1","type":"vault_credential",
		"auth":{"type":"static_bearer","mcp_server_url":"https://mcp.search.example/mcp"}}`)
	reply("GET /api/v1/cloud/models", 200, `{"data":[{"id":"ultimate","default_context_window":200000,
		"efforts":["low","medium","high"]},{"id":"auto","default_context_window":200000,"efforts":[]}],"has_more":false}`)
	mux.HandleFunc("GET /api/v1/cloud/sessions", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("page") == "" {
			fmt.Fprint(w, `{"data":[{"id":"sess_1"},{"id":"sess_2"}],"first_id":"sess_1","last_id":"sess_2","has_more":true,"next_page":"sess_2"}`)
			return
		}
		fmt.Fprint(w, `{"data":[{"id":"sess_3"}],"first_id":"sess_3","last_id":"sess_3","has_more":false,"next_page":null}`)
	})
	demoMemory(reply)
	demoEvents(mux)
	srv := httptest.NewServer(mux)
	c, err := client.New(append([]client.Option{
		client.WithToken("pt-secret"), client.WithBaseURL(srv.URL + "/api/v1/cloud"),
	}, opts...)...)
	if err != nil {
		log.Fatal(err)
	}
	return c, srv
}

// demoEvents adds the events of two sessions to a stand-in: one with a reply, and one with a tool use.
func demoEvents(mux *http.ServeMux) {
	const (
		asked  = `{"id":"evt_2","type":"user.message","turn_id":"turn_1","content":[{"type":"text","text":"How are you?"}]}`
		fine   = `{"id":"evt_3","type":"agent.message","turn_id":"turn_1","content":[{"type":"text","text":"I am fine."}]}`
		idle   = `{"id":"evt_4","type":"session.status_idle","turn_id":"turn_1","stop_reason":{"type":"end_turn"}}`
		use    = `{"id":"evt_3","type":"agent.custom_tool_use","turn_id":"turn_1","name":"get_weather","input":{"city":"Oslo"}}`
		waits  = `{"id":"evt_4","type":"session.status_idle","turn_id":"turn_1","stop_reason":{"type":"requires_action","event_ids":["evt_3"]}}`
		result = `{"id":"evt_5","type":"user.custom_tool_result","turn_id":"turn_1","custom_tool_use_id":"evt_3","is_error":false,"content":[{"type":"text","text":%q}]}`
		sunny  = `{"id":"evt_6","type":"agent.message","turn_id":"turn_1","content":[{"type":"text","text":%q}]}`
		done   = `{"id":"evt_7","type":"session.status_idle","turn_id":"turn_1","stop_reason":{"type":"end_turn"}}`
	)
	results := make(chan string, 1)
	mux.HandleFunc("POST /api/v1/cloud/sessions/{id}/events", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Events []struct {
				Type    string
				Content []struct{ Text string }
			}
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		last := body.Events[len(body.Events)-1]
		text := ""
		if len(last.Content) > 0 {
			text = last.Content[0].Text
		}
		switch {
		case last.Type == "user.custom_tool_result":
			fmt.Fprintf(w, `{"data":[`+result+`]}`, text)
			results <- text
		case len(body.Events) > 1:
			fmt.Fprintf(w, `{"data":[{"id":"evt_1","type":"user.interrupt"},{"id":"evt_2","type":"user.message","content":[{"type":"text","text":%q}]}]}`, text)
		default:
			fmt.Fprint(w, `{"data":[`+asked+`]}`)
		}
	})
	mux.HandleFunc("GET /api/v1/cloud/sessions/{id}/events", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("after_id") != "" {
			fmt.Fprint(w, `{"data":[],"has_more":false}`)
			return
		}
		fmt.Fprint(w, `{"data":[`+asked+`,`+fine+`],"has_more":false}`)
	})
	mux.HandleFunc("GET /api/v1/cloud/sessions/{id}/events/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		say := func(id, data string) { fmt.Fprintf(w, "id: %s\ndata: %s\n\n", id, data) }
		if r.PathValue("id") == "sess_1" {
			if r.FormValue("event_deltas[]") != "" {
				for _, text := range []string{"I am ", "fine."} {
					fmt.Fprintf(w, "data: {\"type\":\"event_delta\",\"event_id\":\"evt_3\",\"delta\":{\"type\":\"content_delta\",\"index\":0,\"content\":{\"type\":\"text\",\"text\":%q}}}\n\n", text)
				}
			}
			say("evt_3", fine)
			say("evt_4", idle)
			return
		}
		say("evt_3", use)
		say("evt_4", waits)
		_ = http.NewResponseController(w).Flush()
		select {
		case text := <-results:
			say("evt_5", fmt.Sprintf(result, text))
			say("evt_6", fmt.Sprintf(sunny, "It is "+text+"."))
			say("evt_7", done)
		case <-r.Context().Done():
		}
	})
}

// demoMemory adds a memory store with one memory to a stand-in.
func demoMemory(reply func(pattern string, status int, body string)) {
	const base = "/api/v1/cloud/memory_stores"
	const memory = `{"id":"mem_1","type":"memory","path":"users/4711.md","content":"Prefers short answers.","content_sha256":"b9","version":`
	reply("POST "+base, 201, `{"id":"memstore_1","name":"User notes","status":"active"}`)
	reply("POST "+base+"/memstore_1/memories", 201, memory+`1}`)
	reply("POST "+base+"/memstore_1/memories/mem_1", 200, memory+`2}`)
	reply("GET "+base+"/memstore_1/memories", 200, `{"data":[{"type":"memory_prefix","path":"teams/"},`+memory+`2}],"has_more":false}`)
	reply("GET "+base+"/memstore_1/memory_versions", 200, `{"data":[{"id":"memver_2","operation":"updated","path":"users/4711.md"},
		{"id":"memver_1","operation":"created","path":"users/4711.md"}],"has_more":false}`)
	reply("POST "+base+"/memstore_1/memory_versions/memver_1/redact", 200, `{"id":"memver_1","redacted":true}`)
}
