package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/client"
)

// received is an upload as a server gets it.
type received struct {
	Fields  map[string][]string
	Name    string
	Media   string
	Content string
	Length  bool // whether there was a Content-Length
}

// receive reads an upload.
func receive(t *testing.T, r *http.Request) (got received) {
	t.Helper()
	if err := r.ParseMultipartForm(1 << 20); err != nil {
		t.Error(err)
		return got
	}
	file := r.MultipartForm.File["file"][0]
	content, err := file.Open()
	if err != nil {
		t.Error(err)
		return got
	}
	defer content.Close()
	data, _ := io.ReadAll(content)
	return received{r.MultipartForm.Value, file.Filename, file.Header.Get("Content-Type"), string(data), r.ContentLength >= 0}
}

// TestUpload uploads contents that can be read again and ones that cannot, with a failure at first.
func TestUpload(t *testing.T) {
	for name, c := range map[string]struct {
		content  io.Reader
		attempts int
		ok       bool
	}{
		"seeker": {strings.NewReader("_content"), 2, true},
		"stream": {io.LimitReader(strings.NewReader("content"), 7), 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			if seeker, ok := c.content.(io.Seeker); ok {
				if _, err := seeker.Seek(1, io.SeekStart); err != nil {
					t.Fatal(err)
				}
			}
			var all []received
			api, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				all = append(all, receive(t, r))
				if len(all) == 1 {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				_, _ = io.WriteString(w, `{"id":"file_1"}`)
			})
			file, err := api.Files.Upload(t.Context(), c.content, client.FileUpload{
				Name: "计划.md", MediaType: "text/markdown", Purpose: client.FilePurposeAgentOutput,
				Metadata: client.Metadata{"a": "b"}, ExpiresIn: 2 * time.Hour,
			})
			if (err == nil) != c.ok || c.ok && file.ID != "file_1" || len(all) != c.attempts {
				t.Fatalf("%+v, %v after %d attempts", file, err, len(all))
			}
			want := received{
				map[string][]string{"name": {"计划.md"}, "purpose": {"agent_output"}, "metadata": {`{"a":"b"}`}, "expires_in_seconds": {"7200"}},
				"计划.md", "text/markdown", "content", name == "seeker",
			}
			for _, got := range all {
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// brokenReader fails after some bytes.
type brokenReader struct{ from io.Reader }

func (b brokenReader) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if err == io.EOF {
		err = errors.New("the disk is broken")
	}
	return n, err
}

// TestUploadRefuses has nothing that a server gets.
func TestUploadRefuses(t *testing.T) {
	api, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	for want, call := range map[string]func() error{
		"Files.Upload: the content is nil": func() error {
			_, err := api.Files.Upload(t.Context(), nil, client.FileUpload{Name: "a"})
			return err
		},
		"Files.Upload: the file has no name (param name)": func() error {
			_, err := api.Files.Upload(t.Context(), strings.NewReader(""), client.FileUpload{})
			return err
		},
		"Files.Upload: the content cannot be read: the disk is broken": func() error {
			_, err := api.Files.Upload(t.Context(), brokenReader{strings.NewReader("x")}, client.FileUpload{Name: "a"})
			return err
		},
		`Files.Download: ".." is not an id (param file_id)`: func() error {
			_, err := api.Files.Download(t.Context(), "..", io.Discard)
			return err
		},
		"Files.Download: the context is nil": func() error {
			var none context.Context
			_, err := api.Files.Download(none, "file_1", io.Discard)
			return err
		},
	} {
		if err := call(); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// cutting is a server whose responses with a content are cut off after some bytes, as often as the test wants.
type cutting struct {
	content string
	tags    []string // of the responses; the last one stays
	after   int
	ranges  []string
}

func (c *cutting) serve(w http.ResponseWriter, r *http.Request) {
	tag := c.tags[min(len(c.ranges), len(c.tags)-1)]
	c.ranges = append(c.ranges, r.Header.Get("Range"))
	from := 0
	if span, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok && r.Header.Get("If-Range") == tag {
		from, _ = strconv.Atoi(strings.TrimSuffix(span, "-"))
	}
	rest := c.content[from:]
	w.Header().Set("ETag", tag)
	w.Header().Set("Content-Length", strconv.Itoa(len(rest)))
	if from > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	if len(rest) > c.after {
		_, _ = io.WriteString(w, rest[:c.after])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(w, rest)
}

// TestDownloadResumes is cut off more often than a call is retried.
func TestDownloadResumes(t *testing.T) {
	server := &cutting{content: "0123456789abcdef", tags: []string{`"x"`}, after: 3}
	api, rec := serve(t, server.serve)
	_ = rec
	var got bytes.Buffer
	n, err := api.Files.Download(t.Context(), "file_1", &got, client.WithMaxRetries(1))
	if err != nil || n != 16 || got.String() != server.content {
		t.Errorf("%d bytes, %q, %v", n, got.String(), err)
	}
	if diff := cmp.Diff([]string{"", "bytes=3-", "bytes=6-", "bytes=9-", "bytes=12-", "bytes=15-"}, server.ranges); diff != "" {
		t.Error(diff)
	}
}

// TestDownloadOfAnotherContent does not mix two contents.
func TestDownloadOfAnotherContent(t *testing.T) {
	for name, tags := range map[string][]string{"another tag": {`"x"`, `"y"`}, "no tag": {""}} {
		t.Run(name, func(t *testing.T) {
			server := &cutting{content: "0123456789", tags: tags, after: 3}
			api, _ := serve(t, server.serve)
			var got bytes.Buffer
			n, err := api.Files.Download(t.Context(), "file_1", &got)
			if err == nil || n != 3 || got.String() != "012" {
				t.Errorf("%d bytes, %q, %v", n, got.String(), err)
			}
		})
	}
}

// fullWriter has no room.
type fullWriter struct{ calls int }

var errFull = errors.New("no space left")

func (w *fullWriter) Write([]byte) (int, error) {
	w.calls++
	return 0, errFull
}

// TestDownloadToAFullDisk is not retried.
func TestDownloadToAFullDisk(t *testing.T) {
	api, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") })
	to := &fullWriter{}
	if n, err := api.Files.Download(t.Context(), "file_1", to); !errors.Is(err, errFull) || n != 0 || to.calls != 1 {
		t.Errorf("%d bytes, %v after %d writes", n, err, to.calls)
	}
}

// TestAnAttemptThatHasFailedReadsNoMore holds the body of an attempt until the next one: the content belongs to that one.
func TestAnAttemptThatHasFailedReadsNoMore(t *testing.T) {
	var first io.Reader
	attempts := []client.RoundTripFunc{
		func(req *http.Request) (*http.Response, error) {
			first = req.Body
			return answer(503, `{}`)(req)
		},
		func(req *http.Request) (*http.Response, error) {
			if _, err := io.Copy(io.Discard, first); err == nil {
				t.Error("the first attempt reads on")
			}
			if data, err := io.ReadAll(req.Body); err != nil || !strings.Contains(string(data), "\r\ncontent\r\n") {
				t.Errorf("%q, %v", data, err)
			}
			return answer(201, `{"id":"file_1"}`)(req)
		},
	}
	transport := client.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		next := attempts[0]
		attempts = attempts[1:]
		return next(req)
	})
	c := newClient(t, client.WithToken(token), client.WithHTTPClient(&http.Client{Transport: transport}), new(recorder).clock())
	if _, err := c.Files.Upload(t.Context(), strings.NewReader("content"), client.FileUpload{Name: "a"}); err != nil {
		t.Error(err)
	}
}
