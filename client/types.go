package client

import (
	"github.com/oapi-codegen/nullable"

	"github.com/cloud-sessions/sessions/api/union"
	"github.com/cloud-sessions/sessions/gen/types"
)

// What all operations share.
type (
	// Metadata holds custom key-value pairs, at most 16.
	Metadata = types.Metadata
	// MetadataPatch changes metadata: new("v") sets a key, nil deletes it, the other keys stay. It holds at
	// most 32 keys, and at most 16 may be left after the change.
	MetadataPatch = types.MetadataPatch
	// Nullable is a field of an update that may be null: [Set] sets it, [Clear] clears it, and the zero
	// value leaves it as it is.
	Nullable[T any] = nullable.Nullable[T]
	// ListOrder is the order of a list by creation time.
	ListOrder = types.ListOrder
)

// The orders of a list.
const (
	// ListOrderDesc is newest first, the default.
	ListOrderDesc = types.ListOrderDesc
	// ListOrderAsc is oldest first.
	ListOrderAsc = types.ListOrderAsc
)

// Sessions.
type (
	// Session is a conversation between an agent and a user.
	Session = types.Session
	// SessionID is a session's id, "sess_…".
	SessionID = types.SessionID
	// SessionStatus is a session's state.
	SessionStatus = types.SessionStatus
	// SessionUsage counts the tokens of a session's ended turns.
	SessionUsage = types.SessionUsage
	// CacheCreationUsage counts the tokens written to the prompt cache.
	CacheCreationUsage = types.CacheCreationUsage
	// SessionResource is a file of a session.
	SessionResource = types.SessionResource
	// SessionResourceID is a session resource's id, "sesr_…".
	SessionResourceID = types.SessionResourceID
	// SessionResourceInput is a file for a session; its Type is [ResourceTypeFile].
	SessionResourceInput = types.SessionResourceInput
	// CreateSessionRequest is the request of [SessionService.Create].
	CreateSessionRequest = types.CreateSessionRequest
	// UpdateSessionRequest is the request of [SessionService.Update].
	UpdateSessionRequest = types.UpdateSessionRequest
	// ListSessionsParams are the parameters of [SessionService.List]. At most one of Page, AfterID and
	// BeforeID may be set.
	ListSessionsParams = types.ListSessionsParams
	// ListSessionResourcesParams are the parameters of [SessionResourceService.List]. At most one of Page,
	// AfterID and BeforeID may be set.
	ListSessionResourcesParams = types.ListSessionResourcesParams
	// DeletedSession is what is left of a session: its id.
	DeletedSession = types.DeletedSession
	// DeletedSessionResource is what is left of a session resource: its id.
	DeletedSessionResource = types.DeletedSessionResource
	// AgentRef names the agent of a new session: {ID: "agent_…"} is the agent's latest version,
	// {ID: "agent_…", Version: 2} keeps that one.
	AgentRef = union.Agent
)

// The states of a session. Servers may know more.
const (
	// SessionStatusIdle waits for a message.
	SessionStatusIdle = types.SessionStatusIdle
	// SessionStatusProcessing works on a turn.
	SessionStatusProcessing = types.SessionStatusProcessing
	// SessionStatusCancelled had its last turn cancelled; it takes the next message like an idle one.
	SessionStatusCancelled = types.SessionStatusCancelled
)

