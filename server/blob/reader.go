package blob

import (
	"context"
	"errors"
	"io"
)

// Reader reads a blob at any place; it opens the blob where it is first read. It is for one goroutine.
type Reader struct {
	ctx  context.Context
	from Store
	of   Blob
	at   int64         // the place of the next byte
	open io.ReadCloser // at that place; nil when it is to be opened
}

var _ io.ReadSeekCloser = (*Reader)(nil)

// NewReader returns a reader of a blob, which needs to have Key and Size. Reading ends when ctx does.
func NewReader(ctx context.Context, from Store, of Blob) *Reader {
	return &Reader{ctx: ctx, from: from, of: of}
}

// Read implements io.Reader. A failure to open the blob is ErrNotFound or an *UnavailableError.
func (r *Reader) Read(p []byte) (n int, err error) {
	if r.at >= r.of.Size {
		return 0, io.EOF
	}
	if r.open == nil {
		if r.open, err = r.from.Open(r.ctx, r.of.Key, r.at, -1); err != nil {
			return 0, err
		}
	}
	n, err = r.open.Read(p)
	r.at += int64(n)
	if err == io.EOF && r.at < r.of.Size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Seek implements io.Seeker.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.of.Size
	}
	if offset < 0 {
		return r.at, errors.New("blob: seek before the beginning")
	}
	if offset == r.at {
		return r.at, nil
	}
	r.at = offset
	return r.at, r.Close()
}

// Close frees what the reader holds; reading may continue.
func (r *Reader) Close() error {
	if r.open == nil {
		return nil
	}
	open := r.open
	r.open = nil
	return open.Close()
}
