package storetest

import (
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

func environmentTests() map[string]test {
	return map[string]test{
		"Create": func(b *bed) {
			got, err := b.CreateEnvironment(b.ctx, account, environmentSpec())
			check(b.T, err)
			equal(b.T, "environment", store.Environment{
				EnvironmentSpec: environmentSpec(), ID: "env_000001",
				CreatedAt: b.clock.stamp(), UpdatedAt: b.clock.stamp(),
			}, got)
			utc(b.T, got.CreatedAt, got.UpdatedAt)
			read, err := b.GetEnvironment(b.ctx, account, got.ID)
			check(b.T, err)
			equal(b.T, "environment read", got, read)
			utc(b.T, read.CreatedAt, read.UpdatedAt)
		},
		"NoMetadata": func(b *bed) {
			spec := environmentSpec()
			spec.Metadata = nil
			made, err := b.CreateEnvironment(b.ctx, account, spec)
			check(b.T, err)
			equal(b.T, "metadata", map[string]string{}, made.Metadata)
			read, err := b.GetEnvironment(b.ctx, account, made.ID)
			check(b.T, err)
			equal(b.T, "environment read", made, read)
		},
		"NotFound": func(b *bed) {
			_, err := b.GetEnvironment(b.ctx, account, "env_unknown")
			missing(b.T, store.MissingError{Noun: store.NounEnvironment, ID: "env_unknown"}, err)
		},
		"Seed": func(b *bed) {
			first := seedEnvironment()
			archived := first.CreatedAt.Add(2 * time.Hour)
			first.ArchivedAt = &archived
			second := seedEnvironment()
			second.Name = "changed"
			for i, seed := range []store.Environment{first, second} {
				stored, err := b.SeedEnvironment(b.ctx, account, seed)
				check(b.T, err)
				equal(b.T, "stored", i == 0, stored)
				got, err := b.GetEnvironment(b.ctx, account, seed.ID)
				check(b.T, err)
				equal(b.T, "environment", first, got)
			}
			stored, err := b.SeedEnvironment(b.ctx, other, second)
			check(b.T, err)
			equal(b.T, "stored for another account", true, stored)
		},
	}
}

func (b *bed) environment() store.Environment {
	b.Helper()
	e, err := b.CreateEnvironment(b.ctx, account, environmentSpec())
	check(b.T, err)
	return e
}
