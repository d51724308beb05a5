package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/client"
)

// A session in five lines. The token is the environment variable QODER_PAT.
func Example() {
	c, err := client.New()
	if err != nil {
		log.Fatal(err)
	}
	session, err := c.Sessions.Create(context.Background(), &client.CreateSessionRequest{
		Agent:         client.AgentRef{ID: "agent_019e390add9f7bac9b6cc806db46fcbd"},
		EnvironmentID: "env_019e2590d33f711fabf42f2857cecd8a",
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.ID, session.Status)
}

// A reply in pieces, as it is produced.
func ExampleSessionService_Run() {
	c, srv := demo()
	defer srv.Close()
	params := &client.RunParams{Deltas: []client.DeltaType{client.DeltaTypeAgentMessage}}
	for event, err := range c.Sessions.Run(context.Background(), "sess_1", "How are you?", params) {
		if err != nil {
			log.Fatal(err)
		}
		switch v := event.Value.(type) {
		case client.EventDelta:
			fmt.Printf("%s|", event.Text())
		case client.AgentMessageEvent:
			fmt.Printf("\nwhole: %s\n", event.Text())
		case client.SessionStatusIdleEvent:
			fmt.Println("done:", v.StopReason.Type)
		}
	}
	// Output:
	// I am |fine.|
	// whole: I am fine.
	// done: end_turn
}

// A function of the program is a tool of the agent. The agent is created with it, and Run calls it.
func ExampleNewTool() {
	c, srv := demo()
	defer srv.Close()
	ctx := context.Background()
	type place struct {
		City string `json:"city" jsonschema:"the city's name"`
	}
	weather := client.NewTool("get_weather", "The weather in a city.", func(_ context.Context, in place) (string, error) {
		return "sunny in " + in.City, nil
	})
	if _, err := c.Agents.Create(ctx, &client.CreateAgentRequest{
		Name: "weather", Model: "auto", Tools: []client.AgentTool{weather.AgentTool()},
	}); err != nil {
		log.Fatal(err)
	}
	for event, err := range c.Sessions.Run(ctx, "sess_2", "How is the weather?", &client.RunParams{Tools: []client.Tool{weather}}) {
		if err != nil {
			log.Fatal(err)
		}
		switch v := event.Value.(type) {
		case client.UserCustomToolResultEvent:
			fmt.Println("tool:", v.Content.Text())
		case client.AgentMessageEvent:
			fmt.Println("agent:", event.Text())
		}
	}
	// Output:
	// tool: sunny in Oslo
	// agent: It is sunny in Oslo.
}

// Whoever must be asked decides in Confirm; an error denies and says why.
func ExampleRunParams() {
	params := &client.RunParams{
		Confirm: func(_ context.Context, use client.AgentToolUseEvent) error {
			if use.Name == "Bash" {
				return errors.New("no shell in this program")
			}
			return nil
		},
	}
	fmt.Println(params.Confirm(context.Background(), client.AgentToolUseEvent{Name: "Bash"}))
	// Output: no shell in this program
}

// A session is followed for as long as the loop goes on, over connections that break. To go on in another process
// keep the id of the last event.
func ExampleEventService_Stream() {
	c, srv := demo()
	defer srv.Close()
	for event, err := range c.Sessions.Events.Stream(context.Background(), "sess_1", &client.StreamParams{AfterID: "evt_2"}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.ID, event.Type)
		if event.Type == client.EventTypeSessionStatusIdle {
			break
		}
	}
	// Output:
	// evt_3 agent.message
	// evt_4 session.status_idle
}

