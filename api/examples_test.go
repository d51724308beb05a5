package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/gen/types"
)

// goTypes has a fresh value of each component schema's Go type.
var goTypes = map[string]func() any{
	"AddSessionResourcesRequest":    fresh[types.AddSessionResourcesRequest],
	"AddedSessionResources":         fresh[types.AddedSessionResources],
	"Agent":                         fresh[types.Agent],
	"AgentCustomToolUseEvent":       fresh[types.AgentCustomToolUseEvent],
	"AgentID":                       fresh[types.AgentID],
	"AgentList":                     fresh[types.AgentList],
	"AgentMessageEvent":             fresh[types.AgentMessageEvent],
	"AgentReference":                fresh[types.AgentReference],
	"AgentSkill":                    fresh[types.AgentSkill],
	"AgentSkills":                   fresh[types.AgentSkills],
	"AgentSystem":                   fresh[types.AgentSystem],
	"AgentThinkingEvent":            fresh[types.AgentThinkingEvent],
	"AgentTool":                     fresh[types.AgentTool],
	"AgentToolResultEvent":          fresh[types.AgentToolResultEvent],
	"AgentToolUseEvent":             fresh[types.AgentToolUseEvent],
	"AgentTools":                    fresh[types.AgentTools],
	"AgentVersion":                  fresh[types.AgentVersion],
	"AgentVersionCursor":            fresh[types.AgentVersionCursor],
	"AgentVersionList":              fresh[types.AgentVersionList],
	"BuiltinTool":                   fresh[types.BuiltinTool],
	"BuiltinTools":                  fresh[types.BuiltinTools],
	"BuiltinToolset":                fresh[types.BuiltinToolset],
	"CacheCreationUsage":            fresh[types.CacheCreationUsage],
	"CloudConfig":                   fresh[types.CloudConfig],
	"Content":                       fresh[types.Content],
	"ContentDelta":                  fresh[types.ContentDelta],
	"CreateAgentRequest":            fresh[types.CreateAgentRequest],
	"CreateEnvironmentRequest":      fresh[types.CreateEnvironmentRequest],
	"CreateSessionRequest":          fresh[types.CreateSessionRequest],
	"CustomTool":                    fresh[types.CustomTool],
	"DefaultEnvironment":            fresh[types.DefaultEnvironment],
	"DeletedAgent":                  fresh[types.DeletedAgent],
	"DeletedEnvironment":            fresh[types.DeletedEnvironment],
	"DeletedSession":                fresh[types.DeletedSession],
	"DeletedSessionResource":        fresh[types.DeletedSessionResource],
	"DeltaType":                     fresh[types.DeltaType],
	"DenyMessage":                   fresh[types.DenyMessage],
	"Description":                   fresh[types.Description],
	"Environment":                   fresh[types.Environment],
	"EnvironmentConfig":             fresh[types.EnvironmentConfig],
	"EnvironmentID":                 fresh[types.EnvironmentID],
	"EnvironmentList":               fresh[types.EnvironmentList],
	"EnvironmentStatus":             fresh[types.EnvironmentStatus],
	"EnvironmentVariables":          fresh[types.EnvironmentVariables],
	"Error":                         fresh[types.Error],
	"ErrorDetail":                   fresh[types.ErrorDetail],
	"ErrorType":                     fresh[types.ErrorType],
	"EvaluatedPermission":           fresh[types.EvaluatedPermission],
	"Event":                         fresh[types.Event],
	"EventDelta":                    fresh[types.EventDelta],
	"EventID":                       fresh[types.EventID],
	"EventInput":                    fresh[types.EventInput],
	"EventList":                     fresh[types.EventList],
	"EventOrder":                    fresh[types.EventOrder],
	"EventSchemaVersion":            fresh[types.EventSchemaVersion],
	"EventStart":                    fresh[types.EventStart],
	"EventType":                     fresh[types.EventType],
	"EventUsage":                    fresh[types.EventUsage],
	"FileID":                        fresh[types.FileID],
	"HTTPURL":                       fresh[types.HTTPURL],
	"HostName":                      fresh[types.HostName],
	"IdempotencyKey":                fresh[types.IdempotencyKey],
	"JSONSchema":                    fresh[types.JSONSchema],
	"ListOrder":                     fresh[types.ListOrder],
	"MaxIterations":                 fresh[types.MaxIterations],
	"MCPServer":                     fresh[types.MCPServer],
	"MCPServerHTTP":                 fresh[types.MCPServerHTTP],
	"MCPServerURL":                  fresh[types.MCPServerURL],
	"MCPServers":                    fresh[types.MCPServers],
	"MCPToolset":                    fresh[types.MCPToolset],
	"MemoryStoreID":                 fresh[types.MemoryStoreID],
	"MemoryStoreIDs":                fresh[types.MemoryStoreIDs],
	"Metadata":                      fresh[types.Metadata],
	"MetadataPatch":                 fresh[types.MetadataPatch],
	"Model":                         fresh[types.Model],
	"ModelEffort":                   fresh[types.ModelEffort],
	"ModelID":                       fresh[types.ModelID],
	"ModelList":                     fresh[types.ModelList],
	"ModelObject":                   fresh[types.ModelObject],
	"ModelReference":                fresh[types.ModelReference],
	"ModelSource":                   fresh[types.ModelSource],
	"MountPath":                     fresh[types.MountPath],
	"Name":                          fresh[types.Name],
	"NamedToolConfig":               fresh[types.NamedToolConfig],
	"Networking":                    fresh[types.Networking],
	"NetworkingType":                fresh[types.NetworkingType],
	"OutcomeDescription":            fresh[types.OutcomeDescription],
	"OutcomeID":                     fresh[types.OutcomeID],
	"PackageList":                   fresh[types.PackageList],
	"PackageName":                   fresh[types.PackageName],
	"Packages":                      fresh[types.Packages],
	"PageCursor":                    fresh[types.PageCursor],
	"PermissionPolicy":              fresh[types.PermissionPolicy],
	"PermissionPolicyName":          fresh[types.PermissionPolicyName],
	"PermissionPolicyObject":        fresh[types.PermissionPolicyObject],
	"PinnedAgent":                   fresh[types.PinnedAgent],
	"RequestID":                     fresh[types.RequestID],
	"ResultBlocks":                  fresh[types.ResultBlocks],
	"ResultContent":                 fresh[types.ResultContent],
	"ResultText":                    fresh[types.ResultText],
	"Rubric":                        fresh[types.Rubric],
	"RubricFile":                    fresh[types.RubricFile],
	"RubricText":                    fresh[types.RubricText],
	"SelfHostedConfig":              fresh[types.SelfHostedConfig],
	"SendEventsRequest":             fresh[types.SendEventsRequest],
	"SentEvents":                    fresh[types.SentEvents],
	"Session":                       fresh[types.Session],
	"SessionCancellation":           fresh[types.SessionCancellation],
	"SessionDeletedEvent":           fresh[types.SessionDeletedEvent],
	"SessionErrorDetail":            fresh[types.SessionErrorDetail],
	"SessionErrorEvent":             fresh[types.SessionErrorEvent],
	"SessionID":                     fresh[types.SessionID],
	"SessionList":                   fresh[types.SessionList],
	"SessionResource":               fresh[types.SessionResource],
	"SessionResourceID":             fresh[types.SessionResourceID],
	"SessionResourceInput":          fresh[types.SessionResourceInput],
	"SessionResourceInputs":         fresh[types.SessionResourceInputs],
	"SessionResourceList":           fresh[types.SessionResourceList],
	"SessionStatus":                 fresh[types.SessionStatus],
	"SessionStatusIdleEvent":        fresh[types.SessionStatusIdleEvent],
	"SessionStatusRescheduledEvent": fresh[types.SessionStatusRescheduledEvent],
	"SessionStatusRunningEvent":     fresh[types.SessionStatusRunningEvent],
	"SessionTitle":                  fresh[types.SessionTitle],
	"SessionUsage":                  fresh[types.SessionUsage],
	"SetupScript":                   fresh[types.SetupScript],
	"SkillID":                       fresh[types.SkillID],
	"SpanModelRequestEndEvent":      fresh[types.SpanModelRequestEndEvent],
	"SpanModelRequestStartEvent":    fresh[types.SpanModelRequestStartEvent],
	"StartedEvent":                  fresh[types.StartedEvent],
	"StopReason":                    fresh[types.StopReason],
	"StopReasonType":                fresh[types.StopReasonType],
	"StreamedEvent":                 fresh[types.StreamedEvent],
	"Text":                          fresh[types.Text],
	"TextBlock":                     fresh[types.TextBlock],
	"TextBlocks":                    fresh[types.TextBlocks],
	"Timestamp":                     fresh[types.Timestamp],
	"TokenCount":                    fresh[types.TokenCount],
	"ToolConfig":                    fresh[types.ToolConfig],
	"ToolConfirmationResult":        fresh[types.ToolConfirmationResult],
	"ToolInput":                     fresh[types.ToolInput],
	"ToolName":                      fresh[types.ToolName],
	"TurnID":                        fresh[types.TurnID],
	"UpdateAgentRequest":            fresh[types.UpdateAgentRequest],
	"UpdateEnvironmentRequest":      fresh[types.UpdateEnvironmentRequest],
	"UpdateSessionRequest":          fresh[types.UpdateSessionRequest],
	"UserCustomToolResultEvent":     fresh[types.UserCustomToolResultEvent],
	"UserCustomToolResultInput":     fresh[types.UserCustomToolResultInput],
	"UserDefineOutcomeEvent":        fresh[types.UserDefineOutcomeEvent],
	"UserDefineOutcomeInput":        fresh[types.UserDefineOutcomeInput],
	"UserInterruptEvent":            fresh[types.UserInterruptEvent],
	"UserInterruptInput":            fresh[types.UserInterruptInput],
	"UserMessageEvent":              fresh[types.UserMessageEvent],
	"UserMessageInput":              fresh[types.UserMessageInput],
	"UserToolConfirmationEvent":     fresh[types.UserToolConfirmationEvent],
	"UserToolConfirmationInput":     fresh[types.UserToolConfirmationInput],
	"VaultID":                       fresh[types.VaultID],
	"VaultIDs":                      fresh[types.VaultIDs],
}

