package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/cloud-sessions/sessions/server/blob"
	_ "github.com/cloud-sessions/sessions/server/blob/s3"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// stores opens one of each kind.
func stores(t *testing.T) map[string]blob.Store {
	t.Helper()
	backend := s3mem.New()
	check(t, backend.CreateBucket("files"))
	web := httptest.NewServer(gofakes3.New(backend).Server())
	t.Cleanup(web.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "id")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	all := map[string]blob.Store{}
	for name, at := range map[string]string{
		"folder": filepath.Join(t.TempDir(), "a", "blobs"),
		"bucket": "s3://files?region=x&use_path_style=true&endpoint=" + web.URL,
	} {
		s, err := blob.Open(t.Context(), at)
		check(t, err)
		t.Cleanup(func() { check(t, s.Close()) })
		all[name] = s
	}
	return all
}

// keys lists the blobs that exist.
func keys(t *testing.T, s blob.Store) (list []string) {
	t.Helper()
	check(t, s.List(t.Context(), time.Now().Add(time.Hour), func(key string) error {
		list = append(list, key)
		return nil
	}))
	slices.Sort(list)
	return list
}

func read(t *testing.T, s blob.Store, key string, offset, length int64) string {
	t.Helper()
	r, err := s.Open(t.Context(), key, offset, length)
	check(t, err)
	defer r.Close()
	data, err := io.ReadAll(r)
	check(t, err)
	return string(data)
}

// TestStores creates, reads, lists and deletes blobs.
func TestStores(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			content := strings.Repeat("0123456789", 3)
			made, err := s.Create(t.Context(), strings.NewReader(content))
			check(t, err)
			sum := sha256.Sum256([]byte(content))
			if made.Size != 30 || made.SHA256 != hex.EncodeToString(sum[:]) || made.Key == "" {
				t.Errorf("created: %+v", made)
			}
			empty, err := s.Create(t.Context(), strings.NewReader(""))
			check(t, err)
			if want, got := []string{made.Key, empty.Key}, keys(t, s); len(got) != 2 || !slices.Contains(want, got[0]) || !slices.Contains(want, got[1]) {
				t.Errorf("keys %v, want %v", got, want)
			}
			for _, c := range []struct {
				offset, length int64
				want           string
			}{{0, -1, content}, {28, -1, "89"}, {3, 4, "3456"}, {0, 0, ""}} {
				if got := read(t, s, made.Key, c.offset, c.length); got != c.want {
					t.Errorf("%d bytes from %d: %q", c.length, c.offset, got)
				}
			}
			if got := read(t, s, empty.Key, 0, -1); got != "" {
				t.Errorf("an empty blob has %q", got)
			}
			check(t, s.List(t.Context(), time.Now().Add(-time.Hour), func(key string) error { return errors.New("new: " + key) }))
			stop := errors.New("stop")
			if err := s.List(t.Context(), time.Now().Add(time.Hour), func(string) error { return stop }); err != stop {
				t.Errorf("List returned %v", err)
			}
			for range 2 {
				check(t, s.Delete(t.Context(), made.Key))
			}
			if _, err := s.Open(t.Context(), made.Key, 0, -1); !errors.Is(err, blob.ErrNotFound) {
				t.Errorf("a deleted blob: %v", err)
			}
			if got := keys(t, s); !slices.Equal(got, []string{empty.Key}) {
				t.Errorf("keys %v", got)
			}
		})
	}
}

// TestNames opens stores that do not exist; a name with a scheme is never that of a folder.
func TestNames(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, want := range map[string]string{
		"gs://files":      "blob: files are not stored in gs://; name a folder, or a bucket as s3://BUCKET",
		"file:///files":   "blob: files are not stored in file://; name a folder, or a bucket as s3://BUCKET",
		"s3://files?a=%z": "blob: the URL of the bucket is malformed; write s3://BUCKET?region=REGION",
		"s3://files?a=b":  "blob: open the bucket: ",
	} {
		if s, err := blob.Open(t.Context(), name); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %s", name, s, err, want)
		}
	}
	if made, err := os.ReadDir("."); err != nil || len(made) > 0 {
		t.Errorf("%v, %v", made, err)
	}
}

// TestPartsAreSmall stores a blob in a bucket, which gets parts of 5 MiB from the beginning: they are what an upload holds in
// memory.
func TestPartsAreSmall(t *testing.T) {
	backend := s3mem.New()
	check(t, backend.CreateBucket("files"))
	bucket := gofakes3.New(backend).Server()
	var mu sync.Mutex
	largest, parts := int64(0), 0
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		if largest = max(largest, r.ContentLength); r.URL.Query().Has("partNumber") {
			parts++
		}
		mu.Unlock()
		bucket.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
	s, err := blob.Open(t.Context(), "s3://files?region=x&use_path_style=true&endpoint="+web.URL)
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	const part, overhead = 5 << 20, 4 << 10
	_, err = s.Create(t.Context(), bytes.NewReader(make([]byte, part+1)))
	check(t, err)
	if largest > part+overhead || parts != 2 {
		t.Errorf("%d parts, the largest body has %d bytes", parts, largest)
	}
	if s.Buffer() < 3*part {
		t.Errorf("an upload holds more than %d bytes", s.Buffer())
	}
}

