package pages_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server/servertest"
)

var script = `
rules:
  - match: {contains: many}
    steps:
` + strings.Repeat("      - say: One of many.\n", 250) + `
  - match: {contains: clean}
    steps:
      - think
      - say: [Let me, " look", " at the folder."]
        every: 20ms
      - tool: {name: Glob, input: {pattern: "build/**"}, result: "build/app.js\nbuild/app.css"}
      - tool:
          name: Bash
          input: {command: rm -r build}
          ask: true
          result: removed 2 files
          denied: [{say: "Then I leave it: {{result}}."}]
      - say: The folder is gone.
      - usage: {input_tokens: 4810, output_tokens: 231, credits: 0.41}
  - match: {contains: weather}
    steps:
      - custom_tool: {name: get_weather, input: {city: 杭州}}
      - say: "The weather: {{result}}."
  - match: {contains: program}
    steps: [{use: {tool: write, input: {file_path: hello.sh, content: echo}}}, {say: Written.}]
  - match: {contains: HTML}
    steps: [{say: "<img src=x onerror=alert(1)><b>bold</b>"}]
  - match: {contains: fail}
    steps: [{fail: the model is overloaded}]
  - steps: [{say: "Heard: {{text}}"}]
`

// A user signs in, watches a turn, allows a tool, gives a result, and loses nothing when the network is cut. Nothing is loaded
// from elsewhere and the browser has nothing to say against the page.
func TestConsole(t *testing.T) {
	t.Parallel()
	b := openBrowser(t, 1280, 800)
	s := servertest.New(t)
	s.Script(script)
	c := s.Client()
	session, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{
		Agent: client.AgentRef{ID: s.AgentID}, EnvironmentID: s.EnvironmentID, Title: new("Housekeeping"),
	})
	if err != nil {
		t.Fatal(err)
	}
	net := newRelay(t, s.URL)

	b.do(chromedp.Navigate(net.URL + "/console"))
	b.write("input[name=token]", "pt-wrong"+kb.Enter)
	b.until(`document.querySelector("[role=alert]").innerText !== ""`)
	b.write("input[name=token]", s.Token)
	b.press("Sign in")
	b.shows("Housekeeping")
	if stored := b.storage(); stored != "" {
		t.Errorf("the token is stored: %s", stored)
	}

	b.first("sessions")
	b.shows("No events yet.")
	b.shows("Live")
	b.write("textarea", "Please clean up"+kb.Enter)
	b.shows("Let me look at the folder.")
	b.shows("Needs confirmation")
	b.shows("rm -r build")
	b.press("Allow")
	b.shows("The folder is gone.")
	b.shows("Done · 4,810 in · 231 out · 0.41 credits")
	b.until(`document.querySelector(".status").innerText === "Idle"`)

	net.setCut(true)
	b.shows("Reconnecting")
	b.sent(c, session.ID, "one while away")
	net.setCut(false)
	b.shows("Heard: one while away")
	b.shows("Live")
	if n := b.count(".item.agent"); n != 3 {
		t.Errorf("%d messages of the agent, want 3", n)
	}

	b.write("textarea", "How is the weather?"+kb.Enter)
	b.write("textarea[name=result]", "7 °C")
	b.press("Send result")
	b.shows("The weather: 7 °C.")

	b.sent(c, session.ID, "Send me HTML")
	b.shows("<img src=x onerror=alert(1)><b>bold</b>")
	if n := b.count(".item img, .item.agent .text b"); n != 0 {
		t.Error("a text of the agent became elements")
	}
	b.sent(c, session.ID, "please fail")
	b.shows("the model is overloaded")

	// A long session is opened at its end, and shows the rest on demand.
	b.sent(c, session.ID, "Say many things")
	b.shows("One of many.")
	b.until(`[...document.querySelectorAll(".item")].at(-1).matches(".end") && document.querySelector(".status").innerText === "Idle"`)
	b.click(`nav a[href='#/sessions']`)
	b.until(`document.querySelectorAll(".item").length === 0`) // the session is closed
	b.first("sessions")
	b.until(`document.querySelectorAll(".item").length > 90`)
	b.until(`(() => {
		if (document.body.innerText.includes("Please clean up")) return true;
		const more = document.querySelector(".column > .more:first-child"); // the other one shows later entries
		document.querySelector(".scroll").scrollTop = 0;
		for (let clicks = 0; more && clicks < 2; clicks++) more.click(); // the second one has no effect
		return false;
	})()`)
	if n := b.count(".item.user"); n != 6 {
		t.Errorf("%d messages of the user", n)
	}
	if n := b.count(".item"); n < 150 { // as many as the page keeps at least of a log that has more
		t.Errorf("%d entries", n)
	}
	b.press("Latest ↓")
	b.until(`document.querySelectorAll(".item").length < 200`)

	b.press("Events")
	b.shows("span.model_request_end")
	b.press("Details")
	b.shows(string(session.ID))
	b.press("中文")
	b.shows("智能体")
	b.click(`nav a[href='#/agents']`)
	b.first("agents")
	b.shows("系统提示词")
	b.press("退出")
	b.shows("访问令牌")
	b.quiet(net.URL, "status of 401", "net::ERR_")
}

// TestConsoleTellsWhoIsAwaited shows a session that waits for a worker: the user has nothing to answer, and can interrupt.
func TestConsoleTellsWhoIsAwaited(t *testing.T) {
	t.Parallel()
	b := openBrowser(t, 1280, 800)
	s := servertest.New(t)
	s.Script(script)
	c := s.Client()
	agent, err := c.Agents.Create(t.Context(), &client.CreateAgentRequest{
		Name: "coder", Model: "ultimate", Tools: []client.AgentTool{client.NewAgentTool(client.BuiltinToolset{})},
	})
	if err != nil {
		t.Fatal(err)
	}
	environment, err := c.Environments.Create(t.Context(), &client.CreateEnvironmentRequest{
		Name: "own", Config: client.NewEnvironmentConfig(client.SelfHostedConfig{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	session, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{Agent: client.AgentRef{ID: agent.ID}, EnvironmentID: environment.ID})
	if err != nil {
		t.Fatal(err)
	}
	b.sent(c, session.ID, "Write a program.")
	b.do(chromedp.Navigate(s.URL+"/console/#/sessions/"+session.ID), chromedp.SendKeys(chromedp.CSS("input[name=token]"), s.Token+kb.Enter))
	b.until(`document.querySelector("article .status").innerText === "Waits for a worker"`)
	b.until(`document.querySelector(".item.end").innerText.startsWith("Waits for a worker")`)
	b.shows("The agent waits for a worker that runs its tool.")
	if n := b.count(".item.tool.waits, .item.end.requires_action, .answer"); n != 0 {
		t.Errorf("%d entries ask the user", n)
	}
	b.press("Interrupt")
	b.until(`document.querySelector("article .status").innerText === "Idle"`)
	b.until(`document.querySelector(".item.end").innerText.startsWith("Waited for a worker")`)
	b.sent(c, session.ID, "How is the weather?")
	b.until(`document.querySelector("article .status").innerText === "Waits for you"`)
	b.shows("Needs a result")
}

// sent sends a message as another program.
func (b *browser) sent(c *client.Client, session client.SessionID, text string) {
	b.t.Helper()
	if _, err := c.Sessions.Events.Send(b.t.Context(), session, []client.EventInput{client.NewUserMessage(text)}); err != nil {
		b.t.Fatal(err)
	}
}

// storage is what the page has stored in the browser, except preferences.
func (b *browser) storage() string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`Object.values(localStorage).concat(Object.values(sessionStorage)).join() + document.cookie`))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}
