package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// roomy is a quota that no test reaches.
const roomy = 1 << 40

// fileSpec is a file whose blob belongs to no other.
func fileSpec(blob string) store.FileSpec {
	return store.FileSpec{
		Name: "计划.md", MediaType: "text/markdown", Size: 7, SHA256: "abc", Blob: blob, Purpose: "user_upload",
		Metadata: map[string]string{"a": "<b>"},
	}
}

// file creates a file.
func (b *bed) file(account, blob string) store.File {
	b.Helper()
	f, err := b.CreateFile(b.ctx, account, fileSpec(blob), roomy)
	check(b.T, err)
	return f
}

// files creates files with these ids, unless the account has them.
func (b *bed) files(account string, ids ...string) {
	b.Helper()
	for _, id := range ids {
		if _, err := b.GetFile(b.ctx, account, id); err == nil {
			continue
		}
		b.fileID.Store(id)
		b.file(account, "of "+account+" "+id)
		b.fileID.Store("")
	}
}

// Files tests the methods of files.
func (suite) Files() map[string]test {
	return map[string]test{
		"Create": func(b *bed) {
			spec := fileSpec("b1")
			expires := b.clock.Now().Add(time.Hour)
			spec.ExpiresAt = &expires
			got, err := b.CreateFile(b.ctx, account, spec, roomy)
			check(b.T, err)
			cut := expires.UTC().Truncate(time.Microsecond)
			spec.ExpiresAt = &cut
			equal(b.T, "file", store.File{FileSpec: spec, ID: "file_000001", CreatedAt: b.clock.stamp(), UpdatedAt: b.clock.stamp()}, got)
			read, err := b.GetFile(b.ctx, account, got.ID)
			check(b.T, err)
			equal(b.T, "file read", got, read)
			utc(b.T, read.CreatedAt, read.UpdatedAt, *read.ExpiresAt)
			_, err = b.GetFile(b.ctx, other, got.ID)
			missing(b.T, store.MissingError{Noun: store.NounFile, ID: got.ID}, err)
			missing(b.T, store.MissingError{Noun: store.NounFile, ID: got.ID}, b.DeleteFile(b.ctx, other, got.ID))
		},
		"Quota": func(b *bed) {
			b.file(account, "b1")
			b.file(other, "b2")
			_, err := b.CreateFile(b.ctx, account, fileSpec("b3"), 13)
			var full *store.QuotaError
			if !errors.As(err, &full) || *full != (store.QuotaError{Used: 7, Most: 13}) {
				b.Errorf("a file beyond the quota: %v", err)
			}
			second, err := b.CreateFile(b.ctx, account, fileSpec("b4"), 14)
			check(b.T, err)
			n, err := b.FileBytes(b.ctx, account)
			check(b.T, err)
			equal(b.T, "bytes", 14, n)
			check(b.T, b.DeleteFile(b.ctx, account, second.ID))
			n, err = b.FileBytes(b.ctx, account)
			check(b.T, err)
			equal(b.T, "bytes after a deletion", 7, n)
		},
		"QuotaAtOnce": func(b *bed) {
			full := make([]bool, 8)
			each(b.T, len(full), func(i int) error {
				return b.Atomically(b.ctx, func(ctx context.Context) error {
					_, err := b.CreateFile(ctx, account, fileSpec(fmt.Sprint("b", i)), 21)
					var quota *store.QuotaError
					full[i] = errors.As(err, &quota)
					if full[i] {
						return nil
					}
					return err
				})
			})
			n, err := b.FileBytes(b.ctx, account)
			check(b.T, err)
			equal(b.T, "bytes", 21, n)
			equal(b.T, "refused", 5, len(slices.DeleteFunc(full, func(refused bool) bool { return !refused })))
		},
		"List": func(b *bed) {
			first := b.file(account, "b1")
			b.clock.advance(time.Second)
			spec := fileSpec("b2")
			spec.Name, spec.Purpose = "b", "tool_output"
			second, err := b.CreateFile(b.ctx, account, spec, roomy)
			check(b.T, err)
			b.file(other, "b3")
			for _, c := range []struct {
				only store.FileFilter
				page store.Page
				want []store.File
			}{
				{store.FileFilter{}, store.Page{Limit: 9}, []store.File{second, first}},
				{store.FileFilter{}, store.Page{Limit: 9, Ascending: true, Cursor: first.ID}, []store.File{second}},
				{store.FileFilter{Name: "b"}, store.Page{Limit: 9}, []store.File{second}},
				{store.FileFilter{Purpose: "user_upload"}, store.Page{Limit: 9}, []store.File{first}},
				{store.FileFilter{IDs: []string{first.ID, "file_x"}}, store.Page{Limit: 9}, []store.File{first}},
				{store.FileFilter{IDs: []string{"file_x"}}, store.Page{Limit: 9}, []store.File{}},
			} {
				list, err := b.ListFiles(b.ctx, account, c.only, c.page)
				check(b.T, err)
				equal(b.T, fmt.Sprint(c.only), store.List[store.File]{Items: c.want}, list)
			}
			_, err = b.ListFiles(b.ctx, account, store.FileFilter{}, store.Page{Limit: 1, Cursor: "file_x"})
			fails(b.T, "an unknown cursor", store.ErrUnknownCursor, err)
		},
		"Delete": func(b *bed) {
			f := b.file(account, "b1")
			deleted, err := b.FileDeleted(b.ctx, account, f.ID)
			check(b.T, err)
			equal(b.T, "deleted before", false, deleted)
			b.hasBlobs("b1")
			check(b.T, b.DeleteFile(b.ctx, account, f.ID))
			missing(b.T, store.MissingError{Noun: store.NounFile, ID: f.ID}, b.DeleteFile(b.ctx, account, f.ID))
			_, err = b.GetFile(b.ctx, account, f.ID)
			missing(b.T, store.MissingError{Noun: store.NounFile, ID: f.ID}, err)
			for owner, want := range map[string]bool{account: true, other: false} {
				deleted, err = b.FileDeleted(b.ctx, owner, f.ID)
				check(b.T, err)
				equal(b.T, "deleted of "+owner, want, deleted)
			}
			_, err = b.ListFiles(b.ctx, account, store.FileFilter{}, store.Page{Limit: 1, Cursor: f.ID})
			check(b.T, err)
		},
		"Blobs": func(b *bed) {
			kept, gone := b.file(account, "b1"), b.file(account, "b2")
			check(b.T, b.DeleteFile(b.ctx, account, gone.ID))
			b.hasBlobs("b1", "b2")
			b.deletedBlobs("b2")
			check(b.T, b.ForgetBlob(b.ctx, kept.Blob))
			for range 2 {
				check(b.T, b.ForgetBlob(b.ctx, "b2"))
			}
			check(b.T, b.ForgetBlob(b.ctx, ""))
			b.deletedBlobs()
			b.hasBlobs("b1")
		},
		"Expire": func(b *bed) {
			b.file(account, "b0")
			for i := range 5 {
				spec := fileSpec(fmt.Sprint("b", i+1))
				spec.ExpiresAt = new(b.clock.Now().Add(time.Duration(i+1) * time.Minute))
				_, err := b.CreateFile(b.ctx, account, spec, roomy)
				check(b.T, err)
			}
			b.clock.advance(4 * time.Minute)
			for _, want := range []int{3, 1, 0} {
				n, err := b.SweepFiles(b.ctx, 3)
				check(b.T, err)
				equal(b.T, "swept", want, n)
			}
			b.deletedBlobs("b1", "b2", "b3", "b4")
			list, err := b.ListFiles(b.ctx, account, store.FileFilter{}, store.Page{Limit: 9})
			check(b.T, err)
			equal(b.T, "files that are left", 2, len(list.Items))
		},
		"Sessions": func(b *bed) {
			check(b.T, seedParents(b.ctx, b, account))
			spec := store.SessionSpec{AgentID: seedAgentID, EnvironmentID: seedEnvironmentID}
			one, two := b.file(account, "b1"), b.file(account, "b2")
			foreign := b.file(other, "b3")
			unknown := store.MissingError{Noun: store.NounFile, ID: foreign.ID}
			spec.Resources = []store.ResourceSpec{{FileID: one.ID}, {FileID: foreign.ID}}
			_, err := b.CreateSession(b.ctx, account, spec)
			missing(b.T, unknown, err)
			check(b.T, b.DeleteFile(b.ctx, account, b.file(account, "b4").ID))
			spec.Resources = spec.Resources[:1]
			v, err := b.CreateSession(b.ctx, account, spec)
			check(b.T, err)
			used := func(f store.File) {
				b.Helper()
				conflict(b.T, store.StateError{Noun: store.NounFile, ID: f.ID, Reason: "is used by session '" + v.ID + "'; remove it from there first."},
					b.DeleteFile(b.ctx, account, f.ID))
			}
			update := func(change func(*store.Session)) error {
				_, err := b.UpdateSession(b.ctx, account, v.ID, func(v *store.Session) error {
					change(v)
					return nil
				})
				return err
			}
			used(one)
			missing(b.T, unknown, update(func(v *store.Session) { v.Resources = append(v.Resources, store.Resource{FileID: foreign.ID}) }))
			check(b.T, update(func(v *store.Session) { v.Resources = append(v.Resources, store.Resource{FileID: two.ID}) }))
			used(two)
			check(b.T, update(func(v *store.Session) { v.Resources = slices.Delete(v.Resources, 0, 1) }))
			check(b.T, b.DeleteFile(b.ctx, account, one.ID))
			used(two)
			check(b.T, update(func(v *store.Session) { v.ArchivedAt = new(b.clock.Now()) }))
			check(b.T, b.DeleteFile(b.ctx, account, two.ID))
			three := b.file(account, "b5")
			spec.Resources = []store.ResourceSpec{{FileID: three.ID}}
			v, err = b.CreateSession(b.ctx, account, spec)
			check(b.T, err)
			used(three)
			check(b.T, b.DeleteSession(b.ctx, account, v.ID, allowed))
			check(b.T, b.DeleteFile(b.ctx, account, three.ID))
		},
		"AttachOrDelete": func(b *bed) {
			check(b.T, seedParents(b.ctx, b, account))
			for i := range 5 {
				f := b.file(account, fmt.Sprint("b", i))
				outcomes := make([]error, 2)
				each(b.T, 2, func(n int) error {
					if n == 0 {
						_, outcomes[n] = b.CreateSession(b.ctx, account, store.SessionSpec{
							AgentID: seedAgentID, EnvironmentID: seedEnvironmentID, Resources: []store.ResourceSpec{{FileID: f.ID}},
						})
						return nil
					}
					outcomes[n] = b.DeleteFile(b.ctx, account, f.ID)
					return nil
				})
				if (outcomes[0] == nil) == (outcomes[1] == nil) {
					b.Errorf("a file is attached and deleted at once: %v", outcomes)
				}
			}
		},
	}
}

