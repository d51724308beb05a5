// Package s3 lets package blob store blobs in buckets of S3, and of what is compatible with it, in the programs that import
// it. It is a package of its own because of its size: the AWS SDK is a quarter of such a program.
package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	gocloud "gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"

	"github.com/cloud-sessions/sessions/server/blob"
)

func init() { blob.Register("s3", open) }

// bucket stores blobs as objects of an S3 bucket, which several processes can share.
type bucket struct{ *gocloud.Bucket }

// checksums is the parameter of the bucket's URL that decides when the checksum of a response is validated. Some servers
// send that of the complete object with a range of it, so it is validated only where S3 demands it.
const checksums = "response_checksum_validation"

var errMalformed = errors.New("blob: the URL of the bucket is malformed; write s3://BUCKET?region=REGION")

// open opens the bucket of a URL, s3://BUCKET with the parameters of gocloud.dev/blob/s3blob in its query.
func open(ctx context.Context, name string) (blob.Store, error) {
	u, err := url.Parse(name)
	if err != nil {
		return nil, errMalformed
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errMalformed
	}
	if !query.Has(checksums) {
		query.Set(checksums, "when_required")
		u.RawQuery = query.Encode()
	}
	opened, err := new(s3blob.URLOpener).OpenBucketURL(ctx, u)
	if err != nil {
		return nil, fmt.Errorf("blob: open the bucket: %w", err)
	}
	return &bucket{opened}, nil
}

// partBytes is how many bytes are sent at a time, the least that S3 accepts.
const partBytes = 5 << 20

// inParts makes an upload send its content in parts of partBytes, one at a time. By default the first 16 MiB of each upload
// are held in memory, whatever the size of the parts.
func (b *bucket) inParts(as func(any) bool) error {
	var upload *transfermanager.Client
	var client *s3.Client
	if !as(&upload) || !b.As(&client) {
		return errors.New("the library of the bucket has no transfer manager")
	}
	*upload = *transfermanager.New(client, func(o *transfermanager.Options) {
		o.PartSizeBytes, o.MultipartUploadThreshold, o.Concurrency = partBytes, partBytes, 1
		o.RequestChecksumCalculation = client.Options().RequestChecksumCalculation
	})
	return nil
}

// Create implements Store.
func (b *bucket) Create(ctx context.Context, r io.Reader) (blob.Blob, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	key, from := blob.NewKey(), blob.NewSource(r)
	w, err := b.NewWriter(ctx, key, &gocloud.WriterOptions{
		ContentType: "application/octet-stream", DisableContentTypeDetection: true, BeforeWrite: b.inParts,
	})
	if err != nil {
		return blob.Blob{}, &blob.UnavailableError{Cause: err}
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, from, make([]byte, blob.CopyBytes)); err != nil {
		cancel() // otherwise Close would store what there is
		_ = w.Close()
		return blob.Blob{}, from.Failed(err)
	}
	if err := w.Close(); err != nil {
		return blob.Blob{}, from.Failed(err)
	}
	return from.Blob(key), nil
}

// Open implements Store.
func (b *bucket) Open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	r, err := b.NewRangeReader(ctx, key, offset, length, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, blob.ErrNotFound
	}
	if err != nil {
		return nil, &blob.UnavailableError{Cause: err}
	}
	return r, nil
}

// Delete implements Store.
func (b *bucket) Delete(ctx context.Context, key string) error {
	if err := b.Bucket.Delete(ctx, key); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return &blob.UnavailableError{Cause: err}
	}
	return nil
}

// List implements Store.
func (b *bucket) List(ctx context.Context, before time.Time, each func(key string) error) error {
	for objects := b.Bucket.List(&gocloud.ListOptions{Prefix: "blob-"}); ; {
		object, err := objects.Next(ctx)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return &blob.UnavailableError{Cause: err}
		case !object.ModTime.Before(before):
		default:
			if err := each(object.Key); err != nil {
				return err
			}
		}
	}
}

// Buffer implements Store. The first part, which grows as it is read, is held next to two others, of which one is sent
// while the other one is filled.
func (b *bucket) Buffer() int { return 3*partBytes + partBytes/2 + blob.CopyBytes }
