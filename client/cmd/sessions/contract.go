package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client/contractcheck"
)

// contract holds the commands on the contract.
func (a *app) contract() *cobra.Command {
	var o contractcheck.Options
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Try a server's operations and report where they violate the contract",
		Long: `check validates a server against the contract that this program was built with, and reports on each operation.
It sends the contract's examples, and every read with every parameter.

It creates records of every kind, such as agents, sessions, files and vaults, and sends short messages, whose turns the
account pays for. At the end it deletes everything it created. With --read-only it creates nothing and tries only reads.

It exits with 1 if an operation drifts. In JSON and YAML every violation includes its location and its rule.`,
		Example: `  sessions contract check
  sessions contract check --read-only --base-url https://openapi.qoder.sh/api/v1/cloud
  sessions contract check -o json | jq '.[] | select(.verdict == "drifts")'`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.connect(cmd.Context())
			if err != nil {
				return err
			}
			stop := a.err.spin("trying the operations")
			results, err := contractcheck.Run(cmd.Context(), c, o)
			stop()
			if err != nil {
				return err
			}
			return a.showResults(results)
		},
	}
	cmd.Flags().BoolVar(&o.ReadOnly, "read-only", false, "create nothing; try only reads, with the records of the account")
	return group("contract", "Validate servers and recordings against the contract", cmd, a.contractProxy(), a.contractDrift())
}

// showResults writes what was found, and fails when there is drift.
func (a *app) showResults(results []*contractcheck.Result) error {
	records := make([]contractcheck.Result, len(results))
	for i, r := range results {
		records[i] = *r
	}
	if err := showAll(a, resultView(), records); err != nil {
		return err
	}
	counts := map[contractcheck.Verdict]int{}
	for _, r := range results {
		counts[r.Verdict]++
		for _, b := range r.Violations {
			if a.form() == formatTable { // whose lines are cut on a terminal
				fmt.Fprintln(a.out, "\n"+b.Error())
			}
		}
	}
	if drifting := counts[contractcheck.Drifts]; drifting > 0 {
		return fmt.Errorf("%d of %d operations drift from the contract", drifting, len(results))
	}
	if !a.out.terminal {
		conforming := counts[contractcheck.Conforms]
		a.remark(fmt.Sprintf("%d of %d operations conform to the contract, none drifts, %d were not checked.", conforming, len(results), len(results)-conforming))
	}
	return nil
}

func resultView() view[contractcheck.Result] {
	return view[contractcheck.Result]{
		id: func(r *contractcheck.Result) string { return r.Operation },
		columns: []column[contractcheck.Result]{
			{name: "OPERATION", text: func(r *contractcheck.Result) string { return r.Operation }},
			{name: "VERDICT", text: func(r *contractcheck.Result) string { return string(r.Verdict) }, style: verdictStyle},
			{name: "REQUESTS", text: func(r *contractcheck.Result) string { return count(r.Requests) }},
			{name: "ANSWERS", text: func(r *contractcheck.Result) string { return strings.Trim(fmt.Sprint(r.Statuses), "[]") }},
			{name: "REMARK", text: func(r *contractcheck.Result) string { return cmp.Or(r.Reason, violationCount(len(r.Violations))) }},
		},
	}
}

func violationCount(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 violation"
	}
	return strconv.Itoa(n) + " violations"
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
