package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/cloud-sessions/sessions/client"
)

// flagText says of a flag what the contract does not, or says it better. What is zero follows from the contract.
type flagText struct {
	name, usage string
	parse       func(text string) (any, error)
	hidden      bool // there is no flag
}

// flagTexts are the texts of flags by the parameter that they set, or by the operation and the parameter.
var flagTexts = map[string]flagText{
	"after_id":                            {usage: "list the records that follow the one with this `ID`"},
	"before_id":                           {usage: "list the records that precede the one with this `ID`"},
	"include_archived":                    {usage: "include archived records"},
	"agent_id":                            {usage: "list only sessions of the agent with this `ID`"},
	"statuses[]":                          {name: "status", usage: "list only sessions with this `STATUS`, such as idle"},
	"types[]":                             {name: "type", usage: "list only events of this `TYPE`, such as agent.message"},
	"metadata":                            {usage: "set a metadata key, `KEY=VALUE`"},
	"agent":                               {usage: "`ID` of the agent, or ID@VERSION to use an older version", parse: func(text string) (any, error) { return agentRef(text) }},
	"environment_id":                      {usage: "`ID` of the environment"},
	"updateSession title":                 {usage: "`TEXT` to display as the name of the session; an empty one removes the name"},
	"environment_variables":               {name: "env", usage: "set an environment variable, `NAME=VALUE`"},
	"resources":                           {name: "resource", usage: "add a file, `FILE_ID` or FILE_ID:PATH", parse: resourceInput},
	"path_prefix":                         {name: "prefix", usage: "list only memories whose path starts with `TEXT`"},
	"listMemories depth":                  {usage: "how many levels of the paths to list: 1 for a directory, 0 for everything"},
	"view":                                {usage: "basic without the content of memories, full with it"},
	"precondition.content_sha256":         {hidden: true}, // another name of content_sha256
	"content_sha256":                      {name: "based-on", usage: "`SHA256` of the content that the change is based on"},
	"expected_content_sha256":             {name: "based-on", usage: "delete the memory only if its content has this `SHA256`"},
	"updateMemory version":                {usage: "the version that the change is based on"},
	"memory_id":                           {usage: "list only versions of the memory with this `ID`"},
	"session_id":                          {usage: "list only versions that the agent of the session with this `ID` wrote"},
	"api_key_id":                          {name: "token-id", usage: "list only versions that were written with the token with this `ID`"},
	"ids[]":                               {name: "id", usage: "list only the files with these `IDS`"},
	"listFiles purpose":                   {usage: "list only files with this `PURPOSE`"},
	"listFiles name":                      {usage: "list only files with this `NAME`"},
	"scope_id":                            {name: "session", usage: "list only files that the session with this `ID` has made"},
	"memory_store_ids":                    {usage: "attach the memory store with this `ID`"},
	"vault_ids":                           {usage: "attach the vault with this `ID`"},
	"model":                               {usage: "`ID` of the model; see 'sessions models list'"},
	"instructions":                        {hidden: true}, // another name of system
	"default_environment":                 {usage: "`ID` of the environment to suggest for sessions of this agent"},
	"getAgent version":                    {usage: "the version to show (default: the latest)"},
	"updateAgent version":                 {usage: "the version that the change is based on (default: the latest)"},
	"config.type":                         {usage: "who runs the containers: cloud (the service) or self_hosted"},
	"config.networking.type":              {name: "networking", usage: "what containers can reach: unrestricted, limited or allowlist"},
	"config.networking.allowed_hosts":     {name: "allow-host", usage: "allow containers to reach `HOST`"},
	"config.networking.allow_mcp_servers": {usage: "allow containers with limited networking to reach the agent's MCP servers"},
	"config.networking.allow_package_managers": {usage: "allow containers with limited networking to reach package registries"},
	"config.packages.apt":                      {usage: "install `PACKAGE` with apt"},
	"config.packages.cargo":                    {usage: "install `PACKAGE` with cargo"},
	"config.packages.gem":                      {usage: "install `PACKAGE` with gem"},
	"config.packages.go":                       {usage: "install `PACKAGE` with go"},
	"config.packages.npm":                      {usage: "install `PACKAGE` with npm"},
	"config.packages.pip":                      {usage: "install `PACKAGE` with pip"},
}

// improved returns a field with the texts of its flag, and whether it has a flag.
func improved(operation string, f field) (better field, shown bool) {
	text, specific := flagTexts[operation+" "+f.param]
	if !specific {
		text = flagTexts[f.param]
	}
	f.name, f.usage, f.parse = cmp.Or(text.name, f.name), cmp.Or(text.usage, f.usage), text.parse
	return f, !text.hidden && (f.kind != objectsFlag || f.parse != nil)
}

// agentRef reads ID or ID@VERSION.
func agentRef(text string) (client.AgentRef, error) {
	id, version, pinned := strings.Cut(text, "@")
	if !pinned {
		return client.AgentRef{ID: id}, nil
	}
	n, err := strconv.ParseInt(version, 10, 32)
	if err != nil || n < 1 {
		return client.AgentRef{}, &fieldError{"agent", fmt.Sprintf("%q is not a version of an agent; versions are numbers from 1", version)}
	}
	return client.AgentRef{ID: id, Version: int32(n)}, nil
}

// resourceInput is fileInput for a list of resources.
func resourceInput(text string) (any, error) {
	file, err := fileInput(text)
	return client.NewSessionResourceInput(file), err
}

// fileInput reads FILE_ID or FILE_ID:PATH.
func fileInput(text string) (client.FileResourceInput, error) {
	id, path, placed := strings.Cut(text, ":")
	if !strings.HasPrefix(id, "file_") {
		return client.FileResourceInput{}, &fieldError{"resources", fmt.Sprintf("%q is not the id of a file; 'sessions files upload' uploads a file and prints its id", id)}
	}
	file := client.FileResourceInput{FileID: id}
	if placed {
		file.MountPath = &path
	}
	return file, nil
}
