package main

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/cloud-sessions/sessions/api"
)

// shows returns a run that opens a page in Chromium, for each form of the contract: DOCUMENT in it stands for its name. The page
// must show the summary of every operation, and its scripts must report no error.
func shows(page string, documents ...string) func(*work) error {
	return func(w *work) error {
		for _, document := range documents {
			text := "<!doctype html><html><head><meta charset=utf-8></head><body>" + strings.ReplaceAll(page, "DOCUMENT", document) + "</body></html>"
			if err := w.write(map[string]string{"index.html": text}); err != nil {
				return err
			}
			if err := w.view(); err != nil {
				return fmt.Errorf("%s: %w", document, err)
			}
		}
		return nil
	}
}

// view opens the folder's page and waits until it shows all operations.
func (w *work) view() error {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		return err
	}
	files := httptest.NewServer(http.FileServer(http.Dir(w.folder)))
	defer files.Close()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.Flag("lang", "en"))
	allocator, stop := chromedp.NewExecAllocator(w.ctx, options...)
	defer stop()
	tab, closeTab := chromedp.NewContext(allocator)
	defer closeTab()
	ctx, cancel := context.WithTimeout(tab, patience)
	defer cancel()
	if err := chromedp.Do(tab, chromedp.EmulateViewport(1280, 4000)); err != nil { // the browser lives as long as this context
		return err
	}
	var exceptions []string
	messages := chromedp.Console(tab)
	seen := make(chan string, 1000)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() {
				select {
				case seen <- m.String():
				default:
				}
			}
		}
	}()
	if err := chromedp.Do(ctx, chromedp.Navigate(files.URL)); err != nil {
		return err
	}
	summaries, err := summaries()
	if err != nil {
		return err
	}
	var missing []string
	for deadline := time.Now().Add(patience / 10); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		shown, err := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.textContent"))
		if err != nil {
			return err
		}
		missing = slices.DeleteFunc(slices.Clone(summaries), func(s string) bool { return strings.Contains(shown, s) })
		if len(missing) == 0 {
			break
		}
	}
	for len(seen) > 0 {
		exceptions = append(exceptions, <-seen)
	}
	if len(missing)+len(exceptions) > 0 {
		return fmt.Errorf("it does not show %q; exceptions: %q", missing, exceptions)
	}
	return nil
}

// summaries returns the summaries of all operations.
func summaries() ([]string, error) {
	data, err := api.JSON()
	if err != nil {
		return nil, err
	}
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	var all []string
	for _, item := range doc.Paths {
		for name, part := range item {
			var operation struct{ Summary string }
			if name != "parameters" && json.Unmarshal(part, &operation) == nil {
				all = append(all, html.UnescapeString(operation.Summary))
			}
		}
	}
	slices.Sort(all)
	return all, nil
}
