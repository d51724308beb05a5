package pages_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/cloud-sessions/sessions/server/internal/needs"
)

// patience is how long a browser on a busy machine may take for a step.
const patience = time.Minute

// browser is a tab of a real browser.
type browser struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	requests []string
	errors   []string
}

// openBrowser starts a browser with a tab of that size. It ends with the test.
func openBrowser(t testing.TB, width, height int64) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(needs.Program(t, "chromium")), chromedp.Flag("lang", "en"))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	b := &browser{t: t, ctx: ctx}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil { // this starts the browser, which ends with ctx
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, func(event any) {
		if sent, ok := event.(*network.EventRequestWillBeSent); ok {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.requests = append(b.requests, sent.Request.URL)
		}
	}); err != nil {
		t.Fatal(err)
	}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() || m.Type == "error" || m.Type == "warning" {
				b.mu.Lock()
				b.errors = append(b.errors, m.String())
				b.mu.Unlock()
			}
		}
	}()
	return b
}

// do does steps, one after the other, and a step again whose element the page replaced between looking for it and using it.
func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	for _, step := range steps {
		err := chromedp.Do(ctx, step)
		for err != nil && strings.Contains(err.Error(), "Could not find node with given id") {
			err = chromedp.Do(ctx, step)
		}
		if err != nil {
			b.t.Fatalf("%v\nthe page shows:\n%s", err, b.text())
		}
	}
}

// until waits until an expression of JavaScript is true. Between two pages it cannot be evaluated.
func (b *browser) until(expression string) {
	b.t.Helper()
	var done bool
	var err error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(30 * time.Millisecond) {
		if done, err = chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression)); done {
			return
		}
	}
	b.t.Fatalf("%s: %v\nthe page shows:\n%s", expression, err, b.text())
}

// shows waits until the page shows a text.
func (b *browser) shows(text string) {
	b.t.Helper()
	b.until(`document.body.innerText.includes(` + quote(text) + `)`)
}

// text is what the page shows.
func (b *browser) text() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
	if err != nil {
		return err.Error()
	}
	return text
}

// count returns how many elements of the page a selector matches.
func (b *browser) count(selector string) int {
	b.t.Helper()
	n, err := chromedp.Run(b.ctx, chromedp.Evaluate[int]("document.querySelectorAll("+quote(selector)+").length"))
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// press clicks the button with that text.
func (b *browser) press(text string) {
	b.t.Helper()
	b.clickOn(`[...document.querySelectorAll("button")].find((it) => it.checkVisibility() && it.textContent.trim() === ` + quote(text) + `)`)
}

// click clicks the first element that a selector matches.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.clickOn(`document.querySelector(` + quote(selector) + `)`)
}

// clickOn clicks an element, given by an expression of JavaScript, as soon as a user could: nothing covers it, and it is not
// disabled. All in one go, since a page whose parts still load may move the element away from under a mouse.
func (b *browser) clickOn(element string) {
	b.t.Helper()
	b.until(`(() => {
		const it = ` + element + `;
		if (!it || it.disabled) return false;
		it.scrollIntoView({ block: "nearest" });
		const [box] = it.getClientRects();
		if (!box || !it.contains(document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2))) return false;
		it.focus();
		it.click();
		return true;
	})()`)
}

// first opens the first of the list of a place: sessions, agents or environments.
func (b *browser) first(place string) {
	b.t.Helper()
	b.click(`.list a[href^='#/` + place + `/']`)
}

// write types a text into an element.
func (b *browser) write(selector, text string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible))
}

// quiet fails the test for requests to another origin, and for errors and warnings except those that say one of these texts.
func (b *browser) quiet(origin string, except ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.requests) == 0 {
		b.t.Error("no request was seen")
	}
	for _, r := range b.requests {
		if !strings.HasPrefix(r, origin+"/") {
			b.t.Errorf("a request to %s", r)
		}
	}
next:
	for _, e := range b.errors {
		for _, text := range except {
			if strings.Contains(e, text) {
				continue next
			}
		}
		b.t.Errorf("the browser's console: %s", e)
	}
}

// quote returns a text as a string of JavaScript and XPath. The texts of the tests need no escapes.
func quote(text string) string { return `"` + text + `"` }

// relay is the network between a browser and a server, which can be cut.
type relay struct {
	URL    string
	server string

	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

// newRelay starts a relay to the server at an http URL.
func newRelay(t testing.TB, server string) *relay {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{URL: "http://" + listener.Addr().String(), server: u.Host}
	t.Cleanup(func() {
		_ = listener.Close()
		r.setCut(true)
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.connect(conn)
		}
	}()
	return r
}

// connect joins a connection with a new one to the server; while the network is cut it ends.
func (r *relay) connect(conn net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut {
		_ = conn.Close()
		return
	}
	server, err := net.Dial("tcp", r.server)
	if err != nil {
		_ = conn.Close()
		return
	}
	r.conns = append(r.conns, conn, server)
	for from, to := range map[net.Conn]net.Conn{conn: server, server: conn} {
		go func() {
			_, _ = io.Copy(to, from)
			_ = to.Close()
			_ = from.Close()
		}()
	}
}

// setCut cuts the network, or repairs it.
func (r *relay) setCut(cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = cut
	if cut {
		for _, c := range r.conns {
			_ = c.Close()
		}
		r.conns = nil
	}
}
