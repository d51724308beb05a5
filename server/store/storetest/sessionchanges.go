package storetest

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// SessionChanges tests UpdateSession and DeleteSession.
func (suite) SessionChanges() map[string]test {
	return map[string]test{
		"EachField": func(b *bed) {
			at := b.clock.Now().Add(time.Minute)
			stored := at.UTC().Truncate(time.Microsecond)
			want := b.session()
			for _, change := range []func(v *store.Session){
				func(v *store.Session) { v.Title = "new 名" },
				func(v *store.Session) { v.Status = store.StatusProcessing },
				func(v *store.Session) { v.Metadata["new"] = "x" }, // in place
				func(v *store.Session) { v.Metadata = map[string]string{} },
				func(v *store.Session) { v.Resources = v.Resources[1:] },
				func(v *store.Session) { v.Resources[0].MountPath = "/new" }, // in place
				func(v *store.Session) { v.Resources = []store.Resource{} },
				func(v *store.Session) { v.Usage.InputTokens = 1 },
				func(v *store.Session) { v.Usage.OutputTokens = 2 },
				func(v *store.Session) { v.Usage.CacheReadInputTokens = 3 },
				func(v *store.Session) { v.Usage.CacheCreation5m = 4 },
				func(v *store.Session) { v.Usage.CacheCreation1h = 5 },
				func(v *store.Session) { v.Usage.CreditCents = 6 },
				func(v *store.Session) { v.Turn.ID = "turn_1" },
				func(v *store.Session) { v.Turn.Lease = 7 },
				func(v *store.Session) { v.Turn.Origin = `{"request_id":"req 1"}` },
				func(v *store.Session) {
					v.Turn.Pending = []store.PendingAction{{EventID: "evt_1", Type: "a"}, {EventID: "evt_2", Type: "b"}}
				},
				func(v *store.Session) { v.Turn.Pending[1].Type = "c" }, // in place
				func(v *store.Session) { v.Turn.Pending = v.Turn.Pending[1:] },
				func(v *store.Session) { v.Turn = store.Turn{} },
				func(v *store.Session) { v.ArchivedAt = &stored },
				func(v *store.Session) { v.ArchivedAt = nil },
			} {
				b.clock.advance(time.Second)
				got, err := b.UpdateSession(b.ctx, account, want.ID, func(v *store.Session) error {
					equal(b.T, "session to change", want, *v)
					change(v)
					return nil
				})
				check(b.T, err)
				want.Metadata, want.Resources = maps.Clone(want.Metadata), slices.Clone(want.Resources)
				want.Turn.Pending = slices.Clone(want.Turn.Pending)
				change(&want)
				want.UpdatedAt = b.clock.stamp()
				equal(b.T, "session", want, got)
				b.reads(sessionKind(), account, sessionRow(got))
			}
			got, err := b.UpdateSession(b.ctx, account, want.ID, func(v *store.Session) error {
				v.ArchivedAt = &at // to be cut
				return nil
			})
			check(b.T, err)
			equal(b.T, "archived", &stored, got.ArchivedAt)
			utc(b.T, *got.ArchivedAt)
		},
		"NothingChanged": func(b *bed) {
			want := b.session()
			for name, same := range map[string]func(v *store.Session){
				"not touched": func(*store.Session) {},
				"equal": func(v *store.Session) {
					v.Metadata = map[string]string{"purpose": "customer-support"}
					v.Resources, v.Turn.Pending = slices.Clone(v.Resources), []store.PendingAction{}
					v.Resources[0].CreatedAt = v.Resources[0].CreatedAt.In(time.FixedZone("", 60*60)).Add(time.Nanosecond)
				},
				"what is not stored": func(v *store.Session) {
					v.ID, v.EnvironmentID, v.Agent.ID, v.Agent.Name, v.Agent.Version = "x", "x", "x", "x", 7
					v.Agent.Metadata["x"], v.EnvironmentVariables["x"] = "x", "x" // in place
					v.MemoryStoreIDs, v.VaultIDs[0] = []string{"x"}, "x"
					v.DeltaFlushInterval = time.Hour
					v.CreatedAt, v.UpdatedAt = seedAt(), seedAt()
				},
			} {
				b.clock.advance(time.Hour)
				got, err := b.UpdateSession(b.ctx, account, want.ID, func(v *store.Session) error {
					same(v)
					return nil
				})
				check(b.T, err)
				equal(b.T, name, want, got)
				b.reads(sessionKind(), account, sessionRow(want))
			}
		},
		"Revision": func(b *bed) {
			v := b.session()
			last, err := b.SessionRevision(b.ctx, account, v.ID)
			check(b.T, err)
			moved := func(what string, want bool) {
				b.Helper()
				now, err := b.SessionRevision(b.ctx, account, v.ID)
				check(b.T, err)
				equal(b.T, what+" makes another revision", want, now != last)
				last = now
			}
			moved("nothing", false)
			for _, title := range []string{"a", v.Title} { // back again is another one, too
				_, err = b.UpdateSession(b.ctx, account, v.ID, func(v *store.Session) error { v.Title = title; return nil })
				check(b.T, err)
				moved("an update", true)
			}
			fails(b.T, "update", errStop, b.Atomically(b.ctx, func(ctx context.Context) error {
				_, err := b.UpdateSession(ctx, account, v.ID, func(v *store.Session) error { v.Title = "b"; return nil })
				check(b.T, err)
				return errStop
			}))
			moved("an update that is undone", false)
			for owner, items := range map[string][]store.SessionRevision{account: {{ID: v.ID, Revision: last}}, other: {}} {
				list, err := b.ListSessionRevisions(b.ctx, owner, store.SessionFilter{}, store.Page{Limit: 10})
				check(b.T, err)
				equal(b.T, "revisions of "+owner, store.List[store.SessionRevision]{Items: items}, list)
			}
			_, err = b.ListSessionRevisions(b.ctx, other, store.SessionFilter{}, store.Page{Limit: 10, Cursor: v.ID})
			fails(b.T, "another account's cursor", store.ErrUnknownCursor, err)
			_, err = b.SessionRevision(b.ctx, other, v.ID)
			missing(b.T, store.MissingError{Noun: store.NounSession, ID: v.ID}, err)
			check(b.T, b.DeleteSession(b.ctx, account, v.ID, allowed))
			_, err = b.SessionRevision(b.ctx, account, v.ID)
			missing(b.T, store.MissingError{Noun: store.NounSession, ID: v.ID}, err)
		},
		"NilsAreEmpty": func(b *bed) {
			got, err := b.UpdateSession(b.ctx, account, b.session().ID, func(v *store.Session) error {
				v.Metadata, v.Resources = nil, nil
				return nil
			})
			check(b.T, err)
			equal(b.T, "metadata", map[string]string{}, got.Metadata)
			equal(b.T, "resources", []store.Resource{}, got.Resources)
			b.clock.advance(time.Hour)
			again, err := b.UpdateSession(b.ctx, account, got.ID, func(v *store.Session) error {
				v.Metadata, v.Resources = nil, nil
				return nil
			})
			check(b.T, err)
			equal(b.T, "session in which nothing is new", got, again)
		},
		"AddedResources": func(b *bed) {
			made := b.session()
			b.files(account, "file_3", "file_4", "file_5")
			b.clock.advance(time.Hour)
			given := slices.Clone(made.Resources)
			given = append(given,
				store.Resource{FileID: "file_3", CreatedAt: seedAt()},
				store.Resource{FileID: "file_4", MountPath: "/own"},
				store.Resource{ID: "sesr_own", FileID: "file_5", CreatedAt: seedAt(), UpdatedAt: seedAt()})
			before := slices.Clone(given)
			got, err := b.UpdateSession(b.ctx, account, made.ID, func(v *store.Session) error {
				v.Resources = given
				return nil
			})
			check(b.T, err)
			equal(b.T, "the caller's resources", before, given)
			now := b.clock.stamp()
			want := slices.Clone(given)
			want[2] = store.Resource{FileID: "file_3", MountPath: "/mnt/session/uploads/file_3", CreatedAt: now, UpdatedAt: now}
			want[3] = store.Resource{FileID: "file_4", MountPath: "/own", CreatedAt: now, UpdatedAt: now}
			seen := map[string]bool{}
			for i, r := range got.Resources {
				hasPrefix(b.T, "sesr_", r.ID)
				if seen[r.ID] {
					b.Errorf("%s is the id of two resources", r.ID)
				}
				seen[r.ID] = true
				utc(b.T, r.CreatedAt, r.UpdatedAt)
				if i < len(want) && want[i].ID == "" {
					want[i].ID = r.ID
				}
			}
			equal(b.T, "resources", want, got.Resources)
			equal(b.T, "updated", now, got.UpdatedAt)
			b.reads(sessionKind(), account, sessionRow(got))
		},
		"ArchivedTakesChanges": func(b *bed) {
			made := b.session()
			_, err := sessionKind().archive(b.ctx, b, account, made.ID, b.clock.Now())
			check(b.T, err)
			got, err := sessionKind().rename(b.ctx, b, account, made.ID, "new", no)
			check(b.T, err)
			equal(b.T, "title", "new", got.name)
		},
		"DeleteWhenAllowed": func(b *bed) {
			want := b.session()
			err := b.DeleteSession(b.ctx, account, want.ID, func(v store.Session) error {
				equal(b.T, "session to allow", want, v)
				return errStop
			})
			if err != errStop { // as it is, not wrapped
				b.Errorf("want the error of allow, got %v", err)
			}
			b.readsBack(want)
			func() {
				defer func() { equal[any](b.T, "panic", "oh", recover()) }()
				_ = b.DeleteSession(b.ctx, account, want.ID, func(store.Session) error { panic("oh") })
			}()
			b.readsBack(want)
			check(b.T, b.DeleteSession(b.ctx, account, want.ID, allowed))
			b.noSessions()
			err = b.DeleteSession(b.ctx, account, want.ID, func(store.Session) error {
				b.Error("allow is called for a deleted session")
				return nil
			})
			missing(b.T, store.MissingError{Noun: store.NounSession, ID: want.ID}, err)
		},
	}
}

// session creates a session with a value in each of its fields.
func (b *bed) session() store.Session {
	b.Helper()
	v, err := b.CreateSession(b.ctx, account, b.sessionSpec(account, b.agent().ID, b.environment().ID))
	check(b.T, err)
	return v
}