// inlineTypes are the Go types of the schemas without a name that parameters and headers have.
var inlineTypes = map[string]func() any{
	"array":         fresh[[]string],
	"boolean":       fresh[bool],
	"integer int32": fresh[int32],
	"string":        fresh[string],
}

func fresh[T any]() any { return new(T) }

// example is one example of the document, with the schema that it must satisfy.
type example struct {
	place  string
	schema *openapi3.SchemaRef
	value  any
}

// TestExamples holds every example against its schema and sends it through its Go type and back.
func TestExamples(t *testing.T) {
	doc := load(t)
	for name := range doc.Components.Schemas {
		if goTypes[name] == nil {
			t.Errorf("schema %s has no entry in goTypes", name)
		}
	}
	for name := range goTypes {
		if doc.Components.Schemas[name] == nil {
			t.Errorf("goTypes has an entry %s, which is not a schema", name)
		}
	}
	all := examples(doc)
	for name, ref := range doc.Components.Examples {
		if !slices.ContainsFunc(all, func(e example) bool { return reflect.DeepEqual(e.value, ref.Value.Value) }) {
			t.Errorf("#/components/examples/%s is used nowhere", name)
		}
	}
	for _, e := range all {
		t.Run(e.place, func(t *testing.T) {
			for _, fault := range checkExample(e) {
				t.Error(fault)
			}
		})
	}
}

