package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client/contractcheck"
)

// contractCheck tries a server.
func (a *app) contractCheck() *cobra.Command {
	var o contractcheck.Options
	var list, dryRun bool
	var junit string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Try a server's operations and report where they violate the contract",
		Long: `check validates a server against the contract that this program was built with, and reports on each operation and check.
It sends the contract's examples, every read with every parameter, and some thousand requests that have to be refused: each
keyword of each field, violated once. --list describes the checks.

It creates records of every kind, such as agents, sessions, files and vaults, and sends short messages, whose turns the
account pays for; --dry-run says how many. At the end, and after Ctrl-C, it deletes everything it created, and reports what it
could not delete. With --read-only it creates nothing and tries only reads. Nothing else should use the account meanwhile.

--only and --skip name operations (createSession) and checks (paging); what the selected operations need is created as well.

It exits with 0 if the server conforms, with 1 if an operation drifts, and with 2 if a flag is wrong. In JSON and YAML every
violation includes its check, its location and its rule.`,
		Example: `  sessions contract check
  sessions contract check --read-only --base-url https://openapi.qoder.sh/api/v1/cloud
  sessions contract check --only createAgent,listAgents --skip invalid-bodies
  sessions contract check --junit contract.xml
  sessions contract check -o json | jq '.operations[].violations[]'`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case list:
				return showAll(a, checkView(), contractcheck.Checks())
			case dryRun:
				planned, err := contractcheck.DryRun(o)
				if err != nil {
					return misnamed(err)
				}
				return showAll(a, plannedView(), planned)
			}
			o.AuthHeaders = a.headerNames()
			return a.check(cmd.Context(), o, junit)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.ReadOnly, "read-only", false, "create nothing; try only reads, with the records of the account")
	flags.StringSliceVar(&o.Only, "only", nil, "try only these `OPERATIONS` or checks; separated by commas")
	flags.StringSliceVar(&o.Skip, "skip", nil, "leave out these `OPERATIONS` or checks")
	flags.BoolVar(&dryRun, "dry-run", false, "send nothing; print what would be created")
	flags.BoolVar(&list, "list", false, "print what the checks prove, and where the rule is written")
	flags.StringVar(&junit, "junit", "", "write the report to `FILE` as JUnit's XML as well")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "list")
	_ = cmd.MarkFlagFilename("junit")
	for _, name := range []string{"only", "skip"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(contractcheck.Names(), cobra.ShellCompDirectiveNoFileComp))
	}
	return cmd
}

