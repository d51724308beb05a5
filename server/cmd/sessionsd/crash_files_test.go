package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/client"
)

const (
	fileRounds    = 4
	fileUploaders = 4
)

// TestNoAcknowledgedFileIsLost kills the server while files are uploaded. Every file that was acknowledged is there with
// its content, and so is every file that is listed: a row never comes before its content.
func TestNoAcknowledgedFileIsLost(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sessions.db")
	acknowledged := map[string]bool{}
	for round := range fileRounds + 1 {
		s := serve(t, []string{"QODER_PAT=" + callerToken}, "--db", "sqlite:"+path, "--demo")
		c, err := client.New(client.WithBaseURL(s.baseURL+"/v1"), client.WithToken(callerToken), client.WithMaxRetries(0))
		if err != nil {
			t.Fatal(err)
		}
		checkFiles(t, c, acknowledged)
		if round == fileRounds || t.Failed() {
			break
		}
		uploadUntilKilled(t, c, round, acknowledged, func() {
			_ = s.Process.Kill()
			_ = s.Wait()
		})
	}
	blobs, err := os.ReadDir(path + ".blobs")
	if err != nil || len(blobs) < len(acknowledged) {
		t.Errorf("%d blobs of %d files, %v", len(blobs), len(acknowledged), err)
	}
	t.Logf("%d files, %d blobs", len(acknowledged), len(blobs))
}

// uploadUntilKilled uploads files until the server is gone, and kills it once some are acknowledged.
func uploadUntilKilled(t *testing.T, c *client.Client, round int, acknowledged map[string]bool, kill func()) {
	t.Helper()
	var mu sync.Mutex
	var callers sync.WaitGroup
	enough := make(chan struct{})
	count := 0
	for i := range fileUploaders {
		random := rand.New(rand.NewPCG(uint64(round), uint64(i)))
		callers.Go(func() {
			for {
				content := fmt.Appendf(nil, "%d", random.Uint64())
				content = bytes.Repeat(content, 1+random.IntN(5_000))
				sum := sha256.Sum256(content)
				file, err := c.Files.Upload(t.Context(), bytes.NewReader(content), client.FileUpload{Name: hex.EncodeToString(sum[:])})
				if err != nil {
					return
				}
				mu.Lock()
				acknowledged[file.ID] = true
				if count++; count == 3*fileUploaders {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(time.Minute):
		t.Error("too few files are acknowledged")
	}
	kill()
	callers.Wait()
}

// checkFiles downloads every file: its name is the hash of its content.
func checkFiles(t *testing.T, c *client.Client, acknowledged map[string]bool) {
	t.Helper()
	for file, err := range c.Files.All(t.Context(), &client.ListFilesParams{Limit: new(int32(100))}) {
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.New()
		if _, err := c.Files.Download(t.Context(), file.ID, sum); err != nil || hex.EncodeToString(sum.Sum(nil)) != file.Filename {
			t.Errorf("%s of %d bytes has another content: %v", file.ID, file.SizeBytes, err)
		}
		acknowledged[file.ID] = true // its response may have been lost
	}
	for id := range acknowledged {
		if _, err := c.Files.Get(t.Context(), id); err != nil {
			t.Errorf("%s was acknowledged: %v", id, err)
		}
	}
}