// TestExamplesCanFail holds that checkExample finds the faults it is there for.
func TestExamplesCanFail(t *testing.T) {
	doc := load(t)
	schema := func(name string) *openapi3.SchemaRef {
		return openapi3.NewSchemaRef("#/components/schemas/"+name, doc.Components.Schemas[name].Value)
	}
	unmapped := schema("Name")
	unmapped.Ref += "Other"
	for _, c := range []struct {
		name   string
		schema *openapi3.SchemaRef
		value  any
	}{
		{"a missing property", schema("ModelObject"), object{}},
		{"an unknown property", schema("ModelObject"), object{"id": "m", "x": 1.0}},
		{"a pattern", schema("AgentID"), "env_1"},
		{"a format", schema("Timestamp"), "2026-05-18 15:26:15"},
		{"a time that comes back in another form", schema("Timestamp"), "2026-05-18T15:26:15.740000Z"},
		{"a bound", schema("AgentVersion"), 0.0},
		{"an unknown variant", schema("MCPServer"), object{"type": "ftp", "name": "a", "url": "http://a"}},
		{"a map's key", schema("EnvironmentVariables"), object{"1A": ""}},
		{"no Go type", unmapped, "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if len(checkExample(example{c.name, c.schema, c.value})) == 0 {
				t.Error("found no fault")
			}
		})
	}
}