// Several events at once, all or none.
func ExampleEventService_Send() {
	c, srv := demo()
	defer srv.Close()
	sent, err := c.Sessions.Events.Send(context.Background(), "sess_1", []client.EventInput{
		client.NewInterrupt(), // what it does now
		client.NewUserMessage("Do this instead."),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, event := range sent {
		fmt.Printf("%s %q\n", event.Type, event.Text())
	}
	// Output:
	// user.interrupt ""
	// user.message "Do this instead."
}

// What was said in a session.
func ExampleEventService() {
	c, srv := demo()
	defer srv.Close()
	for event, err := range c.Sessions.Events.All(context.Background(), "sess_1", &client.ListEventsParams{
		Types: []client.EventType{client.EventTypeUserMessage, client.EventTypeAgentMessage},
	}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", event.Type, event.Text())
	}
	// Output:
	// user.message: How are you?
	// agent.message: I am fine.
}

// A server of one's own, and options for a whole client.
func ExampleNew() {
	c, err := client.New(
		client.WithToken("pt-secret"),
		client.WithBaseURL("http://127.0.0.1:8080/api/v1/cloud"),
		client.WithMaxRetries(5),
		client.WithTimeout(20*time.Second),
	)
	fmt.Println(c != nil, err)

	_, err = client.New(client.WithBaseURL("127.0.0.1:8080"))
	fmt.Println(err)
	// Output:
	// true <nil>
	// client.New: base URL "127.0.0.1:8080" is malformed: want http or https, a host and a path, such as https://openapi.qoder.sh/api/v1/cloud
}

// A middleware sees every attempt.
func ExampleWithMiddleware() {
	c, srv := demo(client.WithMiddleware(func(next client.RoundTripFunc) client.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			resp, err := next(req)
			if err == nil {
				fmt.Println(req.Method, req.URL.Path, resp.StatusCode)
			}
			return resp, err
		}
	}))
	defer srv.Close()
	if _, err := c.Sessions.Get(context.Background(), "sess_1"); err != nil {
		slog.Error("get", "error", err)
	}
	// Output: GET /api/v1/cloud/sessions/sess_1 200
}

// Errors are distinguished with errors.Is and read with errors.As.
func ExampleError() {
	c, srv := demo()
	defer srv.Close()
	_, err := c.Agents.Get(context.Background(), "agent_unknown", nil)
	fmt.Println(errors.Is(err, client.ErrNotFound))
	var failure *client.Error
	if errors.As(err, &failure) {
		fmt.Println(failure.Status, failure.RequestID)
	}
	fmt.Println(err)
	// Output:
	// true
	// 404 req_7
	// Agents.Get: 404 not_found_error: Agent 'agent_unknown' was not found. (request id req_7)
}