// Events.
type (
	// EventID is an event's id, "evt_…". Ids ascend within a session, and each is a cursor.
	EventID = types.EventID
	// TurnID ties the events of one turn together, "turn_…".
	TurnID = types.TurnID
	// EventType names what an event is.
	EventType = types.EventType
	// EventInput is an event to send; make one with [NewUserMessage], [NewInterrupt] or [NewEventInput].
	EventInput = types.EventInput
	// UserMessageInput is an [EventInput]: a message, which starts a turn.
	UserMessageInput = types.UserMessageInput
	// UserInterruptInput is an [EventInput]: it stops the turn under way.
	UserInterruptInput = types.UserInterruptInput
	// UserDefineOutcomeInput is an [EventInput]: what is to be achieved, in Description or in Content, which starts a turn.
	UserDefineOutcomeInput = types.UserDefineOutcomeInput
	// UserToolConfirmationInput is an [EventInput]: whether the agent may use a tool as an [AgentToolUseEvent] says.
	UserToolConfirmationInput = types.UserToolConfirmationInput
	// UserCustomToolResultInput is an [EventInput]: what came of an [AgentCustomToolUseEvent].
	UserCustomToolResultInput = types.UserCustomToolResultInput
	// Content is what is said: texts, one for each block.
	Content = union.Content
	// Rubric tells whether an outcome is achieved; make one with [NewRubric], read one with its method AsAny.
	Rubric = types.Rubric
	// RubricText is a [Rubric] in words.
	RubricText = types.RubricText
	// RubricFile is a [Rubric] in a file.
	RubricFile = types.RubricFile
	// ToolConfirmationResult says whether a tool may be used.
	ToolConfirmationResult = types.ToolConfirmationResult
	// ListEventsParams are the parameters of [EventService.List]. At most one of Page, AfterID and BeforeID may be set.
	ListEventsParams = types.ListEventsParams
	// EventOrder is the order of events by creation time.
	EventOrder = types.EventOrder
	// DeltaType is a type of events that can come in pieces.
	DeltaType = types.DeltaType
)

// What an event is: the types of [Event.Value].
type (
	// UserMessageEvent is a message of the user.
	UserMessageEvent = types.UserMessageEvent
	// UserInterruptEvent stopped the turn.
	UserInterruptEvent = types.UserInterruptEvent
	// UserDefineOutcomeEvent said what is to be achieved.
	UserDefineOutcomeEvent = types.UserDefineOutcomeEvent
	// UserToolConfirmationEvent allowed or denied the use of a tool.
	UserToolConfirmationEvent = types.UserToolConfirmationEvent
	// UserCustomToolResultEvent is the result of a tool that the caller ran.
	UserCustomToolResultEvent = types.UserCustomToolResultEvent
	// SessionStatusRunningEvent begins the work on a turn.
	SessionStatusRunningEvent = types.SessionStatusRunningEvent
	// SessionStatusRescheduledEvent lets a turn go on elsewhere.
	SessionStatusRescheduledEvent = types.SessionStatusRescheduledEvent
	// SessionStatusIdleEvent ends the work on a turn and says why. It comes once for each [SessionStatusRunningEvent].
	SessionStatusIdleEvent = types.SessionStatusIdleEvent
	// SessionErrorEvent says how a turn failed.
	SessionErrorEvent = types.SessionErrorEvent
	// SessionDeletedEvent is the last event of a stream, of a session that was deleted.
	SessionDeletedEvent = types.SessionDeletedEvent
	// AgentThinkingEvent is an agent that thinks.
	AgentThinkingEvent = types.AgentThinkingEvent
	// AgentMessageEvent is a message of the agent; see [Event.Text].
	AgentMessageEvent = types.AgentMessageEvent
	// AgentToolUseEvent is the use of a built-in tool.
	AgentToolUseEvent = types.AgentToolUseEvent
	// AgentToolResultEvent is what came of it.
	AgentToolResultEvent = types.AgentToolResultEvent
	// AgentCustomToolUseEvent asks the caller to run a tool.
	AgentCustomToolUseEvent = types.AgentCustomToolUseEvent
	// SpanModelRequestStartEvent asks the model.
	SpanModelRequestStartEvent = types.SpanModelRequestStartEvent
	// SpanModelRequestEndEvent is the model's end.
	SpanModelRequestEndEvent = types.SpanModelRequestEndEvent
	// EventStart begins an event that comes in pieces. It is not stored.
	EventStart = types.EventStart
	// StartedEvent is an event to come.
	StartedEvent = types.StartedEvent
	// EventDelta is a piece of an event; the pieces joined are its content. It is not stored.
	EventDelta = types.EventDelta
	// ContentDelta is what an [EventDelta] adds to a block.
	ContentDelta = types.ContentDelta
	// TextBlock is a piece of text.
	TextBlock = types.TextBlock
	// StopReason says why a session stopped working; EventIDs are the uses of tools that wait for an answer.
	StopReason = types.StopReason
	// StopReasonType is the kind of a [StopReason].
	StopReasonType = types.StopReasonType
	// EventUsage counts what was used.
	EventUsage = types.EventUsage
	// SessionErrorDetail is what went wrong in a turn.
	SessionErrorDetail = types.SessionErrorDetail
	// EvaluatedPermission says whether a tool is used without asking.
	EvaluatedPermission = types.EvaluatedPermission
	// EventSchemaVersion is the version of an event's form.
	EventSchemaVersion = types.EventSchemaVersion
)

