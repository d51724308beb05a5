package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/cloud-sessions/sessions/server/internal/panics"
	"github.com/cloud-sessions/sessions/server/tracing"
	"github.com/cloud-sessions/sessions/server/turn"
)

// open opens the turn's toolboxes.
func (w *work) open(ctx context.Context) (boxes []turn.Toolbox, err error) {
	for _, open := range w.Tools {
		box, err := open(ctx, w.ref.Session.Account, w.session)
		boxes = append(boxes, box)
		if err != nil {
			return boxes, err
		}
	}
	return boxes, nil
}

// closeAll releases what toolboxes hold.
func closeAll(boxes []turn.Toolbox) {
	for _, box := range boxes {
		if box.Close != nil {
			box.Close()
		}
	}
}

// guarded returns toolboxes whose tools keep within their time limit, do not panic, and give what the contract allows. A
// tool that runs within its time limit is a sign of life.
func (w *work) guarded(boxes []turn.Toolbox) []turn.Toolbox {
	boxes = slices.Clone(boxes)
	for i := range boxes {
		boxes[i].Tools = slices.Clone(boxes[i].Tools)
		for j, t := range boxes[i].Tools {
			if t.Run == nil { // a worker runs it
				continue
			}
			boxes[i].Tools[j].Run = func(ctx context.Context, input json.RawMessage) (turn.Output, error) {
				return w.runTool(ctx, t, input)
			}
		}
	}
	return boxes
}

// What the model reads of tools that did not work as they should.
const (
	toolPanicked = "The tool failed because of an error in it."
	toolLate     = "The tool did not end within %s."
)

// runTool runs a use of a tool.
func (w *work) runTool(ctx context.Context, t turn.Tool, input json.RawMessage) (got turn.Output, err error) {
	limit := t.TimeLimit
	if limit <= 0 {
		limit = turn.DefaultTimeLimit
	}
	traced, span := tracing.Tool(ctx, t.Name, t.MCPServer)
	defer func() {
		if got.Failed {
			span.FailTool()
		}
		span.Fail(err)
		span.End()
	}()
	limited, cancel := context.WithTimeout(traced, limit)
	defer cancel()
	w.sink.aliveFor(limit)
	defer w.sink.Alive()
	err = panics.ToError(func() (err error) {
		got, err = t.Run(limited, input)
		return err
	})
	var panicked *panics.Error
	switch {
	case ctx.Err() != nil:
		return turn.Output{}, ctx.Err()
	case errors.As(err, &panicked):
		w.log().Error("a tool panicked", "tool", t.Name, "mcp_server", t.MCPServer,
			"error", err, "stack", string(panicked.Stack))
		return turn.Output{Text: toolPanicked, Failed: true}, nil
	case errors.Is(limited.Err(), context.DeadlineExceeded) && (err != nil || got.Failed):
		return turn.Output{Text: fmt.Sprintf(toolLate, limit), Failed: true}, nil
	case err != nil:
		return turn.Output{}, err
	}
	got.Text = w.Log.ResultText(got.Text)
	return got, nil
}

// report reports the problems of toolboxes.
func (w *work) report(ctx context.Context, boxes []turn.Toolbox) error {
	for _, box := range boxes {
		for _, problem := range box.Problems {
			if err := w.sink.Problem(ctx, problem); err != nil {
				return err
			}
		}
	}
	return nil
}
