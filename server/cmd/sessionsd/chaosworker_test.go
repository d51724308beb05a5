package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	anthropic "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/lib/environments"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/tools/agenttoolset"
)

// asWorker is the variable with the workerJob of a test binary that acts as the official worker.
const asWorker = "SESSIONSD_TEST_AS_WORKER"

// workerJob is what a worker's process does, until it is killed.
type workerJob struct {
	URL, Environment, Key string
	// Folder is the folder that the tools work in, Record the file that gets what the worker does.
	Folder, Record string
}

// runWorker runs the official worker.
func runWorker(text string) error {
	var job workerJob
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return err
	}
	file, err := os.OpenFile(job.Record, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	r, handlings, idle := recorder{file}, 0, 300*time.Millisecond
	worker := environments.NewEnvironmentWorker(anthropic.NewClient(option.WithBaseURL(job.URL), option.WithAPIKey("unused")), environments.EnvironmentWorkerOptions{
		EnvironmentID: job.Environment, EnvironmentKey: job.Key, Workdir: job.Folder, MaxIdle: &idle,
		Logger:         slog.New(slog.NewTextHandler(os.Stderr, nil)),
		RequestOptions: []option.RequestOption{option.WithMiddleware(r.acknowledged)},
		ToolsFunc: func(env *agenttoolset.AgentToolContext) []anthropic.BetaTool {
			handlings++
			handling := fmt.Sprint(os.Getpid(), "-", handlings)
			r.write(record{Kind: "took", Handling: handling})
			tools := agenttoolset.BetaAgentToolset20260401(env)
			for i := range tools {
				tools[i] = recordedTool{tools[i], r, handling}
			}
			return tools
		},
	})
	return worker.Run(context.Background())
}

// record is something that a worker did.
type record struct {
	At time.Time
	// Kind is took for an item, before its session is read; ran for a call, as it begins; acknowledged for a result, once
	// the server has accepted it.
	Kind string
	// Handling is the item of one worker, File the argument of the call, Use the id of a use.
	Handling, File, Use string
}

// recorder writes records, each in one write: what was written is kept when the process is killed.
type recorder struct{ file *os.File }

func (r recorder) write(what record) {
	what.At = time.Now()
	line, err := json.Marshal(what)
	if err == nil {
		_, err = r.file.Write(append(line, '\n'))
	}
	if err != nil {
		panic(err)
	}
}

// acknowledged records the results that the server accepts.
func (r recorder) acknowledged(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	if req.Method != http.MethodPost || !strings.HasSuffix(req.URL.Path, "/events") {
		return next(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	res, err := next(req)
	if err == nil && res.StatusCode == http.StatusOK {
		var sent struct {
			Events []struct {
				ToolUseID string `json:"tool_use_id"`
			}
		}
		if err := json.Unmarshal(body, &sent); err != nil {
			return res, err
		}
		r.write(record{Kind: "acknowledged", Use: sent.Events[0].ToolUseID})
	}
	return res, err
}

// recordedTool is a tool whose calls are recorded, and take a while: kills are to come between a call and its result.
type recordedTool struct {
	anthropic.BetaTool
	recorder recorder
	handling string
}

// Execute implements anthropic.BetaTool.
func (t recordedTool) Execute(ctx context.Context, input json.RawMessage) ([]anthropic.BetaToolResultBlockParamContentUnion, error) {
	t.recorder.write(record{Kind: "ran", Handling: t.handling, File: fileOf(input)})
	result, err := t.BetaTool.Execute(ctx, input)
	time.Sleep(10 * time.Millisecond)
	return result, err
}

// fileOf returns the file that a tool's arguments name.
func fileOf(input json.RawMessage) string {
	var arguments struct {
		FilePath string `json:"file_path"`
	}
	_ = json.Unmarshal(input, &arguments)
	return arguments.FilePath
}
