package sqlstore

import "github.com/cloud-sessions/sessions/server/store"

// The functions of this file return how many bytes of JSON a resource takes, for the bound on a page. They count what
// callers or models decide the length of; rowOverhead is for the rest.

const rowOverhead = 512

func eventSize(e *store.Event) int { return len(e.Payload) + rowOverhead }

func agentSize(a *store.Agent) int {
	return textSize(a.Name) + textSize(a.Description) + 2*textSize(a.System) + // which has two names
		len(a.Tools) + len(a.MCPServers) + len(a.Skills) + mapSize(a.Metadata) + rowOverhead
}

func environmentSize(e *store.Environment) int {
	return textSize(e.Name) + textSize(e.Description) + len(e.Config) + mapSize(e.Metadata) + rowOverhead
}

func fileSize(f *store.File) int {
	return textSize(f.Name) + textSize(f.MediaType) + mapSize(f.Metadata) + rowOverhead
}

func vaultSize(v *store.Vault) int {
	return textSize(v.DisplayName) + mapSize(v.Metadata) + rowOverhead
}

// credentialSize counts the target twice, for the URL that the response also has at its top.
func credentialSize(c *store.Credential) int {
	return len(c.Auth) + 2*textSize(c.Target) + mapSize(c.Metadata) + rowOverhead
}

func memoryStoreSize(m *store.MemoryStore) int {
	return textSize(m.Name) + textSize(m.Description) + mapSize(m.Metadata) + rowOverhead
}

func memorySize(m *store.Memory) int {
	return textSize(m.Path) + textSize(m.Content) + mapSize(m.Metadata) + rowOverhead
}

func memoryVersionSize(v *store.MemoryVersion) int {
	return 2*textSize(v.Path) + textSize(v.Content) + mapSize(v.Metadata) + 2*rowOverhead // which has two names
}

// sessionSize includes the agent, once the session has it.
func sessionSize(v *store.Session) int {
	size := textSize(v.Title) + mapSize(v.Metadata) + mapSize(v.EnvironmentVariables) + agentSize(&v.Agent) + rowOverhead
	for _, r := range v.Resources {
		size += textSize(r.MountPath) + rowOverhead
		if m := r.Memory; m != nil {
			size += textSize(m.Name) + textSize(m.Description) + textSize(m.Instructions)
		}
	}
	for _, ids := range [][]string{v.MemoryStoreIDs, v.VaultIDs} {
		for _, id := range ids {
			size += textSize(id)
		}
	}
	return size
}

func mapSize(m map[string]string) (size int) {
	for key, value := range m {
		size += textSize(key) + textSize(value)
	}
	return size
}

// textSize is for the worst of what an encoder escapes: six bytes for a control character.
func textSize(text string) int {
	size := len(text) + len(`"",`)
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ':
			size += len(`\u0000`) - 1
		case c == '"', c == '\\':
			size++
		}
	}
	return size
}