func checkExample(e example) (faults []string) {
	data, err := json.Marshal(e.value)
	if err != nil {
		return []string{err.Error()}
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return []string{err.Error()}
	}
	if err := e.schema.Value.VisitJSON(value, openapi3.EnableFormatValidation(), openapi3.MultiErrors()); err != nil {
		faults = append(faults, "breaks its schema: "+err.Error())
	}
	if names, ok := e.schema.Value.Extensions["x-property-names"]; ok {
		faults = append(faults, checkNames(names, value)...)
	}

	key := strings.TrimPrefix(e.schema.Ref, "#/components/schemas/")
	target := goTypes[key]
	if e.schema.Ref == "" {
		key = strings.TrimSpace(strings.Join(e.schema.Value.Type.Slice(), "|") + " " + e.schema.Value.Format)
		target = inlineTypes[key]
	}
	if target == nil {
		return append(faults, "no Go type for "+key)
	}
	typed := target()
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(typed); err != nil {
		return append(faults, fmt.Sprintf("does not decode into %T: %v", typed, err))
	}
	if _, err := decoder.Token(); err != io.EOF {
		faults = append(faults, fmt.Sprintf("leaves bytes behind after decoding into %T", typed))
	}
	faults = append(faults, sameJSON(typed, value)...)
	// A generated union keeps its bytes until asked, so ask: the variant must say the same.
	if union, ok := typed.(interface{ AsAny() any }); ok {
		variant := union.AsAny()
		if variant == nil {
			return append(faults, fmt.Sprintf("%T holds no variant", typed))
		}
		faults = append(faults, sameJSON(variant, value)...)
	}
	return faults
}

// sameJSON reports how typed, encoded, differs from want, a JSON value.
func sameJSON(typed, want any) []string {
	back, err := json.Marshal(typed)
	if err != nil {
		return []string{fmt.Sprintf("%T does not encode: %v", typed, err)}
	}
	var got any
	if err := json.Unmarshal(back, &got); err != nil {
		return []string{fmt.Sprintf("%T encodes no JSON: %v", typed, err)}
	}
	if !reflect.DeepEqual(got, want) {
		wanted, _ := json.Marshal(want) // it was JSON before
		return []string{fmt.Sprintf("comes back from %T changed:\n got %s\nwant %s", typed, back, wanted)}
	}
	return nil
}

// checkNames holds the keys of a map against its x-property-names.
func checkNames(names, value any) (faults []string) {
	data, err := json.Marshal(names)
	if err != nil {
		return []string{err.Error()}
	}
	var schema openapi3.Schema
	if err := json.Unmarshal(data, &schema); err != nil {
		return []string{err.Error()}
	}
	for name := range sorted(value.(object)) {
		if err := schema.VisitJSONString(name); err != nil {
			faults = append(faults, fmt.Sprintf("key %q: %v", name, err))
		}
	}
	return faults
}

// examples collects every example of the document. The ones of components are there through their uses.
func examples(doc *openapi3.T) (all []example) {
	add := func(place string, schema *openapi3.SchemaRef, one any, many openapi3.Examples) {
		if one != nil {
			all = append(all, example{place, schema, one})
		}
		for name, ref := range many {
			all = append(all, example{place + "/" + name, schema, ref.Value.Value})
		}
	}
	addHeaders := func(place string, headers openapi3.Headers) {
		for name, ref := range headers {
			add(place+" header "+name, ref.Value.Schema, ref.Value.Example, ref.Value.Examples)
		}
	}
	addContent := func(place string, content openapi3.Content) {
		for name, media := range content {
			add(place+" "+name, media.Schema, media.Example, media.Examples)
		}
	}
	addParameters := func(place string, parameters openapi3.Parameters) {
		for _, ref := range parameters {
			add(place+" parameter "+ref.Value.Name, ref.Value.Schema, ref.Value.Example, ref.Value.Examples)
			if ref.Value.Schema.Value.Default != nil {
				add(place+" default of "+ref.Value.Name, ref.Value.Schema, ref.Value.Schema.Value.Default, nil)
			}
		}
	}
	for name, ref := range doc.Components.Schemas {
		add(name, openapi3.NewSchemaRef("#/components/schemas/"+name, ref.Value), ref.Value.Example, nil)
	}
	addHeaders("components", doc.Components.Headers)
	for path, item := range doc.Paths.Map() {
		addParameters(path, item.Parameters)
		for _, op := range item.Operations() {
			addParameters(op.OperationID, op.Parameters)
			if op.RequestBody != nil {
				addContent(op.OperationID+" request", op.RequestBody.Value.Content)
			}
			for status, ref := range op.Responses.Map() {
				addHeaders(op.OperationID+" "+status, ref.Value.Headers)
				addContent(op.OperationID+" "+status, ref.Value.Content)
			}
		}
	}
	slices.SortFunc(all, func(a, b example) int { return strings.Compare(a.place, b.place) })
	return all
}
