package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cloud-sessions/sessions/client"
)

func (a *app) login() *cobra.Command {
	return &cobra.Command{
		Use:   "login",
		Short: "Store a server and its token as a profile",
		Long: `Stores a server and an access token as a profile, ` + defaultProfile + ` without --profile, and makes it the current one, which commands
use from then on. The token is read from the terminal without showing it, from a pipe, or from --token-file. The server
must accept it, or nothing is stored.

With --ca-file the profile keeps the path of that file, for a server whose certificate is from a private authority.

Profiles are in a file that only you can read, profiles.json in the folder cloud-sessions of your configuration. The
token of a profile is sent to its server only. QODER_PAT wins over the current profile, --profile over both.`,
		Example: `  sessions login
  sessions login --profile local --base-url http://127.0.0.1:8080/v1
  sessions login --base-url https://sessions.corp.example/v1 --ca-file /etc/ssl/corp.pem
  pass show sessions | sessions login --base-url https://sessions.example/v1
  sessions list --profile local`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			name := cmp.Or(a.profile, defaultProfile)
			if !profileName.MatchString(name) {
				return usageError{fmt.Errorf("--profile: %q is not a name; use 1 to 64 letters, digits, '.', '_' and '-'", name)}
			}
			stored, err := readProfiles()
			if err != nil {
				return err
			}
			p, err := a.askProfile(cmd.Context(), stored.Named[name])
			if err != nil {
				return err
			}
			if err := a.try(cmd.Context(), p); err != nil {
				return err
			}
			stored.Named[name], stored.Current = p, name
			if err := stored.write(cmd.Context()); err != nil {
				return err
			}
			fmt.Fprintf(a.err, "Logged in to %s with the profile %s.\n", p.BaseURL, name)
			if os.Getenv(tokenVariable) != "" {
				fmt.Fprintf(a.err, "%s is set and wins over the profile; unset it, or give --profile %s.\n", tokenVariable, name)
			}
			return nil
		},
	}
}

// askProfile reads a server and its token from the flags, the terminal or a pipe. Before is what the profile was.
func (a *app) askProfile(ctx context.Context, before profile) (p profile, err error) {
	p.BaseURL = a.baseURL
	suggested := cmp.Or(before.BaseURL, os.Getenv(baseURLVariable), client.DefaultBaseURL)
	person := a.typed && a.err.terminal
	if p.BaseURL == "" && person {
		reply, _, err := a.ask(ctx, oneReply(a.in), fmt.Sprintf("Server [%s]: ", suggested))
		if err != nil {
			return p, err
		}
		p.BaseURL = strings.TrimSpace(reply)
	}
	p.BaseURL = cmp.Or(p.BaseURL, suggested)
	if p.CAFile, err = a.givenCAFile(); err != nil {
		return p, err
	}
	if before.isFor(p.BaseURL) {
		p.CAFile = cmp.Or(p.CAFile, before.CAFile)
	}
	a.authority = p.CAFile
	if _, err := a.connectWith(client.WithBaseURL(p.BaseURL), client.WithToken("none")); err != nil {
		return p, err // before the token is asked for
	}
	if p.Token, err = a.readToken(ctx); err != nil || p.Token != "" {
		return p, err
	}
	var data []byte
	if person {
		data, err = a.readSecret(ctx, "Access token (not shown): ")
	} else {
		data, err = a.readText(ctx, "-")
	}
	if p.Token = string(bytes.TrimSpace(data)); p.Token == "" && err == nil {
		err = usageError{errors.New("the token is empty; nothing was stored")}
	}
	return p, err
}

// oneReply reads one line, and nothing after it.
func oneReply(r io.Reader) <-chan string {
	lines := make(chan string, 1)
	go func() {
		defer close(lines)
		var line []byte
		for b := make([]byte, 1); ; line = append(line, b[0]) {
			if n, err := r.Read(b); n == 0 || err != nil || b[0] == '\n' {
				lines <- string(line)
				return
			}
		}
	}()
	return lines
}

