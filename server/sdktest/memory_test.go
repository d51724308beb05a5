package sdktest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/packages/param"

	"github.com/cloud-sessions/sessions/server/servertest"
)

// TestMemoryStores makes the round of stores, memories and versions. The SDK's paths have a leading slash, which the
// server removes, and what the SDK calls modified is an update here.
func TestMemoryStores(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c := anthropic.NewClient(option.WithBaseURL(s.URL), option.WithAuthToken(s.Token), option.WithAPIKey(""))
	ctx, stores := t.Context(), c.Beta.MemoryStores
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	store, err := stores.New(ctx, anthropic.BetaMemoryStoreNewParams{Name: "SDK notes", Description: param.NewOpt("d")})
	must("new store", err)
	_, err = stores.Update(ctx, store.ID, anthropic.BetaMemoryStoreUpdateParams{Description: param.NewOpt("changed")})
	must("update store", err)
	store, err = stores.Get(ctx, store.ID, anthropic.BetaMemoryStoreGetParams{})
	must("get store", err)
	if store.Name != "SDK notes" || store.Description != "changed" {
		t.Errorf("store: %s", store.RawJSON())
	}
	found := false
	for pager := stores.ListAutoPaging(ctx, anthropic.BetaMemoryStoreListParams{Limit: param.NewOpt[int64](1)}); pager.Next(); {
		found = found || pager.Current().ID == store.ID
	}
	if !found {
		t.Error("the list does not have the store")
	}

	memory, err := stores.Memories.New(ctx, store.ID, anthropic.BetaMemoryStoreMemoryNewParams{Path: "/a/b.md", Content: param.NewOpt("one")})
	must("new memory", err)
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte("one")))
	if memory.Path != "a/b.md" || memory.MemoryStoreID != store.ID || memory.ContentSha256 != hash || memory.ContentSizeBytes != 3 || memory.Type != "memory" || memory.MemoryVersionID == "" {
		t.Errorf("memory: %s", memory.RawJSON())
	}
	_, err = stores.Memories.New(ctx, store.ID, anthropic.BetaMemoryStoreMemoryNewParams{Path: "/a/b.md", Content: param.NewOpt("")}, option.WithMaxRetries(0))
	status(t, "the same path", 409, err)
	_, err = stores.Memories.New(ctx, store.ID, anthropic.BetaMemoryStoreMemoryNewParams{Path: "/empty", Content: param.NewOpt("")})
	must("empty memory", err)
	changed, err := stores.Memories.Update(ctx, memory.ID, anthropic.BetaMemoryStoreMemoryUpdateParams{
		MemoryStoreID: store.ID, Content: param.NewOpt("two"),
		Precondition: anthropic.BetaManagedAgentsPreconditionParam{Type: "content_sha256", ContentSha256: param.NewOpt(hash)},
	})
	must("update memory", err)
	_, err = stores.Memories.Update(ctx, memory.ID, anthropic.BetaMemoryStoreMemoryUpdateParams{
		MemoryStoreID: store.ID, Content: param.NewOpt("three"),
		Precondition: anthropic.BetaManagedAgentsPreconditionParam{Type: "content_sha256", ContentSha256: param.NewOpt(hash)},
	}, option.WithMaxRetries(0))
	status(t, "a stale update", 409, err)
	got, err := stores.Memories.Get(ctx, memory.ID, anthropic.BetaMemoryStoreMemoryGetParams{MemoryStoreID: store.ID})
	must("get memory", err)
	if got.Content != "two" || got.MemoryVersionID != changed.MemoryVersionID {
		t.Errorf("memory: %s", got.RawJSON())
	}
	var kinds []string
	for pager := stores.Memories.ListAutoPaging(ctx, store.ID, anthropic.BetaMemoryStoreMemoryListParams{Depth: param.NewOpt[int64](1), Limit: param.NewOpt[int64](1), View: "full"}); pager.Next(); {
		kinds = append(kinds, fmt.Sprintf("%T", pager.Current().AsAny()))
	}
	if len(kinds) != 2 || kinds[0] != "anthropic.BetaManagedAgentsMemoryPrefix" || kinds[1] != "anthropic.BetaManagedAgentsMemory" {
		t.Errorf("list: %v", kinds)
	}
	_, err = stores.Memories.Delete(ctx, memory.ID, anthropic.BetaMemoryStoreMemoryDeleteParams{MemoryStoreID: store.ID, ExpectedContentSha256: param.NewOpt(hash)}, option.WithMaxRetries(0))
	status(t, "a stale deletion", 409, err)
	gone, err := stores.Memories.Delete(ctx, memory.ID, anthropic.BetaMemoryStoreMemoryDeleteParams{MemoryStoreID: store.ID, ExpectedContentSha256: param.NewOpt(changed.ContentSha256)})
	must("delete memory", err)
	if gone.ID != memory.ID || gone.Type != "memory_deleted" {
		t.Errorf("deleted: %s", gone.RawJSON())
	}

	versions := 0
	for pager := stores.MemoryVersions.ListAutoPaging(ctx, store.ID, anthropic.BetaMemoryStoreMemoryVersionListParams{MemoryID: param.NewOpt(memory.ID)}); pager.Next(); {
		versions++
	}
	if versions != 3 {
		t.Errorf("%d versions", versions)
	}
	redacted, err := stores.MemoryVersions.Redact(ctx, memory.MemoryVersionID, anthropic.BetaMemoryStoreMemoryVersionRedactParams{MemoryStoreID: store.ID})
	must("redact", err)
	version, err := stores.MemoryVersions.Get(ctx, memory.MemoryVersionID, anthropic.BetaMemoryStoreMemoryVersionGetParams{MemoryStoreID: store.ID})
	must("get version", err)
	if version.Content != "" || version.RedactedAt.IsZero() || !version.RedactedAt.Equal(redacted.RedactedAt) || version.CreatedBy.Type != "api_actor" {
		t.Errorf("version: %s", version.RawJSON())
	}

	archived, err := stores.Archive(ctx, store.ID, anthropic.BetaMemoryStoreArchiveParams{})
	must("archive", err)
	if archived.ArchivedAt.IsZero() {
		t.Errorf("archived: %s", archived.RawJSON())
	}
	deleted, err := stores.Delete(ctx, store.ID, anthropic.BetaMemoryStoreDeleteParams{})
	must("delete store", err)
	if deleted.ID != store.ID {
		t.Errorf("deleted: %s", deleted.RawJSON())
	}
	_, err = stores.Get(ctx, store.ID, anthropic.BetaMemoryStoreGetParams{})
	status(t, "a deleted store", 404, err)
}

// status fails the test unless a call has failed with a status.
func status(t *testing.T, what string, want int, err error) {
	t.Helper()
	var failed *anthropic.Error
	if !errors.As(err, &failed) || failed.StatusCode != want {
		t.Errorf("%s: %v, want %d", what, err, want)
	}
}
