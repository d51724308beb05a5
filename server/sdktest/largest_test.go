package sdktest_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go/lib/environments"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server/servertest"
)

// TestLargestResult lets the official worker read the file whose result is the longest: with the most bytes that its tools
// read, each of which takes six in JSON.
func TestLargestResult(t *testing.T) {
	t.Parallel()
	const most = 256 << 10 // the worker's default
	s := servertest.New(t)
	s.Script(`rules: [{steps: [{use: {tool: read, input: {file_path: file}}}, {say: done}]}]`)
	own := newWorkplace(t, s.Client())
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "file"), bytes.Repeat([]byte{1}, most), 0o600); err != nil {
		t.Fatal(err)
	}
	defer own.work(t, s.URL, time.Second, func(o *environments.EnvironmentWorkerOptions) { o.Workdir = folder })()
	for event, err := range own.client.Sessions.Run(t.Context(), own.session(t), "Read it.", nil) {
		if err != nil {
			t.Fatal(err)
		}
		if result, ok := event.Value.(client.UserToolResultEvent); ok && (result.IsError || len(result.Content.Text()) != most) {
			t.Errorf("a result of %d bytes", len(result.Content.Text()))
		}
	}
}
