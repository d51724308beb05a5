package pages_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/cloud-sessions/sessions/server/servertest"
)

// A browser that opens the server's root finds the reference, which has the operations of the contract with this server's
// address, and loads nothing from elsewhere.
func TestReference(t *testing.T) {
	t.Parallel()
	b := openBrowser(t, 1280, 800)
	s := servertest.New(t)
	b.do(chromedp.Navigate(s.URL))
	b.shows("Every request needs an access token")
	b.click(`a[href='docs/']`)
	b.shows("Create a session")
	b.shows("Cloud Sessions API")
	b.shows(s.URL + "/v1")
	// A request that is tried has the examples of required parameters only.
	b.until(`(() => {
		location.hash = "tag/events/GET/sessions/{session_id}/events/stream";
		const buttons = [...document.querySelectorAll("button")].filter((x) => /Test Request/.test(x.innerText));
		const button = buttons.find((x) => x.closest(".section, section")?.innerText.includes("Stream a session's events"));
		button?.click();
		return document.querySelector("[role=dialog]")?.innerText.includes("Last-Event-ID");
	})()`)
	b.until(`document.querySelector("[role=dialog]").innerText.includes("sess_")`)
	if text := b.text(); strings.Contains(text[strings.LastIndex(text, "Query Parameters"):], "evt_") {
		t.Error(text)
	}
	b.quiet(s.URL)
}
