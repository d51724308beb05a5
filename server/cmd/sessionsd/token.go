package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

func tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Create, list and revoke access tokens",
		Long: `Access tokens (PATs) belong to an account: what is created with a token is visible with the tokens of its
account only. An account exists as soon as it has a token. The commands work while the server runs.`,
	}
	cmd.AddCommand(tokenCreateCommand(), tokenListCommand(), tokenRevokeCommand())
	return cmd
}

// tokenFlags are the flags of all token commands.
type tokenFlags struct {
	db     databaseFlags
	asJSON bool
}

func (f *tokenFlags) register(cmd *cobra.Command) {
	f.db.register(cmd.Flags())
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
}

// withStore runs fn with the open database.
func (f *tokenFlags) withStore(ctx context.Context, fn func(store.Store) error) (err error) {
	db, err := sqlstore.Open(ctx, f.db.name, f.db.options())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return fn(db)
}

// print writes view as JSON if the flags say so, and otherwise text.
func (f *tokenFlags) print(w io.Writer, view any, text string) error {
	if !f.asJSON {
		_, err := io.WriteString(w, text)
		return err
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(view)
}

// tokenView is a token as the commands print it.
type tokenView struct {
	ID      string `json:"id"`
	Account string `json:"account"`
	Name    string `json:"name"`
	Token   string `json:"token,omitempty"`
	// EnvironmentID restricts the token to an environment.
	EnvironmentID string     `json:"environment_id,omitempty"`
	CreatedAt     time.Time  `json:"created_at"`
	ExpiresAt     *time.Time `json:"expires_at"`
	RevokedAt     *time.Time `json:"revoked_at,omitempty"`
}

func viewOf(t store.Token) tokenView {
	return tokenView{EnvironmentID: t.Scope.EnvironmentID, ID: t.ID, Account: t.Account, Name: t.Name, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, RevokedAt: t.RevokedAt}
}

func tokenCreateCommand() *cobra.Command {
	var flags tokenFlags
	var account, name, environment string
	var expiresIn time.Duration
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create a token and print it once",
		Long: `Creates a token and prints it. Only its hash is kept: it cannot be shown again. With --environment it is a key for the
workers of that self-hosted environment, which opens the environment's work and little else.`,
		Example: `  export QODER_PAT=$(sessionsd token create --account acme --name ci --expires-in 720h --json | jq -r .token)
  sessionsd token create --account acme --environment env_019e2590d33f711fabf42f2857cecd8a > key`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkNewToken(account, name, expiresIn); err != nil {
				return err
			}
			secret := auth.Mint()
			if environment != "" {
				secret = auth.MintKey()
			}
			fresh := store.NewToken{Account: account, Name: name, Hash: auth.Hash(secret), EnvironmentID: environment}
			if expiresIn > 0 {
				fresh.ExpiresAt = new(time.Now().Add(expiresIn).UTC())
			}
			return flags.withStore(cmd.Context(), func(db store.Store) error {
				if err := checkEnvironment(cmd.Context(), db, account, environment); err != nil {
					return err
				}
				token, err := db.CreateToken(cmd.Context(), fresh)
				if err != nil {
					return err
				}
				view := viewOf(token)
				view.Token = secret
				if !cmd.Flags().Changed("db") {
					fmt.Fprintf(cmd.ErrOrStderr(), "The token is for a server with the database %s; --db names another one.\n", flags.db.name)
				}
				return flags.print(cmd.OutOrStdout(), view, secret+"\n")
			})
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVar(&account, "account", "", "`ACCOUNT` that the token acts for; required")
	cmd.Flags().StringVar(&name, "name", "", "`NAME` that tells what the token is for")
	cmd.Flags().StringVar(&environment, "environment", "", "`ID` of the self-hosted environment that the token is a key for; without it the token opens everything of the account")
	cmd.Flags().DurationVar(&expiresIn, "expires-in", 0, "how long the token works, such as 720h; forever by default")
	return describeEnvironment(cmd)
}

// checkNewToken validates the flags of a new token.
func checkNewToken(account, name string, expiresIn time.Duration) error {
	switch {
	case account == "" || len(account) > 128:
		return errors.New("set --account to the account, in 1 to 128 bytes")
	case len(name) > 256:
		return errors.New("--name must be at most 256 bytes long")
	case expiresIn < 0:
		return errors.New("--expires-in must not be negative")
	}
	return nil
}

// checkEnvironment returns an error unless the account has that environment and it is self-hosted; "" is none.
func checkEnvironment(ctx context.Context, db store.Store, account, id string) error {
	if id == "" {
		return nil
	}
	environment, err := db.GetEnvironment(ctx, account, id)
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("the account %q has no environment %q", account, id)
	}
	if err != nil {
		return err
	}
	var config struct{ Type string }
	if err := json.Unmarshal(environment.Config, &config); err != nil {
		return err
	}
	if config.Type != "self_hosted" {
		return fmt.Errorf("the environment %q is not of the type self_hosted; only such environments have keys", id)
	}
	return nil
}

func tokenListCommand() *cobra.Command {
	var flags tokenFlags
	var account string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List tokens, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.withStore(cmd.Context(), func(db store.Store) error {
				tokens, err := db.ListTokens(cmd.Context(), account)
				if err != nil {
					return err
				}
				views := make([]tokenView, 0, len(tokens))
				for _, t := range tokens {
					views = append(views, viewOf(t))
				}
				return flags.print(cmd.OutOrStdout(), views, tokenTable(views))
			})
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVar(&account, "account", "", "list only the tokens of this `ACCOUNT`")
	return describeEnvironment(cmd)
}

func tokenRevokeCommand() *cobra.Command {
	var flags tokenFlags
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Revoke a token permanently",
		Long:    "Revokes a token permanently. A running server refuses it from then on.",
		Example: "  sessionsd token revoke tok_019e3bb1e8c171fd9abbb1477ffb84cc",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.withStore(cmd.Context(), func(db store.Store) error {
				token, err := db.RevokeToken(cmd.Context(), args[0])
				if errors.Is(err, store.ErrNotFound) {
					return fmt.Errorf("token %q does not exist; list the tokens with 'sessionsd token list'", args[0])
				}
				if err != nil {
					return err
				}
				return flags.print(cmd.OutOrStdout(), viewOf(token), "revoked "+token.ID+"\n")
			})
		},
	}
	flags.register(cmd)
	return describeEnvironment(cmd)
}

// tokenTable formats tokens as a table.
func tokenTable(tokens []tokenView) string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tACCOUNT\tNAME\tENVIRONMENT\tCREATED\tEXPIRES\tREVOKED")
	for _, t := range tokens {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Account, t.Name, cmp.Or(t.EnvironmentID, "-"), day(&t.CreatedAt), day(t.ExpiresAt), day(t.RevokedAt))
	}
	_ = table.Flush() // a strings.Builder accepts every write
	return text.String()
}

// day formats a time for a table, and a missing one as a dash.
func day(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.UTC().Format(time.DateTime + "Z")
}
