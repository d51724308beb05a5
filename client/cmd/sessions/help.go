package main

// helpText is what the help of a command says. What is "" follows from the contract.
type helpText struct{ use, short, long, example string }

// helpTexts are the texts of the commands that call an operation, by the operation, where they say more than the contract
// or say it better.
var helpTexts = map[string]helpText{
	"createSession": {
		long: `Creates a session between an agent and a user in an environment. The session starts idle; send it a message to
start a turn. It uses the given version of the agent, or the latest one at creation, for its entire life.`,
		example: `  sessions create --agent agent_019e390add9f7bac9b6cc806db46fcbd --environment env_019e2590d33f711fabf42f2857cecd8a
  sessions create --agent agent_019e390add9f7bac9b6cc806db46fcbd@2 --environment env_019e2590d33f711fabf42f2857cecd8a \
    --title Support --metadata purpose=customer-support
  sessions create --file session.yaml --title "Another title"
  id=$(sessions create --file session.yaml -o id)`,
	},
	"getSession": {
		example: `  sessions get sess_019e3bb1e8c171fd9abbb1477ffb84cc
  sessions get sess_019e3bb1e8c171fd9abbb1477ffb84cc -o json | jq .usage`,
	},
	"listSessions": {
		example: `  sessions list
  sessions list --agent agent_019e390add9f7bac9b6cc806db46fcbd --status idle --status cancelled
  sessions list --created-after 24h -o json | jq -r '.[].title'
  sessions list --all -o jsonl | jq -r 'select(.usage.output_tokens > 10000) | .id'`,
	},
	"updateSession": {
		short: "Change a session's title and metadata",
		long:  "Changes a session's title and metadata. Omitted fields keep their values.",
		example: `  sessions update sess_019e3bb1e8c171fd9abbb1477ffb84cc --title "Refund of order 4711"
  sessions update sess_019e3bb1e8c171fd9abbb1477ffb84cc --metadata ticket=T-1029 --remove-metadata purpose`,
	},
	"cancelSession": {
		use:   "cancel SESSION",
		short: "Stop the turn that a session is processing",
		long: `Stops the turn that a session is processing, without waiting for it to end: the session's status becomes
cancelled. For a session without a turn the command has no effect and succeeds.`,
		example: "  sessions cancel sess_019e3bb1e8c171fd9abbb1477ffb84cc",
	},
	"archiveSession": {short: "Archive a session permanently"},
	"deleteSession": {
		short: "Delete a session and its events permanently",
		long:  "Deletes a session and its events permanently. Cancel a session that is processing a turn first.",
	},
	"addSessionResources": {
		use:   "add SESSION FILE...",
		short: "Add files to a session",
		long: `Adds files to a session, all or none, and lists the session's files. A file is FILE_ID, or FILE_ID:PATH to set
the path at which the agent finds it.`,
		example: `  sessions resources add sess_019e3bb1e8c171fd9abbb1477ffb84cc file_019e3b0fa5cb7e0a8a40d2f7c9b1e36d
  sessions resources add sess_019e3bb1e8c171fd9abbb1477ffb84cc file_019e3b0fa5cb7e0a8a40d2f7c9b1e36d:/mnt/report.csv`,
	},
	"listSessionResources":  {short: "List the files of a session"},
	"getSessionResource":    {short: "Show a file of a session"},
	"deleteSessionResource": {short: "Remove a file from a session", long: "Removes a file from a session. The file itself is not deleted."},
	"listEvents": {
		use:   "events SESSION",
		short: "List the events of a session",
		long:  "Lists the events of a session, oldest first by default. To follow the session, use tail.",
		example: `  sessions events sess_019e3bb1e8c171fd9abbb1477ffb84cc --all
  sessions events sess_019e3bb1e8c171fd9abbb1477ffb84cc --type user.message --type agent.message -o json |
    jq -r '.[] | .type + ": " + (.content | map(.text) | join(" "))'`,
	},
	"streamEvents": {
		use:   "tail SESSION",
		short: "Follow the events of a session",
		long: `Prints the latest events of a session and then new ones as they happen, until Ctrl-C or until the session is
deleted. It reconnects after a broken connection without losing events.

In a pipe each event is one line of JSON, because an array would never end.`,
		example: `  sessions tail sess_019e3bb1e8c171fd9abbb1477ffb84cc
  sessions tail sess_019e3bb1e8c171fd9abbb1477ffb84cc --all -o jsonl | jq -r 'select(.type == "session.status_idle") | .stop_reason.type'`,
	},
	"sendEvents": {
		use:   "send SESSION [MESSAGE]",
		short: "Send a message and print the reply",
		long: `Sends a message to a session and prints the reply as the agent writes it. If MESSAGE is -, it is read from standard
input. Ctrl-C stops the turn; a second Ctrl-C ends the program as well.

When the agent asks to use a tool, or for the result of one, send ends with an error that names the event. Answer it
with another send and --allow, --deny or --result; the turn then continues.

With -o the events of the turn are printed instead; with jsonl and id, as they arrive.`,
		example: `  sessions send sess_019e3bb1e8c171fd9abbb1477ffb84cc "What is in this repository?"
  git diff | sessions send sess_019e3bb1e8c171fd9abbb1477ffb84cc -
  sessions send sess_019e3bb1e8c171fd9abbb1477ffb84cc --allow evt_019e3bb219807d11a2b3c4d5e6f7a8b9
  sessions send sess_019e3bb1e8c171fd9abbb1477ffb84cc --result evt_019e3bb219807d11a2b3c4d5e6f7a8b9="7 °C"
  sessions send sess_019e3bb1e8c171fd9abbb1477ffb84cc Hello -o jsonl | jq -c 'select(.type == "agent.tool_use") | .input'`,
	},
	"createAgent": {
		long: `Creates version 1 of an agent. Tools, MCP servers and skills are read from a file:

  name: release-notes
  model: auto
  tools:
    - type: agent_toolset_20260401
      enabled_tools: [Read, Grep]`,
		example: `  sessions agents create --name notes --model auto --system "You write release notes."
  sessions agents create --file agent.yaml --metadata team=docs
  sessions agents get agent_019e390add9f7bac9b6cc806db46fcbd -o json |
    jq '{name, model, system, tools}' | sessions agents create --file - --name copy`,
	},
	"getAgent": {
		example: `  sessions agents get agent_019e390add9f7bac9b6cc806db46fcbd
  sessions agents get agent_019e390add9f7bac9b6cc806db46fcbd --version 1 -o yaml`,
	},
	"listAgents": {
		example: `  sessions agents list
  sessions agents list --all -o jsonl | jq -r 'select(.model == "auto") | .id'`,
	},
	"listAgentVersions": {long: "Lists the versions of an agent, newest first by default. --after and --before accept version numbers."},
	"updateAgent": {
		short: "Create a new version of an agent",
		long: `Creates a new version of an agent; sessions keep the version that they were created with. Omitted fields keep
their values; a list, such as the tools, is replaced completely.

The change is based on --version, or on the version in the file, and fails with a conflict if a later version
exists. By default it is based on the latest version.`,
		example: `  sessions agents update agent_019e390add9f7bac9b6cc806db46fcbd --model ultimate
  sessions agents update agent_019e390add9f7bac9b6cc806db46fcbd --version 2 --file tools.yaml`,
	},
	"archiveAgent": {short: "Archive an agent permanently"},
	"deleteAgent":  {short: "Delete an agent and its versions permanently"},
	"createEnvironment": {
		example: `  sessions environments create --name default --type cloud --networking unrestricted
  sessions environments create --name ci --type cloud --networking limited --allow-host api.tracker.example --apt git
  sessions environments create --name own --type self_hosted
  sessions environments create --file environment.yaml`,
	},
	"getEnvironment": {
		example: `  sessions environments get env_019e2590d33f711fabf42f2857cecd8a
  sessions environments get env_019e2590d33f711fabf42f2857cecd8a -o json | jq .config`,
	},
	"listEnvironments": {
		example: `  sessions environments list
  sessions environments list --include-archived -o json | jq -r '.[] | [.id, .status] | @tsv'`,
	},
	"updateEnvironment": {
		short: "Change an environment for future sessions",
		long: `Changes an environment for future sessions. Omitted fields keep their values, with one exception: setting any part
of the config replaces all of it, so set its type as well.`,
		example: `  sessions environments update env_019e2590d33f711fabf42f2857cecd8a --name checks
  sessions environments update env_019e2590d33f711fabf42f2857cecd8a --type cloud --networking unrestricted --pip numpy`,
	},
	"archiveEnvironment": {short: "Archive an environment permanently"},
	"deleteEnvironment":  {short: "Delete an environment permanently"},
	"createVault": {
		use:   "create",
		short: "Create a vault",
		long: `Creates a vault. Credentials are added to it with 'sessions credentials create', or read from a file with it; their
secrets are encrypted, and nothing shows them again.`,
		example: `  sessions vaults create --display-name "Search tools" --metadata team=docs
  sessions vaults create --file vault.yaml`,
	},
	"deleteVault": {short: "Delete a vault and its credentials permanently"},
	"createVaultCredential": {
		use:   "create VAULT",
		short: "Add a credential to a vault",
		long: `Adds a credential to a vault: a token for an MCP server, or an environment variable. The secret is read from a file or
from standard input, never from an argument, which others could read in the list of processes or in the history of a
shell. It is encrypted, and nothing shows it again.

How an access token of OAuth is refreshed is read from a file, with the fields of 'auth':

  auth:
    type: mcp_oauth
    mcp_server_url: https://mcp.tracker.example/mcp
    access_token: ...
    refresh:
      client_id: sessions
      refresh_token: ...
      token_endpoint: https://login.tracker.example/token
      token_endpoint_auth: {type: none}`,
		example: `  sessions credentials create vault_019e3b10c2d87a3f9f10b7e2c4a5d6f8 --mcp-server-url https://mcp.search.example/mcp --secret-file token.txt
  pass show tracker | sessions credentials create vault_019e3b10c2d87a3f9f10b7e2c4a5d6f8 \
    --type environment_variable --secret-name TRACKER_TOKEN --secret-file -
  sessions credentials create vault_019e3b10c2d87a3f9f10b7e2c4a5d6f8 --file oauth.yaml`,
	},
	"updateVaultCredential": {
		use:   "update VAULT CREDENTIAL",
		short: "Replace the secret of a credential",
		long: `Replaces the secret of a credential, and what else may change about it. The secret is read from a file or from
standard input. Omitted fields keep their values; the MCP server and the name of an environment variable are fixed.`,
		example: `  pass show tracker | sessions credentials update vault_019e3b10c2d87a3f9f10b7e2c4a5d6f8 vcred_019e3b10c2e97b4fa021c8f3d5b6e7a9 --secret-file -`,
	},
	"archiveVault":           {short: "Archive a vault permanently"},
	"archiveVaultCredential": {short: "Archive a credential permanently"},
	"deleteVaultCredential":  {short: "Delete a credential permanently"},
	"updateWork": {
		example: `  sessions work update env_019e2590d33f711fabf42f2857cecd8a work_019e3bb1e8c171fd9abbb1477ffb84cc --metadata host=laptop`,
	},
	"uploadFile": {
		use:   "upload FILE",
		short: "Upload a file",
		long: `Uploads a file, which sessions can then refer to. If FILE is -, standard input is read; --name names it. On a terminal
the progress is shown.`,
		example: `  sessions files upload report.csv
  id=$(sessions files upload plan.md --metadata team=docs -o id)
  git diff | sessions files upload - --name changes.diff --type text/x-diff --expires-in 24h`,
	},
	"getFile": {
		long: "Shows what is known of a file.",
		example: `  sessions files get file_019e3b11d3e97b4fa021c8f3d5b6e7a9
  sessions files get file_019e3b11d3e97b4fa021c8f3d5b6e7a9 -o json | jq .size_bytes`,
	},
	"listFiles": {
		long: "Lists the account's files, newest first by default.",
		example: `  sessions files list
  sessions files list --name report.csv -o id`,
	},
	"getFileContent": {
		use:   "download FILE_ID PATH",
		short: "Download the content of a file",
		long: `Writes the content of a file to PATH, or to standard output if PATH is -. A file at PATH is not overwritten without
--force. A download that is cut off resumes.`,
		example: `  sessions files download file_019e3b11d3e97b4fa021c8f3d5b6e7a9 report.csv
  sessions files download file_019e3b11d3e97b4fa021c8f3d5b6e7a9 - | head`,
	},
	"deleteFile": {
		short: "Delete a file permanently",
		long:  "Deletes a file and its content permanently. Remove it from the sessions that use it first.",
	},
	"createMemoryStore": {
		example: `  sessions memory stores create --name "User notes" --description "What users have told us about themselves"
  store=$(sessions memory stores create --name Notes -o id)`,
	},
	"listMemories": {
		use:   "list STORE",
		short: "List the memories of a store",
		long: `Lists the memories of a store, newest first, without their content. With --depth 1 it lists a directory, in the order
of paths.`,
		example: `  sessions memory list memstore_019e3b0fa5cb7e0a8a40d2f7c9b1e36d
  sessions memory list memstore_019e3b0fa5cb7e0a8a40d2f7c9b1e36d --prefix users/ --depth 1`,
	},
	"getMemory":    {use: "get STORE MEMORY"},
	"createMemory": {use: "create STORE"},
	"updateMemory": {use: "update STORE MEMORY"},
	"deleteMemory": {use: "delete STORE MEMORY"},
	"listMemoryVersions": {
		use:     "list STORE",
		example: "  sessions memory versions list memstore_019e3b0fa5cb7e0a8a40d2f7c9b1e36d --operation deleted",
	},
	"getMemoryVersion": {use: "get STORE VERSION"},
	"redactMemoryVersion": {
		use:   "redact STORE VERSION",
		short: "Erase the content of a version permanently",
	},
	"listModels": {
		use:   "list",
		short: "List the models that agents can use",
		example: `  sessions models list
  sessions models list -o json | jq -r '.[] | select(.is_enabled) | .id'`,
	},
}