// The types of events. Servers may know more.
const (
	EventTypeUserMessage              = types.EventTypeUserMessage
	EventTypeUserInterrupt            = types.EventTypeUserInterrupt
	EventTypeUserDefineOutcome        = types.EventTypeUserDefineOutcome
	EventTypeUserToolConfirmation     = types.EventTypeUserToolConfirmation
	EventTypeUserCustomToolResult     = types.EventTypeUserCustomToolResult
	EventTypeSessionStatusRunning     = types.EventTypeSessionStatusRunning
	EventTypeSessionStatusRescheduled = types.EventTypeSessionStatusRescheduled
	EventTypeSessionStatusIdle        = types.EventTypeSessionStatusIdle
	EventTypeSessionError             = types.EventTypeSessionError
	EventTypeSessionDeleted           = types.EventTypeSessionDeleted
	EventTypeAgentThinking            = types.EventTypeAgentThinking
	EventTypeAgentMessage             = types.EventTypeAgentMessage
	EventTypeAgentToolUse             = types.EventTypeAgentToolUse
	EventTypeAgentToolResult          = types.EventTypeAgentToolResult
	EventTypeAgentCustomToolUse       = types.EventTypeAgentCustomToolUse
	EventTypeSpanModelRequestStart    = types.EventTypeSpanModelRequestStart
	EventTypeSpanModelRequestEnd      = types.EventTypeSpanModelRequestEnd
	EventTypeStart                    = types.EventTypeStart
	EventTypeDelta                    = types.EventTypeDelta
)

// Why a session stopped working. Servers may know more reasons.
const (
	// StopReasonEndTurn is a turn that is done.
	StopReasonEndTurn = types.StopReasonTypeEndTurn
	// StopReasonMaxTokens is a turn that was cut at the model's limit.
	StopReasonMaxTokens = types.StopReasonTypeMaxTokens
	// StopReasonRequiresAction is a turn that waits for the caller.
	StopReasonRequiresAction = types.StopReasonTypeRequiresAction
	// StopReasonCancelled is a turn that [SessionService.Cancel] stopped.
	StopReasonCancelled = types.StopReasonTypeCancelled
	// StopReasonInterrupted is a turn that [EventService.Interrupt] stopped.
	StopReasonInterrupted = types.StopReasonTypeInterrupted
	// StopReasonError is a turn that failed; a [SessionErrorEvent] says how.
	StopReasonError = types.StopReasonTypeError
)

// The types of events that can come in pieces.
const (
	// DeltaTypeAgentMessage comes as its text is written.
	DeltaTypeAgentMessage = types.DeltaTypeAgentMessage
	// DeltaTypeAgentThinking has a start only.
	DeltaTypeAgentThinking = types.DeltaTypeAgentThinking
)

// The orders of events.
const (
	// EventOrderAsc is oldest first, the default.
	EventOrderAsc = types.EventOrderAsc
	// EventOrderDesc is newest first.
	EventOrderDesc = types.EventOrderDesc
)

// Whether a tool may be used.
const (
	// ToolConfirmationAllow allows it.
	ToolConfirmationAllow = types.ToolConfirmationResultAllow
	// ToolConfirmationDeny denies it.
	ToolConfirmationDeny = types.ToolConfirmationResultDeny
)

