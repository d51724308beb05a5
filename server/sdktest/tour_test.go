package sdktest_test

import (
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/contractproxy"
	"github.com/cloud-sessions/sessions/client/recording"
	"github.com/cloud-sessions/sessions/server/internal/needs"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// TestTheReadmesTourReplayed records the README's tour in five curls, in which nothing violates the contract, and replays it
// to the client and to the SDK, each of which makes the same tour.
func TestTheReadmesTourReplayed(t *testing.T) {
	t.Parallel()
	path := recordTour(t)
	t.Run("client", func(t *testing.T) {
		t.Parallel()
		s := servertest.Replay(t, path)
		c, ctx := s.Client(), t.Context()
		session, err := c.Sessions.Create(ctx, &client.CreateSessionRequest{
			Agent: client.AgentRef{ID: "agent_019e390add9f7bac9b6cc806db46fcbd"}, EnvironmentID: "env_019e2590d33f711fabf42f2857cecd8a",
			Title: new("我的会话"), Metadata: map[string]string{"purpose": "customer-support"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Sessions.Events.Send(ctx, session.ID, []client.EventInput{client.NewUserMessage("你好")}); err != nil {
			t.Fatal(err)
		}
		said := ""
		for event, err := range c.Sessions.Events.Stream(ctx, session.ID, &client.StreamParams{Deltas: []client.DeltaType{client.DeltaTypeAgentMessage}}) {
			if err != nil {
				t.Fatal(err)
			}
			switch event.Value.(type) {
			case client.EventDelta, client.AgentMessageEvent:
				said += event.Text() + "|"
			}
			if _, idle := event.Value.(client.SessionStatusIdleEvent); idle {
				break
			}
		}
		if !strings.HasSuffix(said, "|You said: 你好|") {
			t.Errorf("said %q", said)
		}
		list, err := c.Sessions.Events.List(ctx, session.ID, &client.ListEventsParams{Types: []client.EventType{client.EventTypeAgentMessage}})
		if err != nil || len(list.Data) != 1 || list.Data[0].Text() != "You said: 你好" {
			t.Errorf("%+v %v", list, err)
		}
		if got, err := c.Sessions.Get(ctx, session.ID); err != nil || got.Usage.OutputTokens != 3 {
			t.Errorf("%+v %v", got, err)
		}
		if left := s.Left(); len(left) > 0 {
			t.Errorf("%+v was not served", left[0])
		}
	})
	t.Run("SDK", func(t *testing.T) {
		t.Parallel()
		s := servertest.Replay(t, path)
		sdk := anthropic.NewClient(option.WithBaseURL(s.URL), option.WithAuthToken("any"), option.WithMaxRetries(0))
		sessions, ctx := sdk.Beta.Sessions, t.Context()
		session, err := sessions.New(ctx, anthropic.BetaSessionNewParams{
			Agent:         anthropic.BetaSessionNewParamsAgentUnion{OfString: anthropic.String("agent_019e390add9f7bac9b6cc806db46fcbd")},
			EnvironmentID: "env_019e2590d33f711fabf42f2857cecd8a",
			Title:         anthropic.String("我的会话"), Metadata: map[string]string{"purpose": "customer-support"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sessions.Events.Send(ctx, session.ID, anthropic.BetaSessionEventSendParams{Events: []anthropic.BetaManagedAgentsEventParamsUnion{{
			OfUserMessage: &anthropic.BetaManagedAgentsUserMessageEventParams{Type: "user.message", Content: []anthropic.BetaManagedAgentsUserMessageEventParamsContentUnion{
				{OfText: &anthropic.BetaManagedAgentsTextBlockParam{Type: "text", Text: "你好"}},
			}},
		}}}); err != nil {
			t.Fatal(err)
		}
		stream := sessions.Events.StreamEvents(ctx, session.ID, anthropic.BetaSessionEventStreamParams{EventDeltas: []anthropic.BetaManagedAgentsDeltaType{"agent.message"}})
		defer stream.Close()
		said := ""
		for stream.Next() {
			event := stream.Current()
			if event.Type == "agent.message" {
				said = event.RawJSON()
			}
			if event.Type == "session.status_idle" {
				break
			}
		}
		if err := stream.Err(); err != nil || !strings.Contains(said, "You said: 你好") {
			t.Errorf("said %s, %v", said, err)
		}
		list, err := sessions.Events.List(ctx, session.ID, anthropic.BetaSessionEventListParams{Types: []anthropic.BetaManagedAgentsSessionEventType{"agent.message"}})
		if err != nil || len(list.Data) != 1 || !strings.Contains(list.Data[0].RawJSON(), "You said: 你好") {
			t.Errorf("%+v %v", list, err)
		}
		got, err := sessions.Get(ctx, session.ID, anthropic.BetaSessionGetParams{})
		if err != nil || got.Title != "我的会话" || got.Usage.OutputTokens != 3 {
			t.Errorf("%+v %v", got, err)
		}
		if left := s.Left(); len(left) > 0 {
			t.Errorf("%+v was not served", left[0])
		}
	})
}

// recordTour runs the README's tour through a recording proxy and returns the recording.
func recordTour(t *testing.T) (path string) {
	t.Helper()
	needs.Program(t, "curl")
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), "\n## A tour in five curls\n")
	_, section, begun := strings.Cut(section, "\n```sh\n")
	tour, _, ended := strings.Cut(section, "```")
	if !found || !begun || !ended {
		t.Fatal("the README has no tour")
	}
	s := servertest.New(t)
	redact, err := recording.NewRedactor()
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "tour.txt")
	recorder, err := recording.Create(path, redact)
	if err != nil {
		t.Fatal(err)
	}
	upstream, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := contractproxy.New(contractproxy.Options{
		Upstream: upstream, Recorder: recorder, Report: func(f contractproxy.Finding) { t.Errorf("%s", f) },
	})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(proxy)
	defer web.Close()
	sh := exec.CommandContext(t.Context(), "sh", "-euc", tour)
	sh.Env = append(os.Environ(), "API="+web.URL+"/v1", "QODER_PAT="+s.Token)
	if out, err := sh.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := recorder.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), s.Token) {
		t.Errorf("%v, or the recording has the token:\n%s", err, text)
	}
	return path
}
