package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/blob"
	"github.com/cloud-sessions/sessions/server/internal/folder"
	"github.com/cloud-sessions/sessions/server/operations"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
	"github.com/cloud-sessions/sessions/server/vault"
)

// Check returns what New and Run would refuse, joined, without starting: it looks at the options, at the files that they name,
// at the address, and at the database, the vault key and the demo's token. It creates no database, changes no schema and
// keeps nothing that it writes. report gets a sentence for each thing that is in order. A database whose schema a start
// would upgrade, or create, is looked at no further.
func Check(ctx context.Context, config Config, report func(sentence string)) error {
	config, err := config.withDefaults()
	if err != nil {
		return err
	}
	var found []error
	for _, check := range []func(context.Context, Config) (string, error){
		checkTLS, checkAddress, checkModels, checkHosts, checkBlobs, checkDatabase,
	} {
		sentence, err := check(ctx, config)
		switch {
		case err != nil:
			found = append(found, err)
		case sentence != "":
			report(sentence)
		}
	}
	return errors.Join(found...)
}

func checkTLS(_ context.Context, c Config) (string, error) {
	cert, err := openCertificate(c)
	if err != nil || cert == nil {
		return "", err
	}
	leaf := cert.loaded.Leaf
	return fmt.Sprintf("certificate of %s, until %s", strings.Join(namesOf(leaf), ", "), leaf.NotAfter.UTC().Format("2006-01-02")), nil
}

func checkAddress(ctx context.Context, c Config) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return "", fmt.Errorf("cannot listen: %w", err)
	}
	return "address " + c.Addr, listener.Close()
}

func checkModels(_ context.Context, c Config) (string, error) {
	api, err := contract.Load()
	if err != nil {
		return "", err
	}
	models, err := operations.LoadModels(c.Models, api)
	return fmt.Sprintf("%d models", len(models.Data)), err
}

func checkHosts(_ context.Context, c Config) (string, error) {
	client, err := openEgress(c)
	if err != nil {
		return "", err
	}
	client.Close()
	return "", nil
}

func checkBlobs(ctx context.Context, c Config) (string, error) {
	place := BlobsOf(c.DB, c.Blobs)
	switch {
	case place == "":
		return "", nil
	case strings.HasPrefix(place, "s3://"):
		bucket, err := blob.Open(ctx, place)
		if err != nil {
			return "", err
		}
		return "files in a bucket, which was not asked", bucket.Close()
	}
	if err := folder.Writable(place); err != nil {
		return "", err
	}
	return "files in " + place, nil
}

// checkDatabase checks the database, and what a start reads of it.
func checkDatabase(ctx context.Context, c Config) (sentence string, err error) {
	schema, err := sqlstore.Inspect(ctx, c.DB, c.storeOptions(true))
	switch {
	case err != nil:
		return "", err
	case schema.Current == 0:
		err := vault.CheckNew(c.vaultKey())
		return fmt.Sprintf("no database yet; a start creates it, with schema version %d", schema.Latest), err
	case schema.Current < schema.Latest:
		err := vault.CheckNew(c.vaultKey()) // as far as that is known without the database
		return fmt.Sprintf("database with schema version %d, which a start upgrades to %d for good: back it up before", schema.Current, schema.Latest), err
	}
	db, err := sqlstore.Open(ctx, c.DB, c.storeOptions(false))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = vault.Check(ctx, db, c.vaultKey())
	if c.Demo {
		err = errors.Join(err, checkDemo(ctx, db, c))
	}
	return fmt.Sprintf("database with schema version %d", schema.Current), err
}

// errKeepNothing undoes what a check has tried.
var errKeepNothing = errors.New("only a check")

// checkDemo tries to admit the demo's token.
func checkDemo(ctx context.Context, db *sqlstore.Store, c Config) error {
	err := db.Atomically(ctx, func(ctx context.Context) error {
		if _, err := seedDemo(ctx, db, c.DemoToken, c.Now); err != nil {
			return err
		}
		return errKeepNothing
	})
	if errors.Is(err, errKeepNothing) {
		return nil
	}
	return err
}