// ResourceTypeFile is the type of a [SessionResourceInput].
const ResourceTypeFile = types.SessionResourceInputTypeFile

// Agents.
type (
	// Agent says who answers: a model, its instructions and its tools, in one of its versions.
	Agent = types.Agent
	// AgentID is an agent's id, "agent_…".
	AgentID = types.AgentID
	// AgentVersion counts an agent's states, from 1.
	AgentVersion = types.AgentVersion
	// AgentTool is a tool or a set of them; make one with [NewAgentTool], read one with its method AsAny.
	AgentTool = types.AgentTool
	// BuiltinToolset is an [AgentTool]: the built-in tools, all of them when EnabledTools is empty.
	BuiltinToolset = types.BuiltinToolset
	// BuiltinTool names a built-in tool.
	BuiltinTool = types.BuiltinTool
	// ToolConfig says how built-in tools may be used.
	ToolConfig = types.ToolConfig
	// NamedToolConfig says how one built-in tool may be used.
	NamedToolConfig = types.NamedToolConfig
	// PermissionPolicy says whether a tool runs without asking; optional fields take new([PermissionPolicyAlwaysAsk]).
	PermissionPolicy = union.Policy
	// CustomTool is an [AgentTool] that the caller runs.
	CustomTool = types.CustomTool
	// JSONSchema is a JSON Schema, kept as it is.
	JSONSchema = types.JSONSchema
	// MCPToolset is an [AgentTool]: the tools of one of the agent's MCP servers.
	MCPToolset = types.MCPToolset
	// MCPServer is an MCP server; make one with [NewMCPServer], read one with its method AsAny.
	MCPServer = types.MCPServer
	// MCPServerURL is an [MCPServer] by its URL.
	MCPServerURL = types.MCPServerURL
	// MCPServerHTTP is an [MCPServer] over streamable HTTP.
	MCPServerHTTP = types.MCPServerHTTP
	// AgentSkill is a skill that an agent may use; its Type is [SkillTypeCustom].
	AgentSkill = types.AgentSkill
	// ModelRef names the model of an agent by its id; a string constant will do, and where it is optional
	// new(client.ModelRef("auto")).
	ModelRef = union.Model
	// CreateAgentRequest is the request of [AgentService.Create].
	CreateAgentRequest = types.CreateAgentRequest
	// UpdateAgentRequest is the request of [AgentService.Update].
	UpdateAgentRequest = types.UpdateAgentRequest
	// GetAgentParams are the parameters of [AgentService.Get].
	GetAgentParams = types.GetAgentParams
	// ListAgentsParams are the parameters of [AgentService.List]. At most one of Page, AfterID and
	// BeforeID may be set.
	ListAgentsParams = types.ListAgentsParams
	// ListAgentVersionsParams are the parameters of [AgentService.ListVersions]. At most one of Page, AfterID and
	// BeforeID may be set; AfterID and BeforeID are version numbers in decimal.
	ListAgentVersionsParams = types.ListAgentVersionsParams
	// DeletedAgent is what is left of an agent: its id.
	DeletedAgent = types.DeletedAgent
)

// The built-in tools.
const (
	// BuiltinToolBash runs a shell command.
	BuiltinToolBash = types.BuiltinToolBash
	// BuiltinToolRead reads a file.
	BuiltinToolRead = types.BuiltinToolRead
	// BuiltinToolWrite writes a file.
	BuiltinToolWrite = types.BuiltinToolWrite
	// BuiltinToolEdit changes a file.
	BuiltinToolEdit = types.BuiltinToolEdit
	// BuiltinToolGlob finds files by name.
	BuiltinToolGlob = types.BuiltinToolGlob
	// BuiltinToolGrep finds text in files.
	BuiltinToolGrep = types.BuiltinToolGrep
	// BuiltinToolWebFetch fetches a web page.
	BuiltinToolWebFetch = types.BuiltinToolWebFetch
	// BuiltinToolWebSearch searches the web.
	BuiltinToolWebSearch = types.BuiltinToolWebSearch
	// BuiltinToolDeliverArtifacts hands files to the user.
	BuiltinToolDeliverArtifacts = types.BuiltinToolDeliverArtifacts
)