// TestParts stores a blob that a bucket receives in parts.
func TestParts(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			content := bytes.Repeat([]byte("0123456789abcdef"), 18<<20/16)
			made, err := s.Create(t.Context(), bytes.NewReader(content))
			check(t, err)
			if made.Size != int64(len(content)) {
				t.Errorf("size %d", made.Size)
			}
			if got := read(t, s, made.Key, 9<<20+1, 5); got != "12345" {
				t.Errorf("a range: %q", got)
			}
		})
	}
}

// failing fails after some bytes.
type failing struct {
	rest int
	err  error
}

func (f *failing) Read(p []byte) (int, error) {
	if f.rest == 0 {
		return 0, f.err
	}
	n := min(len(p), f.rest)
	f.rest -= n
	return n, nil
}

// TestInterrupted creates blobs whose sources fail: the error is the source's, and nothing is left.
func TestInterrupted(t *testing.T) {
	for name, s := range stores(t) {
		t.Run(name, func(t *testing.T) {
			broken := errors.New("broken")
			for _, size := range []int{0, 10, 18 << 20} {
				if _, err := s.Create(t.Context(), &failing{size, broken}); err != broken {
					t.Errorf("after %d bytes: %v", size, err)
				}
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := s.Create(ctx, strings.NewReader("x")); err == nil {
				t.Error("a blob was created after its context had ended")
			}
			if got := keys(t, s); len(got) != 0 {
				t.Errorf("left: %v", got)
			}
		})
	}
}

// TestFolder looks at the files of a folder: their modes, and what a crash leaves.
func TestFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "blobs")
	s, err := blob.Open(t.Context(), path)
	check(t, err)
	defer s.Close()
	made, err := s.Create(t.Context(), strings.NewReader("x"))
	check(t, err)
	for name, mode := range map[string]os.FileMode{"": 0o700 | os.ModeDir, made.Key: 0o600} {
		info, err := os.Stat(filepath.Join(path, name))
		check(t, err)
		if info.Mode() != mode {
			t.Errorf("%q has the mode %v", name, info.Mode())
		}
	}
	for _, name := range []string{"new-" + made.Key, "README"} {
		check(t, os.WriteFile(filepath.Join(path, name), nil, 0o600))
	}
	if got := keys(t, s); !slices.Equal(got, []string{made.Key, "new-" + made.Key}) {
		t.Errorf("keys %v", got)
	}
	check(t, s.Delete(t.Context(), "new-"+made.Key))
	check(t, os.WriteFile(filepath.Join(filepath.Dir(path), "secret"), nil, 0o600))
	for _, key := range []string{"../secret", "/etc/passwd"} {
		if _, err := s.Open(t.Context(), key, 0, -1); err == nil {
			t.Errorf("%s was opened", key)
		}
		_ = s.Delete(t.Context(), key)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), "secret")); err != nil {
		t.Error(err)
	}
}

// TestTemporary closes a temporary store, which leaves nothing.
func TestTemporary(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s, err := blob.Temporary()
	check(t, err)
	_, err = s.Create(t.Context(), strings.NewReader("x"))
	check(t, err)
	check(t, s.Close())
	left, err := os.ReadDir(os.TempDir())
	check(t, err)
	if len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestReader reads a blob at several places.
func TestReader(t *testing.T) {
	t.Parallel()
	s, err := blob.Open(t.Context(), t.TempDir())
	check(t, err)
	defer s.Close()
	made, err := s.Create(t.Context(), strings.NewReader("0123456789"))
	check(t, err)
	r := blob.NewReader(t.Context(), s, made)
	defer r.Close()
	for _, c := range []struct {
		offset int64
		whence int
		want   string
	}{{0, io.SeekStart, "012"}, {1, io.SeekCurrent, "456"}, {-2, io.SeekEnd, "89"}, {0, io.SeekEnd, ""}, {5, io.SeekStart, "567"}} {
		if _, err := r.Seek(c.offset, c.whence); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 3)
		n, _ := io.ReadFull(r, p)
		if got := string(p[:n]); got != c.want {
			t.Errorf("at %d from %d: %q", c.offset, c.whence, got)
		}
	}
	if _, err := r.Seek(-1, io.SeekStart); err == nil {
		t.Error("a place before the beginning")
	}
	made.Size++
	longer := blob.NewReader(t.Context(), s, made)
	defer longer.Close()
	if _, err := io.ReadAll(longer); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a blob that is shorter than its row says: %v", err)
	}
}

// TestRestoreAcceptsKeysOnly restores blobs under names that no blob has.
func TestRestoreAcceptsKeysOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, key := range []string{"", "x", "../blob-a", "blob-a/b", "new-blob-a", "blob-A", "blob-"} {
		if _, err := blob.Restore(t.Context(), dir, key, strings.NewReader("x")); err == nil {
			t.Errorf("%q is accepted", key)
		}
	}
	if _, err := blob.Restore(t.Context(), dir, "blob-a", strings.NewReader("x")); err != nil {
		t.Error(err)
	}
	if _, err := blob.Restore(t.Context(), dir, "blob-a", strings.NewReader("y")); err == nil {
		t.Error("a blob is overwritten")
	}
}
