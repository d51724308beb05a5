package pages_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// screenshotsVariable names the folder that TestScreenshots writes to; make screenshots sets it.
const screenshotsVariable = "SESSIONS_SCREENSHOTS"

// TestScreenshots writes pictures of the pages for each theme.
func TestScreenshots(t *testing.T) {
	folder := os.Getenv(screenshotsVariable)
	if folder == "" {
		t.Skip("writes pictures, for make screenshots")
	}
	s := servertest.New(t)
	s.Script(script)
	c := s.Client()
	var sessions []*client.Session
	for _, title := range []string{"退款咨询 #1029", "Release notes for 2.4", "", "Nightly triage", "每周报告", "Clean the build folder"} {
		session, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{
			Agent: client.AgentRef{ID: s.AgentID}, EnvironmentID: s.EnvironmentID, Title: &title,
		})
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, session)
	}
	b := openBrowser(t, 1280, 800)
	b.sent(c, sessions[3].ID, "How is the weather?")
	b.do(chromedp.Navigate(s.URL + "/"))
	b.theme(folder, "index")
	b.do(chromedp.Navigate(s.URL + "/docs/"))
	b.shows("Cloud Sessions API")
	b.shows("Idempotency")
	b.theme(folder, "docs")
	b.do(chromedp.Navigate(s.URL + "/console/"))
	b.shows("Access token")
	b.theme(folder, "signin")
	b.do(chromedp.Navigate(s.URL+"/console/"), chromedp.SendKeys(chromedp.CSS("input[name=token]"), s.Token+kb.Enter))
	b.first("sessions")
	b.shows("Live")
	b.write("textarea", "你好！ Which files are in the build folder?"+kb.Enter)
	b.until(`document.querySelectorAll(".item.end").length === 1`)
	b.write("textarea", "Please clean the build folder, and tell me what you removed."+kb.Enter)
	b.shows("Needs confirmation")
	b.theme(folder, "confirmation")
	b.press("Allow")
	b.shows("The folder is gone.")
	b.click(".tool summary")
	b.theme(folder, "transcript")
}

// theme writes a picture of the page in each theme.
func (b *browser) theme(folder, name string) {
	b.t.Helper()
	for _, theme := range []string{"light", "dark"} {
		_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
		})
		if err != nil {
			b.t.Fatal(err)
		}
		picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name+"-"+theme+".png"), picture, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
}
