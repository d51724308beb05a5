// Package blob stores the contents of files: sequences of bytes under keys that the store chooses. A blob never changes.
// The database has the keys; a blob that no row refers to is an orphan, which its owner deletes by List and Delete.
package blob

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
)

// Store stores blobs. Its methods are safe for concurrent use, by several processes as well.
type Store interface {
	// Create stores what r yields under a new key, durably: once it has returned, no crash loses the blob. An error of r
	// is returned unchanged, any other error is an *UnavailableError; nothing is stored then, except for what a crash
	// leaves to List. At most Buffer bytes of memory are used.
	Create(ctx context.Context, r io.Reader) (Blob, error)

	// Open returns length bytes of a blob from offset on; a negative length stands for all bytes from there. ErrNotFound
	// when no blob has the key. The caller closes the reader, which fails when ctx ends.
	Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error)

	// Delete deletes a blob. A key that no blob has is not an error.
	Delete(ctx context.Context, key string) error

	// List calls each with the keys of the blobs that were created before a time, and of what crashes have left of others,
	// in any order, until each returns an error, which List returns.
	List(ctx context.Context, before time.Time, each func(key string) error) error

	// Buffer returns how many bytes of memory one call of Create uses.
	Buffer() int

	// Close frees everything. Later calls fail.
	Close() error
}

// Blob describes a blob.
type Blob struct {
	Key  string
	Size int64 // in bytes
	// SHA256 is the hash of the content, in 64 lower-case hexadecimal digits.
	SHA256 string
}

// ErrNotFound means that no blob has the key.
var ErrNotFound = errors.New("blob not found")

// Open opens the store that a name stands for: a folder, which is created if necessary, or a bucket by its URL, such as
// s3://BUCKET, whose scheme a package has registered that the program imports.
func Open(ctx context.Context, name string) (Store, error) {
	scheme, _, is := strings.Cut(name, "://")
	if !is {
		return openFolder(name)
	}
	open, ok := openers[scheme]
	switch {
	case ok:
		return open(ctx, name)
	case scheme == "s3":
		return nil, errors.New("blob: this program has no buckets; for s3:// let it import github.com/cloud-sessions/sessions/server/blob/s3")
	default:
		return nil, fmt.Errorf("blob: files are not stored in %s://; name a folder, or a bucket as s3://BUCKET", scheme)
	}
}

// openers open buckets, by the schemes of their URLs.
var openers = map[string]func(ctx context.Context, name string) (Store, error){}

// Register lets Open open buckets whose URLs have a scheme. It is for the init functions of packages such as blob/s3.
func Register(scheme string, open func(ctx context.Context, name string) (Store, error)) {
	openers[scheme] = open
}

// NewKey returns a key for a blob that is fit for a file name where letter case does not matter.
func NewKey() string { return "blob-" + strings.ToLower(rand.Text()) }

// Source reads the content of a new blob and measures it, for the Create of a Store.
type Source struct {
	from io.Reader
	hash hash.Hash
	size int64
	err  error // of from, except io.EOF
}

// NewSource returns a source that reads from a reader.
func NewSource(from io.Reader) *Source { return &Source{from: from, hash: sha256.New()} }

// Read implements io.Reader.
func (s *Source) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	s.hash.Write(p[:n])
	s.size += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// Blob describes what was read.
func (s *Source) Blob(key string) Blob {
	return Blob{Key: key, Size: s.size, SHA256: hex.EncodeToString(s.hash.Sum(nil))}
}

// Failed returns the error of a blob that was not created: that of its source, or an *UnavailableError.
func (s *Source) Failed(err error) error {
	if s.err != nil {
		return s.err
	}
	return &UnavailableError{Cause: err}
}

// UnavailableError means that the place where blobs are stored does not respond or has no space left.
type UnavailableError struct{ Cause error }

func (e *UnavailableError) Error() string { return "blob: " + e.Cause.Error() }

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Cause }

// Problem implements problem.Error.
func (e *UnavailableError) Problem() problem.Problem {
	return problem.Problem{
		Type: types.ErrorTypeOverloadedError, RetryAfter: time.Second,
		Message: "The server cannot store or read files for the moment. Try again with the same idempotency key.",
	}
}