func ExampleSessionService_Create() {
	c, srv := demo()
	defer srv.Close()
	session, err := c.Sessions.Create(context.Background(), &client.CreateSessionRequest{
		Agent:         client.AgentRef{ID: "agent_1", Version: 2},
		EnvironmentID: "env_1",
		Title:         new("我的会话"),
		Metadata:      client.Metadata{"purpose": "customer-support"},
	}, client.WithIdempotencyKey("order-4711"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.ID, session.Status == client.SessionStatusIdle)
	// Output: sess_1 true
}

func ExampleSessionService_Get() {
	c, srv := demo()
	defer srv.Close()
	session, err := c.Sessions.Get(context.Background(), "sess_1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.ID, session.Title, session.Usage.InputTokens)
	// Output: sess_1 我的会话 1203
}

// Page by page.
func ExampleSessionService_List() {
	c, srv := demo()
	defer srv.Close()
	ctx := context.Background()
	page, err := c.Sessions.List(ctx, &client.ListSessionsParams{Limit: new(int32(2)), Order: new(client.ListOrderAsc)})
	for err == nil {
		fmt.Println(len(page.Data), page.LastID, page.HasMore)
		page, err = page.Next(ctx)
	}
	fmt.Println(err)
	// Output:
	// 2 sess_2 true
	// 1 sess_3 false
	// EOF
}

func ExampleSessionService_All() {
	c, srv := demo()
	defer srv.Close()
	for session, err := range c.Sessions.All(context.Background(), nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(session.ID)
	}
	// Output:
	// sess_1
	// sess_2
	// sess_3
}

// Only sessions of the last day that wait for a message.
func ExampleSessionService_List_filters() {
	c, srv := demo()
	defer srv.Close()
	page, err := c.Sessions.List(context.Background(), &client.ListSessionsParams{
		Statuses:    []client.SessionStatus{client.SessionStatusIdle, client.SessionStatusCancelled},
		CreatedFrom: new(time.Now().Add(-24 * time.Hour)),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(page.Data))
	// Output: 2
}

// A patch: the title is cleared, one key of the metadata set and one deleted, and the rest stays.
func ExampleSessionService_Update() {
	c, srv := demo()
	defer srv.Close()
	session, err := c.Sessions.Update(context.Background(), "sess_1", &client.UpdateSessionRequest{
		Title:    client.Clear[string](),
		Metadata: client.MetadataPatch{"ticket": new("T-1029"), "purpose": nil},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q %v\n", session.Title, session.Metadata)
	// Output: "" map[ticket:T-1029]
}

// A session that is busy cannot be deleted; its turn is stopped first.
func ExampleSessionService_Cancel() {
	c, srv := demo()
	defer srv.Close()
	ctx := context.Background()
	cancellation, err := c.Sessions.Cancel(ctx, "sess_1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("stopping:", cancellation.Stopping)
	for {
		session, err := c.Sessions.Get(ctx, "sess_1")
		if err != nil {
			log.Fatal(err)
		}
		if session.Status != client.SessionStatusProcessing {
			break
		}
		time.Sleep(time.Second)
	}
	deleted, err := c.Sessions.Delete(ctx, "sess_1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("deleted:", deleted.ID)
	// Output:
	// stopping: true
	// deleted: sess_1
}

func ExampleSessionService_Archive() {
	c, srv := demo()
	defer srv.Close()
	session, err := c.Sessions.Archive(context.Background(), "sess_1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(session.ArchivedAt.Format(time.DateOnly))
	// Output: 2026-05-19
}

// Files are added one by one, or several at once, all or none.
func ExampleFileService_Upload() {
	c, srv := demo()
	defer srv.Close()
	ctx := context.Background()
	file, err := c.Files.Upload(ctx, strings.NewReader("# Plan\n"), client.FileUpload{Name: "plan.md", MediaType: "text/markdown"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(file.ID, file.Filename, file.SizeBytes)
	if _, err := c.Files.Download(ctx, file.ID, os.Stdout); err != nil {
		log.Fatal(err)
	}
	// Output:
	// file_1 plan.md 7
	// # Plan
}

func ExampleSessionResourceService() {
	c, srv := demo()
	defer srv.Close()
	ctx := context.Background()
	file, err := c.Sessions.Resources.Add(ctx, "sess_1", &client.FileResourceInput{
		FileID:    "file_1",
		MountPath: new("/mnt/report.csv"),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(file.ID, file.MountPath)
	for resource, err := range c.Sessions.Resources.All(ctx, "sess_1", nil) {
		if err != nil {
			log.Fatal(err)
		}
		if file, ok := resource.AsAny().(client.FileResource); ok { // the other resources are memory stores
			if _, err := c.Sessions.Resources.Delete(ctx, "sess_1", file.ID); err != nil {
				log.Fatal(err)
			}
		}
	}
	_, err = c.Sessions.Resources.Get(ctx, "sess_1", file.ID)
	fmt.Println(errors.Is(err, client.ErrNotFound))
	// Output:
	// sesr_1 /mnt/report.csv
	// true
}

func ExampleAgentService_Create() {
	c, srv := demo()
	defer srv.Close()
	agent, err := c.Agents.Create(context.Background(), &client.CreateAgentRequest{
		Name:   "release-notes",
		Model:  "auto",
		System: new("You write release notes."),
		Tools: []client.AgentTool{
			client.NewAgentTool(client.BuiltinToolset{
				EnabledTools: []client.BuiltinTool{client.BuiltinToolRead, client.BuiltinToolGrep},
			}),
			client.NewAgentTool(client.MCPToolset{MCPServerName: "tracker"}),
		},
		MCPServers: []client.MCPServer{
			client.NewMCPServer(client.MCPServerURL{Name: "tracker", URL: "https://mcp.tracker.example/sse"}),
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(agent.ID, agent.Version)
	// Output: agent_1 1
}

// A change is based on a version. Whoever comes second gets a conflict, and looks again.
func ExampleAgentService_Update() {
	c, srv := demo()
	defer srv.Close()
	ctx := context.Background()
	update := func(version client.AgentVersion) (*client.Agent, error) {
		return c.Agents.Update(ctx, "agent_1", &client.UpdateAgentRequest{
			Version: version,
			Model:   new(client.ModelRef("ultimate")),
			Tools:   []client.AgentTool{}, // clears them; nil would keep them
		})
	}
	agent, err := update(1)
	if errors.Is(err, client.ErrConflict) {
		if agent, err = c.Agents.Get(ctx, "agent_1", nil); err == nil {
			agent, err = update(agent.Version)
		}
	}
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(agent.Version)
	// Output: 3
}

func ExampleAgentService_AllVersions() {
	c, srv := demo()
	defer srv.Close()
	for agent, err := range c.Agents.AllVersions(context.Background(), "agent_1", nil) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(agent.Version, agent.Model)
	}
	// Output:
	// 2 auto
	// 1 ultimate
}

func ExampleEnvironmentService_Create() {
	c, srv := demo()
	defer srv.Close()
	environment, err := c.Environments.Create(context.Background(), &client.CreateEnvironmentRequest{
		Name: "ci",
		Config: client.NewEnvironmentConfig(client.CloudConfig{
			Networking: &client.Networking{
				Type:                 client.NetworkingTypeLimited,
				AllowedHosts:         []string{"api.tracker.example"},
				AllowPackageManagers: new(true),
			},
			Packages: &client.Packages{Apt: []string{"git"}},
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(environment.ID, environment.Status)
	// Output: env_1 ready
}

// An environment that sessions refer to is archived instead of deleted.
func ExampleEnvironmentService_Delete() {
	c, srv := demo()
	defer srv.Close()
	ctx := context.Background()
	_, err := c.Environments.Delete(ctx, "env_1")
	if errors.Is(err, client.ErrConflict) {
		_, err = c.Environments.Archive(ctx, "env_1")
	}
	fmt.Println(err)
	// Output: <nil>
}

func ExampleEnvironmentService_Update() {
	c, srv := demo()
	defer srv.Close()
	environment, err := c.Environments.Update(context.Background(), "env_1", &client.UpdateEnvironmentRequest{
		Name:   new("checks"),
		Config: new(client.NewEnvironmentConfig(client.CloudConfig{SetupScript: new("go version")})),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(environment.Name)
	// Output: checks
}

// A key for the workers of a self-hosted environment. It is shown once.
func ExampleEnvironmentKeyService_Create() {
	c, srv := demo()
	defer srv.Close()
	key, err := c.Environments.Keys.Create(context.Background(), "env_1", &client.CreateEnvironmentKeyRequest{Name: "build-host-1"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key.ID, len(*key.Key) > 0)
	// Output: tok_1 true
}

// Whether the workers of an environment keep up.
func ExampleWorkService_GetStats() {
	c, srv := demo()
	defer srv.Close()
	stats, err := c.Environments.Work.GetStats(context.Background(), "env_1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stats.Depth, stats.WorkersPolling)
	// Output: 3 2
}

// A poll that finds no work returns nil.
func ExampleWorkService_Poll() {
	c, srv := demo()
	defer srv.Close()
	work, err := c.Environments.Work.Poll(context.Background(), "env_1", &client.PollWorkParams{Block: 500 * time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(work == nil)
	// Output: true
}

// The server keeps a token encrypted and sends it to the MCP server; nothing returns it.
func ExampleVaultService_Create() {
	c, srv := demo()
	defer srv.Close()
	vault, err := c.Vaults.Create(context.Background(), &client.CreateVaultRequest{DisplayName: "Search tools"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(vault.ID, vault.Status)
	// Output: vault_1 active
}

func ExampleVaultCredentialService_Create() {
	c, srv := demo()
	defer srv.Close()
	credential, err := c.Vaults.Credentials.Create(context.Background(), "vault_1", &client.CreateVaultCredentialRequest{
		Auth: new(client.NewCredentialInput(client.StaticBearerInput{
			MCPServerURL: "https://mcp.search.example/mcp", Token: os.Getenv("SEARCH_TOKEN"),
		})),
	})
	if err != nil {
		log.Fatal(err)
	}
	if auth, ok := credential.Auth.AsAny().(client.StaticBearer); ok {
		fmt.Println(credential.ID, auth.MCPServerURL)
	}
	// Output: vcred_1 https://mcp.search.example/mcp
}

func ExampleModelService_List() {
	c, srv := demo()
	defer srv.Close()
	models, err := c.Models.List(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, model := range models.Data {
		fmt.Println(model.ID, model.DefaultContextWindow, model.Efforts)
	}
	// Output:
	// ultimate 200000 [low medium high]
	// auto 200000 []
}

// A session whose MemoryStoreIDs name a memory store gives its agent the memories.
func ExampleMemoryStoreService() {
	c, srv := demo()
	defer srv.Close()
	store, err := c.MemoryStores.Create(context.Background(), &client.CreateMemoryStoreRequest{Name: "User notes"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(store.ID, store.Status)
	// Output: memstore_1 active
}

// A change that names the content that it is based on is refused if the memory is another one by now.
func ExampleMemoryService() {
	c, srv := demo()
	defer srv.Close()
	ctx := context.Background()
	memory, err := c.MemoryStores.Memories.Create(ctx, "memstore_1", &client.CreateMemoryRequest{Path: "users/4711.md", Content: "Prefers answers."})
	if err != nil {
		log.Fatal(err)
	}
	memory, err = c.MemoryStores.Memories.Update(ctx, "memstore_1", memory.ID, &client.UpdateMemoryRequest{
		Content: new("Prefers short answers."), ContentSHA256: &memory.ContentSHA256,
	})
	if errors.Is(err, client.ErrConflict) {
		log.Fatal("somebody else has changed the memory")
	}
	fmt.Println(memory.Path, memory.Version)
	for item, err := range c.MemoryStores.Memories.All(ctx, "memstore_1", &client.ListMemoriesParams{Depth: new(int32(1))}) {
		if err != nil {
			log.Fatal(err)
		}
		switch v := item.AsAny().(type) {
		case client.Memory:
			fmt.Println("memory", v.Path)
		case client.MemoryPrefix:
			fmt.Println("directory", v.Path)
		}
	}
	// Output:
	// users/4711.md 2
	// directory teams/
	// memory users/4711.md
}

// Each change of a memory is a version. Redaction erases the content of one for good.
func ExampleMemoryVersionService() {
	c, srv := demo()
	defer srv.Close()
	ctx := context.Background()
	for version, err := range c.MemoryStores.MemoryVersions.All(ctx, "memstore_1", nil) {
		if err != nil {
			log.Fatal(err)
		}
		if version.Operation == client.MemoryOperationCreated {
			redacted, err := c.MemoryStores.MemoryVersions.Redact(ctx, "memstore_1", version.ID)
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println(redacted.ID, redacted.Redacted)
		}
	}
	// Output: memver_1 true
}