// Whether a tool runs without asking.
const (
	// PermissionPolicyAlwaysAllow runs without asking.
	PermissionPolicyAlwaysAllow = PermissionPolicy(types.PermissionPolicyNameAlwaysAllow)
	// PermissionPolicyAlwaysAsk runs after asking.
	PermissionPolicyAlwaysAsk = PermissionPolicy(types.PermissionPolicyNameAlwaysAsk)
	// PermissionPolicyAlwaysDeny does not run.
	PermissionPolicyAlwaysDeny = PermissionPolicy(types.PermissionPolicyNameAlwaysDeny)
)

// SkillTypeCustom is the type of an [AgentSkill].
const SkillTypeCustom = types.AgentSkillTypeCustom

// Environments.
type (
	// Environment says where an agent's work runs.
	Environment = types.Environment
	// EnvironmentID is an environment's id, "env_…".
	EnvironmentID = types.EnvironmentID
	// EnvironmentStatus says whether new sessions may use an environment.
	EnvironmentStatus = types.EnvironmentStatus
	// EnvironmentConfig is what an environment's containers are made of; make one with
	// [NewEnvironmentConfig], read one with its method AsAny.
	EnvironmentConfig = types.EnvironmentConfig
	// CloudConfig is an [EnvironmentConfig]: containers that the service runs.
	CloudConfig = types.CloudConfig
	// SelfHostedConfig is an [EnvironmentConfig]: containers that the caller runs.
	SelfHostedConfig = types.SelfHostedConfig
	// Networking is what containers may reach.
	Networking = types.Networking
	// NetworkingType says how the network is limited.
	NetworkingType = types.NetworkingType
	// Packages are the packages to install, by package manager.
	Packages = types.Packages
	// CreateEnvironmentRequest is the request of [EnvironmentService.Create].
	CreateEnvironmentRequest = types.CreateEnvironmentRequest
	// UpdateEnvironmentRequest is the request of [EnvironmentService.Update].
	UpdateEnvironmentRequest = types.UpdateEnvironmentRequest
	// ListEnvironmentsParams are the parameters of [EnvironmentService.List]. At most one of Page,
	// AfterID and BeforeID may be set.
	ListEnvironmentsParams = types.ListEnvironmentsParams
	// DeletedEnvironment is what is left of an environment: its id.
	DeletedEnvironment = types.DeletedEnvironment
)

// The states of an environment. Servers may know more.
const (
	// EnvironmentStatusReady may be used by new sessions.
	EnvironmentStatusReady = types.EnvironmentStatusReady
	// EnvironmentStatusArchived may not.
	EnvironmentStatusArchived = types.EnvironmentStatusArchived
)

// How the network of containers is limited.
const (
	// NetworkingTypeUnrestricted reaches everything.
	NetworkingTypeUnrestricted = types.NetworkingTypeUnrestricted
	// NetworkingTypeLimited reaches the allowed hosts and what the switches add.
	NetworkingTypeLimited = types.NetworkingTypeLimited
	// NetworkingTypeAllowlist reaches the allowed hosts.
	NetworkingTypeAllowlist = types.NetworkingTypeAllowlist
)

// Models.
type (
	// Model is a model that agents may name; context windows and input are counted in tokens. To name one
	// in a request use [ModelRef].
	Model = types.Model
	// ModelList is all models.
	ModelList = types.ModelList
	// ModelSource says who offers a model.
	ModelSource = types.ModelSource
)

// Who offers a model. Servers may know more.
const (
	// ModelSourceSystem is the service.
	ModelSourceSystem = types.ModelSourceSystem
	// ModelSourceCustom is the account's owner.
	ModelSourceCustom = types.ModelSourceCustom
)
