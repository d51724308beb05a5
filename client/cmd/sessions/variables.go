package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// variable is one or several environment variables.
type variable struct{ name, usage string }

// variables are what the program reads of its environment.
func variables() []variable {
	return []variable{
		{tokenVariable, "access token"},
		{baseURLVariable, "base URL of the API"},
		{caFileVariable, "file of --ca-file"},
		{keyVariable, "key of the environment, for worker"},
		{historyVariable, "off: chat keeps no history of messages"},
		{"NO_COLOR", "no colors if it is set"},
		{"XDG_CONFIG_HOME", "folder of profiles and history, on Linux"},
		{"HTTPS_PROXY, NO_PROXY", "proxy for requests to the server"},
		{"SSL_CERT_FILE", "authorities instead of the system's, on Linux"},
	}
}

// describeVariables is a paragraph of help about the variables.
func describeVariables() string {
	var text strings.Builder
	text.WriteString("Variables:\n")
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, v := range variables() {
		fmt.Fprintf(table, "  %s\t%s\n", v.name, v.usage)
	}
	_ = table.Flush() // a strings.Builder accepts every write
	return strings.TrimRight(text.String(), "\n")
}