// readSecret reads a line from the terminal that it does not show.
func (a *app) readSecret(ctx context.Context, question string) ([]byte, error) {
	in, ok := a.in.(*os.File)
	if !ok {
		return readAll(ctx, a.in)
	}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("the terminal cannot be read: %w", err)
	}
	defer fmt.Fprintln(a.err)
	defer term.Restore(int(in.Fd()), before)
	_ = a.err.writeStyled(styledText{bold, question}) // from here on nothing that is typed is shown
	type result struct {
		secret string
		err    error
	}
	done := make(chan result, 1)
	go func() {
		quiet := struct {
			io.Reader
			io.Writer
		}{in, io.Discard}
		secret, err := term.NewTerminal(quiet, "").ReadPassword("")
		done <- result{secret, err}
	}()
	select {
	case got := <-done:
		if errors.Is(got.err, io.EOF) { // Ctrl-C, or Ctrl-D
			return nil, errLeft
		}
		return []byte(got.secret), got.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// try asks the server of a profile whether it accepts the token.
func (a *app) try(ctx context.Context, p profile) error {
	a.server = p.BaseURL
	a.refusal = "check the token and the server; nothing was stored"
	c, err := a.connectWith(client.WithBaseURL(p.BaseURL), client.WithToken(p.Token))
	if err != nil {
		return err
	}
	defer a.err.spin("waiting for the server")()
	_, err = c.Sessions.List(ctx, &client.ListSessionsParams{Limit: new(int32(1))})
	return err
}

func (a *app) logout() *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Delete a profile and its token",
		Long: `Deletes the current profile, or the one of --profile, and its token from this machine. The token remains valid: the
operator of the server can revoke it.`,
		Example: `  sessions logout
  sessions logout --profile local`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			stored, err := readProfiles()
			if err != nil {
				return err
			}
			name := cmp.Or(a.profile, stored.Current)
			if p, err := stored.get(name); err != nil {
				return err
			} else if p == nil {
				return usageError{errors.New("there is no current profile; name one with --profile, or choose one with 'sessions profiles use'")}
			}
			delete(stored.Named, name)
			if stored.Current == name {
				stored.Current = ""
			}
			if err := stored.write(cmd.Context()); err != nil {
				return err
			}
			fmt.Fprintf(a.err, "Deleted the profile %s.\n", name)
			if left := stored.names(); stored.Current == "" && len(left) > 0 {
				fmt.Fprintf(a.err, "No profile is the current one; choose with 'sessions profiles use %s'.\n", left[0])
			}
			return nil
		},
	}
}

// profileRecord is what is shown of a profile: never its token.
type profileRecord struct {
	Name    string `json:"name"`
	BaseURL string `json:"base_url"`
	Current bool   `json:"current"`
	CAFile  string `json:"ca_file,omitempty"`
}

func profileView() view[profileRecord] {
	return view[profileRecord]{
		id: func(p *profileRecord) string { return p.Name },
		columns: []column[profileRecord]{
			{name: "NAME", text: func(p *profileRecord) string { return p.Name }},
			{name: "CURRENT", text: func(p *profileRecord) string {
				if p.Current {
					return "yes"
				}
				return ""
			}},
			{name: "SERVER", text: func(p *profileRecord) string { return p.BaseURL }},
		},
	}
}

// profiles lists the profiles, and holds the command that chooses one.
func (a *app) profiles() *cobra.Command {
	use := &cobra.Command{
		Use:     "use PROFILE",
		Short:   "Make a profile the current one",
		Example: "  sessions profiles use local",
		Args:    arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			stored, err := readProfiles()
			if err != nil {
				return err
			}
			if _, err := stored.get(args[0]); err != nil {
				return err
			}
			stored.Current = args[0]
			return stored.write(cmd.Context())
		},
		ValidArgsFunction: argument(suggestProfiles),
	}
	cmd := group("profiles", "List the profiles that login has stored", use)
	cmd.Example = "  sessions profiles\n  sessions profiles -o json"
	cmd.RunE = func(*cobra.Command, []string) error {
		stored, err := readProfiles()
		if err != nil {
			return err
		}
		var records []profileRecord
		for _, name := range stored.names() {
			records = append(records, profileRecord{Name: name, BaseURL: stored.Named[name].BaseURL, Current: name == stored.Current, CAFile: stored.Named[name].CAFile})
		}
		return showAll(a, profileView(), records)
	}
	return cmd
}

// suggestProfiles completes the names of profiles.
func suggestProfiles(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	stored, err := readProfiles()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return stored.names(), cobra.ShellCompDirectiveNoFileComp
}