// hasBlobs fails the test unless files have exactly these of the keys b1 and b2.
func (b *bed) hasBlobs(want ...string) {
	b.Helper()
	for _, key := range []string{"b1", "b2", ""} {
		has, err := b.HasBlob(b.ctx, key)
		check(b.T, err)
		equal(b.T, "has "+key, slices.Contains(want, key), has)
	}
}

// deletedBlobs fails the test unless deleted files have exactly these blobs.
func (b *bed) deletedBlobs(want ...string) {
	b.Helper()
	got, err := b.DeletedBlobs(b.ctx, 9)
	check(b.T, err)
	slices.Sort(got)
	equal(b.T, "blobs of deleted files", orNone(want), got)
}

// orNone returns list, or an empty one for nil.
func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// FileCalls has a call of every method of files that writes.
func (suite) FileCalls() []call {
	return []call{{"CreateFile DeleteFile ForgetBlob SweepFiles", func(ctx context.Context, s store.Store) error {
		f, err := s.CreateFile(ctx, account, fileSpec("every"), roomy)
		if err != nil {
			return err
		}
		if err := s.DeleteFile(ctx, account, f.ID); err != nil {
			return err
		}
		if err := s.ForgetBlob(ctx, "every"); err != nil {
			return err
		}
		_, err = s.SweepFiles(ctx, 1)
		return err
	}}}
}
