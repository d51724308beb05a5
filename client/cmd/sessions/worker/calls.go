package worker

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"

	anthropic "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/tools/agenttoolset"
)

// calls lets an item end between the calls of its tools. It is safe for concurrent use.
type calls struct {
	cancel func() // ends the item

	mu      sync.Mutex
	running bool
	ending  bool
	unrun   bool // a call began when the item was ending: it was not run, and has no result to send
}

// end ends the item, after the call that runs. It reports whether one does.
func (c *calls) end() (later bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ending = true
	if !c.running {
		c.cancel()
	}
	return c.running
}

// begin reports whether a call may run; done must follow then.
func (c *calls) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending {
		c.unrun = true
		return false
	}
	c.running = true
	return true
}

// done is the end of a call. Its result is sent even though the item has ended.
func (c *calls) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.running = false
	if c.ending {
		c.cancel()
	}
}

// unsent reports whether the result that is about to be sent is that of a call that was not run.
func (c *calls) unsent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.unrun
	c.unrun = false
	return was
}

// call is a tool whose calls are reported, see the session's files, and run to their end when the worker is stopped.
type call struct {
	anthropic.BetaTool
	item *item
}

// Execute implements anthropic.BetaTool.
func (c *call) Execute(ctx context.Context, raw json.RawMessage) ([]anthropic.BetaToolResultBlockParamContentUnion, error) {
	if !c.item.calls.begin() {
		return nil, context.Canceled
	}
	defer c.item.calls.done()
	c.item.refresh(ctx)
	began := time.Now()
	blocks, err := c.BetaTool.Execute(ctx, raw)
	how := "done"
	if err != nil {
		how = "failed"
	}
	c.item.report("%s %s: %s in %s", c.Name(), subject(raw), how, time.Since(began).Round(time.Millisecond))
	return blocks, err
}

// Close implements io.Closer.
func (c *call) Close() error { return closeTool(c.BetaTool) }

// closeTool closes a tool that can be closed, as bash can.
func closeTool(t anthropic.BetaTool) error {
	if closer, ok := t.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// subject is what a call is about, in a few words.
func subject(raw json.RawMessage) string {
	var in struct {
		Command, Pattern string
		FilePath         string `json:"file_path"`
	}
	_ = json.Unmarshal(raw, &in) // the tool reports it
	const longest = 60
	words := []rune(strings.Join(strings.Fields(in.Command+in.Pattern+in.FilePath), " "))
	if len(words) > longest {
		return string(words[:longest]) + "…"
	}
	return string(words)
}

// toolset returns the tools of a session, which know its mounts.
func toolset(env *agenttoolset.AgentToolContext, bash Bash, m *mounts) []anthropic.BetaTool {
	env.Env = shellEnvironment(env.Workdir)
	all := agenttoolset.BetaAgentToolset20260401(env)
	for i, t := range all {
		switch {
		case t.Name() != "bash":
			all[i] = &mapped{t, m}
		case bash == NoSandbox:
			all[i] = &hinted{t, m}
		case bash == Sandbox:
			all[i] = &sandboxedBash{BetaTool: t, dir: env.Workdir, mounts: m}
		default:
			all[i] = refusedBash{t}
		}
	}
	return all
}
