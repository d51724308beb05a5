package sdktest_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	anthropic "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/lib/environments"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// BenchmarkWorker runs turns of ten calls of a tool that does nothing, in a SQLite file, by turns with the official worker
// and with client.NewTool. It reports the median of a turn with each and of the ratio of two that follow each other, and
// the time from the first message of a session to the first result of a worker that waits for work.
func BenchmarkWorker(b *testing.B) {
	s := servertest.New(b, func(c *server.Config) { c.DB = "sqlite:" + filepath.Join(b.TempDir(), "sessions.db") })
	s.Script("rules:" + tenSteps("worker", "use: {tool: read, input: {file_path: a}}") + tenSteps("client", "custom_tool: {name: nothing, input: {}}"))
	own := newWorkplace(b, s.Client())
	defer own.work(b, s.URL, time.Hour, func(o *environments.EnvironmentWorkerOptions) {
		o.Tools, o.Logger = []anthropic.BetaTool{nothing{}}, slog.New(slog.DiscardHandler)
	})()
	worked := turns{own.client, own.session(b), "worker", nil}
	first, _ := worked.run(b)

	tool := client.NewTool("nothing", "Does nothing.", func(context.Context, struct{}) (string, error) { return "ok", nil })
	agent, err := own.client.Agents.Create(b.Context(), &client.CreateAgentRequest{Name: "caller", Model: "ultimate", Tools: []client.AgentTool{tool.AgentTool()}})
	if err != nil {
		b.Fatal(err)
	}
	session, err := own.client.Sessions.Create(b.Context(), &client.CreateSessionRequest{Agent: client.AgentRef{ID: agent.ID}, EnvironmentID: s.EnvironmentID})
	if err != nil {
		b.Fatal(err)
	}
	called := turns{own.client, session.ID, "client", &client.RunParams{Tools: []client.Tool{tool}}}

	var byWorker, byClient, ratios []float64
	for b.Loop() {
		_, worker := worked.run(b)
		_, caller := called.run(b)
		byWorker, byClient = append(byWorker, worker.Seconds()), append(byClient, caller.Seconds())
		ratios = append(ratios, worker.Seconds()/caller.Seconds())
	}
	b.ReportMetric(1e3*median(byWorker), "worker-ms/turn")
	b.ReportMetric(1e3*median(byClient), "client-ms/turn")
	b.ReportMetric(median(ratios), "worker/client")
	b.ReportMetric(1e3*first.Seconds(), "first-call-ms")
}

// tenSteps is a rule for a message.
func tenSteps(message, step string) string {
	return "\n  - match: {text: " + message + "}\n    steps:" + strings.Repeat("\n      - "+step, 10)
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// turns are turns of a session that the same message begins.
type turns struct {
	client           *client.Client
	session, message string
	params           *client.RunParams
}

// run runs a turn and returns the time until the first result and until the end.
func (r turns) run(b *testing.B) (first, whole time.Duration) {
	b.Helper()
	results, began := 0, time.Now()
	for event, err := range r.client.Sessions.Run(b.Context(), r.session, r.message, r.params) {
		if err != nil {
			b.Fatal(err)
		}
		switch event.Value.(type) {
		case client.UserToolResultEvent, client.UserCustomToolResultEvent:
			if results++; results == 1 {
				first = time.Since(began)
			}
		}
	}
	if results != 10 {
		b.Fatalf("%d results", results)
	}
	return first, time.Since(began)
}

// nothing is a tool named read that does nothing.
type nothing struct{}

// Name implements anthropic.BetaTool.
func (nothing) Name() string { return "read" }

// Description implements anthropic.BetaTool.
func (nothing) Description() string { return "" }

// InputSchema implements anthropic.BetaTool.
func (nothing) InputSchema() anthropic.BetaToolInputSchemaParam {
	return anthropic.BetaToolInputSchemaParam{}
}

// Execute implements anthropic.BetaTool.
func (nothing) Execute(context.Context, json.RawMessage) ([]anthropic.BetaToolResultBlockParamContentUnion, error) {
	return []anthropic.BetaToolResultBlockParamContentUnion{{OfText: &anthropic.BetaTextBlockParam{Text: "ok"}}}, nil
}
