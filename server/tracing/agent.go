package tracing

import (
	"context"
	"net/url"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/cloud-sessions/sessions/server/usage"
)

func attributeOf(key, value string) attribute.KeyValue { return attribute.String(key, value) }

// Turn is a turn that runs.
type Turn struct {
	// ID is the turn's, and Session that of its session.
	ID, Session string
	// AgentID, AgentName and AgentVersion are those of the session's agent, Model its model.
	AgentID, AgentName string
	AgentVersion       int32
	Model              string
	// Runner is the name of the runner.
	Runner string
	// Origin is where the turn comes from.
	Origin Origin
}

// Turn starts the span of a turn's run, as a child of the request that started the turn: the run has that one cause, even
// though it starts when the request may have ended, in another process. A run that continues the turn is also linked to the
// request that continued it.
func (t *Tracer) Turn(ctx context.Context, turn Turn) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(turn.Origin.into(ctx), sendable("invoke_agent "+turn.AgentName),
		trace.WithSpanKind(trace.SpanKindInternal), trace.WithLinks(turn.Origin.links()...))
	s := spanOf(span)
	if s.recorded() {
		s.set(
			semconv.GenAIOperationNameInvokeAgent, semconv.GenAIProviderNameKey.String(turn.Runner), semconv.GenAIRequestModel(turn.Model),
			semconv.GenAIAgentID(turn.AgentID), semconv.GenAIAgentName(turn.AgentName), semconv.GenAIAgentVersion(strconv.Itoa(int(turn.AgentVersion))),
			semconv.GenAIConversationID(turn.Session), attributeOf(turnIDKey, turn.ID), attributeOf(requestIDKey, turn.Origin.RequestID),
		)
	}
	return ctx, s
}

// Stopped records why a run of a turn has stopped, and what it has used. failure is the error that ended the turn; nil for
// none.
func (s Span) Stopped(reason string, used usage.Usage, failure error) {
	if !s.recorded() {
		return
	}
	s.set(attributeOf(stopReasonKey, reason))
	s.used(used)
	s.Fail(failure)
}

// used records tokens. The conventions count cached ones among those of the input.
func (s Span) used(u usage.Usage) {
	written := u.CacheCreation5m + u.CacheCreation1h
	s.set(
		semconv.GenAIUsageInputTokens(int(u.InputTokens+u.CacheReadInputTokens+written)), semconv.GenAIUsageOutputTokens(int(u.OutputTokens)),
		semconv.GenAIUsageCacheReadInputTokens(int(u.CacheReadInputTokens)), semconv.GenAIUsageCacheCreationInputTokens(int(written)),
	)
}

// Model starts the span of a request to a model. provider is the kind of the endpoint, and baseURL its address.
func Model(ctx context.Context, provider, model, baseURL string) (context.Context, Span) {
	ctx, s := child(ctx, trace.SpanKindClient, "chat", model)
	if s.recorded() {
		s.set(
			semconv.GenAIOperationNameChat, semconv.GenAIProviderNameKey.String(provider), semconv.GenAIRequestModel(model),
			semconv.GenAIRequestStream(true),
		)
		s.server(baseURL)
	}
	return ctx, s
}

// server records the address of a server.
func (s Span) server(baseURL string) {
	u, err := url.Parse(baseURL)
	if err != nil {
		return
	}
	s.set(semconv.ServerAddress(u.Hostname()))
	port, err := strconv.Atoi(u.Port())
	switch {
	case err == nil:
	case u.Scheme == "https":
		port = 443
	default:
		port = 80
	}
	s.set(semconv.ServerPort(port))
}

// Reply is what is known of a model's response; the fields may be empty.
type Reply struct {
	// ID and Model are the endpoint's, Reason is why the response ended.
	ID, Model, Reason string
	// Used is what the response cost, in tokens.
	Used usage.Usage
}

// Wants reports whether the span records a Reply: it is costly to find out what no span records.
func (s Span) Wants() bool { return s.recorded() }

// Replied records a model's response, or the error in its place.
func (s Span) Replied(r Reply, err error) {
	if !s.recorded() {
		return
	}
	if r.ID != "" {
		s.set(semconv.GenAIResponseID(r.ID))
	}
	if r.Model != "" {
		s.set(semconv.GenAIResponseModel(r.Model))
	}
	if r.Reason != "" {
		s.set(semconv.GenAIResponseFinishReasons(r.Reason))
	}
	if r.Used != (usage.Usage{}) {
		s.used(r.Used)
	}
	s.Fail(err)
}

// Tool starts the span of a tool that the server runs. mcpServer is the agent's MCP server whose tool it is; "" for another one.
func Tool(ctx context.Context, name, mcpServer string) (context.Context, Span) {
	ctx, s := child(ctx, trace.SpanKindInternal, "execute_tool", name)
	if s.recorded() {
		kind := "function"
		if mcpServer != "" {
			kind = "extension" // it calls a service
		}
		s.set(semconv.GenAIOperationNameExecuteTool, semconv.GenAIToolName(name), semconv.GenAIToolType(kind))
	}
	return ctx, s
}

// toolError is the conventions' type of a tool whose result is an error.
var toolError = semconv.ErrorTypeKey.String("tool_error")

// FailTool marks the span of a tool whose result reports a failure.
func (s Span) FailTool() {
	if s.recorded() {
		s.fail(toolError)
	}
}

// MCP starts the span of a request to an MCP server: a method of the protocol, and the tool that it calls or "".
func MCP(ctx context.Context, method, tool, serverURL string) (context.Context, Span) {
	ctx, s := child(ctx, trace.SpanKindClient, method, tool)
	if s.recorded() {
		s.set(semconv.McpMethodNameKey.String(method), semconv.NetworkProtocolName("http"))
		if tool != "" {
			s.set(semconv.GenAIOperationNameExecuteTool, semconv.GenAIToolName(tool))
		}
		s.server(serverURL)
	}
	return ctx, s
}
