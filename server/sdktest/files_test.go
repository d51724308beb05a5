package sdktest_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/cloud-sessions/sessions/server/servertest"
)

// TestFiles uploads, lists, reads and deletes files.
//
// The SDK agrees with the contract except for these: it accepts a file without a name, which the server refuses, and its
// paging is by next_page only.
func TestFiles(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	sdk := anthropic.NewClient(option.WithBaseURL(s.URL), option.WithAuthToken(s.Token), option.WithMaxRetries(0))
	files, ctx := sdk.Beta.Files, t.Context()
	var ids []string
	for _, name := range []string{"a.md", "b.md", "c.md"} {
		got, err := files.Upload(ctx, anthropic.BetaFileUploadParams{
			File: anthropic.File(strings.NewReader("# "+name), name, "text/markdown"), ExpiresInSeconds: anthropic.Int(3600),
		})
		if err != nil {
			t.Fatal(err)
		}
		if got.Filename != name || got.MimeType != "text/markdown" || got.SizeBytes != 6 || got.Type != "file" || !got.Downloadable ||
			!got.ExpiresAt.After(got.CreatedAt) || got.JSON.Scope.Valid() {
			t.Errorf("%s", got.RawJSON())
		}
		ids = slices.Insert(ids, 0, got.ID)
	}
	var listed []string
	pages := files.ListAutoPaging(ctx, anthropic.BetaFileListParams{Limit: anthropic.Int(1)})
	for pages.Next() {
		listed = append(listed, pages.Current().ID)
	}
	if err := pages.Err(); err != nil || !slices.Equal(listed, ids) {
		t.Errorf("listed %v of %v, %v", listed, ids, err)
	}
	some, err := files.List(ctx, anthropic.BetaFileListParams{IDs: ids[1:]})
	if err != nil || len(some.Data) != 2 || some.NextPage != "" {
		t.Errorf("%+v, %v", some, err)
	}
	scoped, err := files.List(ctx, anthropic.BetaFileListParams{ScopeID: anthropic.String("sess_1"), Limit: anthropic.Int(1000)})
	if err != nil || len(scoped.Data) != 0 {
		t.Errorf("%+v, %v", scoped, err)
	}
	if got, err := files.GetMetadata(ctx, ids[0], anthropic.BetaFileGetMetadataParams{}); err != nil || got.Filename != "c.md" {
		t.Errorf("%+v, %v", got, err)
	}
	content, err := files.Download(ctx, ids[0], anthropic.BetaFileDownloadParams{})
	if err != nil {
		t.Fatal(err)
	}
	defer content.Body.Close()
	if data, err := io.ReadAll(content.Body); err != nil || string(data) != "# c.md" {
		t.Errorf("%q, %v", data, err)
	}
	if got, err := files.Delete(ctx, ids[0], anthropic.BetaFileDeleteParams{}); err != nil || got.ID != ids[0] || got.Type != "file_deleted" {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = files.GetMetadata(ctx, ids[0], anthropic.BetaFileGetMetadataParams{})
	var refused *anthropic.Error
	if !errors.As(err, &refused) || refused.StatusCode != http.StatusNotFound {
		t.Errorf("a deleted file: %v", err)
	}
}
