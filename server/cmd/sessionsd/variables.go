package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// demoTokenVariable is the environment variable with the token of --demo.
const demoTokenVariable = "QODER_PAT"

// variable is one or several environment variables that no flag stands for.
type variable struct{ name, usage string }

// variables are what serve reads of its environment, except for those of the flags.
func variables() []variable {
	return []variable{
		{demoTokenVariable, "token of --demo; a new one by default"},
		{vaultKeyVariable, "text of a vault key file, instead of --vault-key-file"},
		{endpointKeyVariable, "key of the openai runner's endpoint"},
		{"STATE_DIRECTORY, XDG_DATA_HOME", "folders for the database without --db"},
		{"PGPASSWORD, PGPASSFILE, PGSSLROOTCERT", "password and certificates for PostgreSQL, as for psql"},
		{"AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY", "credentials for --blobs s3://..., and the other variables of the AWS SDK"},
		{"HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "proxy for the model endpoint; MCP servers are called without one"},
		{"SSL_CERT_FILE, SSL_CERT_DIR", "authorities to trust for TLS, instead of the system's; not on Windows and macOS"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_EXPORTER", "where traces are sent; and the other standard variables of OpenTelemetry"},
		{"GOGC", "how much garbage may be kept before it is collected, in percent of what is in use; 200 by default"},
		{"GOMEMLIMIT", "soft limit of the process's memory; by default a multiple of --max-bytes-in-flight"},
		{"TMPDIR, SQLITE_TMPDIR", "folders for temporary files"},
	}
}

// describeVariables is a paragraph of help about the variables.
func describeVariables() string {
	var text strings.Builder
	text.WriteString("Variables besides those of the flags:\n\n")
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, v := range variables() {
		fmt.Fprintf(table, "  %s\t%s\n", v.name, v.usage)
	}
	_ = table.Flush() // a strings.Builder accepts every write
	return strings.TrimRight(text.String(), "\n")
}