// check tries a server, and shows and writes what was found.
func (a *app) check(ctx context.Context, o contractcheck.Options, junit string) error {
	if _, err := contractcheck.DryRun(o); err != nil { // before anything is sent
		return misnamed(err)
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	var progress atomic.Value
	progress.Store("trying the operations")
	o.Progress = func(operation string, done, all int) {
		progress.Store(fmt.Sprintf("tried %d of %d operations, now %s", done, all, operation))
	}
	stop := a.err.spinOn(func() string { return progress.Load().(string) })
	report, err := contractcheck.Run(ctx, c, o)
	stop()
	if report != nil {
		for _, path := range report.Left {
			fmt.Fprintf(a.err, "could not delete %s\n", visible(path))
		}
	}
	if err != nil {
		return err
	}
	if junit != "" {
		if err := writeJUnit(junit, report); err != nil {
			return err
		}
	}
	return a.showConformance(report)
}

// misnamed makes an unknown name in --only or --skip a mistake on the command line.
func misnamed(err error) error {
	if _, ok := errors.AsType[*contractcheck.UnknownNameError](err); ok {
		return usageError{fmt.Errorf("--only or --skip: %w; --list has the checks", err)}
	}
	return err
}

func writeJUnit(name string, report *contractcheck.Conformance) error {
	f, err := os.Create(name)
	if err != nil {
		return pathError("write", err)
	}
	return errors.Join(report.WriteJUnit(f), f.Close())
}

// showConformance writes what was found, and fails when there is drift.
func (a *app) showConformance(report *contractcheck.Conformance) error {
	switch form := a.form(); form {
	case formatJSON, formatYAML:
		if err := show(a, view[contractcheck.Conformance]{}, report); err != nil {
			return err
		}
	default:
		records := make([]contractcheck.Result, len(report.Operations))
		for i, r := range report.Operations {
			records[i] = *r
		}
		if err := showAll(a, resultView(), records); err != nil {
			return err
		}
		if form == formatTable { // whose lines are cut on a terminal
			for _, v := range report.Violations() {
				fmt.Fprintf(a.out, "\n%s %s: %s (check %s)\n", v.Method, visible(v.Path), v.Error(), v.Check)
			}
			a.explainChecks(report)
		}
	}
	score := fmt.Sprintf("%d of %d checks passed (%d %%), %d were not tried", report.Score.Passed, report.Score.Passed+report.Score.Failed, report.Score.Percent, report.Score.Unchecked)
	if !report.Conforms() {
		return fmt.Errorf("%d of %d operations drift from the contract; %s", drifting(report), len(report.Operations), score)
	}
	a.remark(score + ".")
	return nil
}

// explainChecks writes what the checks prove that have found something, and where the rule is written.
func (a *app) explainChecks(report *contractcheck.Conformance) {
	for _, c := range contractcheck.Checks() {
		if slices.ContainsFunc(report.Violations(), func(v *contractcheck.Violation) bool { return v.Check == c.Name }) {
			source := "api/openapi.yaml"
			if c.Source != "contract" {
				source = fmt.Sprintf("api/decisions.md, %q", c.Source)
			}
			fmt.Fprintf(a.out, "\ncheck %s: %s See %s.\n", c.Name, c.Proves, source)
		}
	}
}

// drifting counts the operations that violate the contract.
func drifting(report *contractcheck.Conformance) (n int) {
	for _, r := range report.Operations {
		if r.Verdict == contractcheck.Drifts {
			n++
		}
	}
	return n
}

func resultView() view[contractcheck.Result] {
	return view[contractcheck.Result]{
		id: func(r *contractcheck.Result) string { return r.Operation },
		columns: []column[contractcheck.Result]{
			{name: "OPERATION", text: func(r *contractcheck.Result) string { return r.Operation }},
			{name: "VERDICT", text: func(r *contractcheck.Result) string { return string(r.Verdict) }, style: verdictStyle},
			{name: "REQUESTS", text: func(r *contractcheck.Result) string { return count(r.Requests) }},
			{name: "STATUSES", text: func(r *contractcheck.Result) string { return strings.Trim(fmt.Sprint(r.Statuses), "[]") }},
			{name: "REMARK", text: func(r *contractcheck.Result) string { return cmp.Or(r.Reason, failedChecks(r)) }},
		},
	}
}

// failedChecks names the checks that have found violations.
func failedChecks(r *contractcheck.Result) string {
	var names []string
	for _, c := range r.Checks {
		if c.Verdict == contractcheck.Drifts {
			names = append(names, c.Check)
		}
	}
	return strings.Join(names, ", ")
}

func checkView() view[contractcheck.Check] {
	return view[contractcheck.Check]{
		id: func(c *contractcheck.Check) string { return c.Name },
		columns: []column[contractcheck.Check]{
			{name: "CHECK", text: func(c *contractcheck.Check) string { return c.Name }, whole: true},
			{name: "SOURCE", text: func(c *contractcheck.Check) string { return c.Source }},
			{name: "PROVES", text: func(c *contractcheck.Check) string { return c.Proves }},
		},
	}
}

func plannedView() view[contractcheck.Planned] {
	return view[contractcheck.Planned]{
		id: func(p *contractcheck.Planned) string { return p.Operation },
		columns: []column[contractcheck.Planned]{
			{name: "OPERATION", text: func(p *contractcheck.Planned) string { return p.Operation }},
			{name: "RECORDS", text: func(p *contractcheck.Planned) string { return count(p.Records) }},
			{name: "REQUEST", text: func(p *contractcheck.Planned) string { return p.Method + " " + p.Path }},
		},
	}
}

// verdictStyle colours verdicts.
func verdictStyle(verdict string) string {
	switch contractcheck.Verdict(verdict) {
	case contractcheck.Conforms:
		return green
	case contractcheck.Drifts:
		return yellow
	}
	return dim
}

// headerNames returns the names of the headers of --header.
func (a *app) headerNames() (names []string) {
	for _, header := range a.headers {
		name, _, _ := strings.Cut(header, ":")
		names = append(names, strings.TrimSpace(name))
	}
	return slices.Compact(names)
}
