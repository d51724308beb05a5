package form_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/blob"
	"github.com/cloud-sessions/sessions/server/form"
)

// start returns a receiver with these bounds, and what it receives forms for.
func start(t testing.TB, most, account int64) (*form.Receiver, *contract.Operation) {
	t.Helper()
	c, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = blobs.Close() })
	used := func(context.Context, string) (int64, error) { return 0, nil }
	return &form.Receiver{Blobs: blobs, MaxBytes: most, MaxAccountBytes: account, Used: used}, c.Operation("uploadFile")
}

// uploading returns a request with a body whose length is known if it is not negative.
func uploading(t testing.TB, body io.Reader, length int64) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/files", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	r.ContentLength = length
	return r
}

// formOf returns a form with one file.
func formOf(content string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n" + content + "\r\n--b--\r\n"
}

// TestFilesThatArriveCount receives two files at once, for which the account has no room together.
func TestFilesThatArriveCount(t *testing.T) {
	t.Parallel()
	receiver, op := start(t, 600, 1000)
	first, feed := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := receiver.Receive(t.Context(), "acc", op, uploading(t, first, 600))
		done <- err
	}()
	body := formOf(strings.Repeat("x", 500))
	if _, err := io.WriteString(feed, body[:100]); err != nil { // it has been read
		t.Fatal(err)
	}
	var full *form.FullError
	if _, err := receiver.Receive(t.Context(), "acc", op, uploading(t, strings.NewReader(body), -1)); !errors.As(err, &full) {
		t.Errorf("the second file: %v", err)
	}
	other, err := receiver.Receive(t.Context(), "other", op, uploading(t, strings.NewReader(body), -1))
	if err != nil || other.Blob.Size != 500 {
		t.Errorf("a file of another account: %v", err)
	}
	if _, err := io.WriteString(feed, body[100:]); err != nil {
		t.Fatal(err)
	}
	_ = feed.Close()
	if err := <-done; err != nil {
		t.Errorf("the first file: %v", err)
	}
	if _, err := receiver.Receive(t.Context(), "acc", op, uploading(t, strings.NewReader(body), -1)); err != nil {
		t.Errorf("a file after the others: %v", err)
	}
}

// TestDigest tells forms apart by what they mean, not by how they are written.
func TestDigest(t *testing.T) {
	t.Parallel()
	receiver, op := start(t, 1000, 1<<20)
	digest := func(body string) string {
		t.Helper()
		f, err := receiver.Receive(t.Context(), "acc", op, uploading(t, strings.NewReader(body), -1))
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%x", f.Digest())
	}
	text := func(name, content string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + content + "\r\n"
	}
	first := digest(text("metadata", `{"a":"1","b":"2"}`) + formOf("x"))
	if again := digest(text("metadata", ` {"b":"2", "a":"1"} `) + formOf("x")); again != first {
		t.Error("the same metadata have another digest")
	}
	for _, other := range []string{
		formOf("x"), text("metadata", `{"a":"1","b":"2"}`) + formOf("y"), text("metadata", `{"a":"1","b":"3"}`) + formOf("x"),
		text("metadata", `{"a":"1","b":"2"}`) + strings.Replace(formOf("x"), "a.txt", "b.txt", 1),
	} {
		if digest(other) == first {
			t.Errorf("another form has the same digest: %q", other)
		}
	}
}

// FuzzReceive receives any body: what is refused leaves no blob, what is accepted has one.
func FuzzReceive(f *testing.F) {
	receiver, op := start(f, 200, 1<<40)
	for _, seed := range []string{formOf("x"), formOf(strings.Repeat("x", 300)), "", "--b--", "--b\r\n\r\n--b--", "preamble\r\n" + formOf("") + "epilogue"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := receiver.Receive(t.Context(), "acc", op, uploading(t, strings.NewReader(body), -1))
		var refused *contract.RequestError
		switch {
		case err != nil && !errors.As(err, &refused):
			t.Fatal(err)
		case err == nil && (got.Blob.Key == "" || got.Blob.Size > 200):
			t.Fatalf("%+v", got)
		}
		receiver.Discard(t.Context(), got)
		if err := receiver.Blobs.List(t.Context(), timeBeyond, func(key string) error { return errors.New(key) }); err != nil {
			t.Fatalf("left: %v", err)
		}
	})
}

// timeBeyond is after the creation of every blob.
var timeBeyond = time.Now().Add(24 * time.Hour)
