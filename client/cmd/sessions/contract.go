package main

import "github.com/spf13/cobra"

// contract holds the commands on the contract.
func (a *app) contract() *cobra.Command {
	return group("contract", "Validate servers and recordings against the contract", a.contractCheck(), a.contractProxy(), a.contractDrift())
}
