package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/blob"
	"github.com/cloud-sessions/sessions/server/pipeline"
	"github.com/cloud-sessions/sessions/server/store"
)

// NoBlobs is the Config.Blobs of a server without a place for files: uploads are a 501.
const NoBlobs = "none"

// temporaryBlobs is the place of the files of a database in memory.
const temporaryBlobs = ":temporary:"

// BlobsOf returns where the contents of the files of a database are, given the Config.Blobs: a folder or s3://BUCKET; "" for
// nowhere, or only in the process.
func BlobsOf(db, blobs string) string {
	if place := placeOfBlobs(db, blobs); place != temporaryBlobs {
		return place
	}
	return ""
}

// placeOfBlobs is BlobsOf, with temporaryBlobs.
func placeOfBlobs(db, blobs string) string {
	path, isSQLite := strings.CutPrefix(db, "sqlite:")
	switch {
	case blobs == NoBlobs, blobs == "" && !isSQLite:
		return ""
	case blobs != "":
		return blobs
	case path == ":memory:":
		return temporaryBlobs
	}
	return path + ".blobs"
}

// openBlobs opens the store of the files' contents; nil for none.
func openBlobs(ctx context.Context, c Config) (blob.Store, error) {
	switch place := placeOfBlobs(c.DB, c.Blobs); place {
	case "":
		return nil, nil
	case temporaryBlobs:
		return blob.Temporary()
	default:
		return blob.Open(ctx, place)
	}
}

// closeBlobs closes a store that may be nil.
func closeBlobs(blobs blob.Store) error {
	if blobs == nil {
		return nil
	}
	return blobs.Close()
}

// Lacks returns sentences about what the server cannot do for lack of configuration, for the operator.
func (s *Server) Lacks() (sentences []string) {
	if s.blobs == nil {
		sentences = append(sentences, "Files cannot be uploaded: set --blobs to a folder or s3://BUCKET that all replicas share.")
	}
	return sentences
}

// fileContent returns the response with the content of a file.
func (s *Server) fileContent(ctx context.Context, f store.File, bytes io.ReadSeekCloser, params types.GetFileContentParams) echoserver.GetFileContentResponseObject {
	return s.pipeline.FileContent(ctx, pipeline.Content{
		Name: f.Name, MediaType: f.MediaType, ETag: `"` + f.SHA256 + `"`, Modified: f.CreatedAt, Size: f.Size, Bytes: bytes, Params: params,
	})
}

const (
	// orphanAge is how old a blob is at least that is deleted because no file has it: the row of a file follows its blob
	// within moments.
	orphanAge = time.Hour
	// orphansEvery is how often all blobs are listed to find those.
	orphansEvery = time.Hour
)

// sweepBlobs deletes at most limit blobs of deleted files and returns how many it deleted.
func (s *Server) sweepBlobs(ctx context.Context, limit int) (int, error) {
	if s.blobs == nil {
		return 0, nil
	}
	keys, err := s.store.DeletedBlobs(ctx, limit)
	for _, key := range keys {
		if err == nil {
			err = s.blobs.Delete(ctx, key)
		}
		if err == nil {
			err = s.store.ForgetBlob(ctx, key)
		}
	}
	return len(keys), err
}

// errEnough ends a list early.
var errEnough = errors.New("enough")

// sweepOrphans deletes at most limit blobs that no file has, and returns how many it deleted. A crash between a blob and its
// row leaves one.
func (s *Server) sweepOrphans(ctx context.Context, limit int) (deleted int, err error) {
	if s.blobs == nil {
		return 0, nil
	}
	err = s.blobs.List(ctx, time.Now().Add(-orphanAge), func(key string) error {
		has, err := s.store.HasBlob(ctx, key)
		if err != nil || has {
			return err
		}
		if err := s.blobs.Delete(ctx, key); err != nil {
			return fmt.Errorf("delete an orphan: %w", err)
		}
		if deleted++; deleted == limit {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return deleted, err
}
