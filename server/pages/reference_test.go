package pages_test

import (
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
	b.shows("Every request needs an access token.")
	b.do(chromedp.Click(chromedp.CSS(`a[href="docs/"]`), chromedp.NodeVisible))
	b.shows("Create a session")
	b.shows("Cloud Sessions API")
	b.shows(s.URL + "/v1")
	b.quiet(s.URL)
}
