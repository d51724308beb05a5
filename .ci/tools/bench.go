package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/api"
)

// node is the version of Node.js that the tools run under, as in .ci/npm-run; the installed one only has to run npm.
const node = "24.21.0"

// patience is how long a step may take, installation included.
const patience = 10 * time.Minute

// bench is where tools are tried, each in a folder of its own.
type bench struct {
	ctx  context.Context
	root string
	// repository is the folder of this repository.
	repository string
	path       string // $PATH with the folder of Node.js before it
}

// newBench makes a temporary folder with Node.js.
func newBench(ctx context.Context) (*bench, error) {
	root, err := os.MkdirTemp("", "tools-")
	if err != nil {
		return nil, err
	}
	repository, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	b := &bench{ctx: ctx, root: root, repository: repository, path: os.Getenv("PATH")}
	processor := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if processor == "" {
		processor = runtime.GOARCH
	}
	name := "node-" + runtime.GOOS + "-" + processor
	w := &work{bench: b, folder: filepath.Join(root, "node")}
	if err := w.install(name + "@" + node); err != nil {
		b.close()
		return nil, err
	}
	b.path = filepath.Join(w.folder, "node_modules", name, "bin") + string(os.PathListSeparator) + b.path
	return b, nil
}

func (b *bench) close() { _ = os.RemoveAll(b.root) }

// try runs a tool in a new folder, which has the contract: openapi.yaml and openapi-3.2.json.
func (b *bench) try(t tool) error {
	w := &work{bench: b, folder: filepath.Join(b.root, strings.NewReplacer(" ", "-", "/", "-").Replace(t.name))}
	derived, err := api.JSON32()
	if err != nil {
		return err
	}
	if err := w.write(map[string]string{"openapi.yaml": string(api.Spec()), "openapi-3.2.json": string(derived)}); err != nil {
		return err
	}
	if err := w.install(t.npm...); err != nil {
		return err
	}
	return t.run(w)
}

// work is the folder of a tool.
type work struct {
	*bench
	folder string
}

// write writes files into the folder.
func (w *work) write(files map[string]string) error {
	for name, text := range files {
		file := filepath.Join(w.folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// install installs npm packages, each NAME@VERSION.
func (w *work) install(packages ...string) error {
	if len(packages) == 0 {
		return nil
	}
	versions := map[string]string{}
	for _, p := range packages {
		at := strings.LastIndex(p, "@")
		versions[p[:at]] = p[at+1:]
	}
	manifest, err := json.Marshal(map[string]any{"name": "tools", "private": true, "type": "module", "dependencies": versions})
	if err != nil {
		return err
	}
	if err := w.write(map[string]string{"package.json": string(manifest)}); err != nil {
		return err
	}
	_, err = w.sh("npm install --no-audit --no-fund --ignore-scripts --loglevel=error")
	return err
}

// sh runs a command in the folder, by a shell that stops at the first failure. It returns what the command printed.
func (w *work) sh(command string) (output string, err error) {
	ctx, cancel := context.WithTimeout(w.ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-euc", command)
	cmd.Dir = w.folder
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(w.folder, "node_modules/.bin")+string(os.PathListSeparator)+w.path, "CI=true", "DO_NOT_TRACK=1", "GOFLAGS=", "REPOSITORY="+w.repository)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		text := out.String()
		if len(text) > 4000 {
			text = text[:2000] + "\n...\n" + text[len(text)-2000:]
		}
		return out.String(), fmt.Errorf("%s: %w\n%s", command, err, text)
	}
	return out.String(), nil
}

// steps returns a run of files that are written and commands that must succeed.
func steps(files map[string]string, commands ...string) func(*work) error {
	return func(w *work) error {
		if err := w.write(files); err != nil {
			return err
		}
		for _, command := range commands {
			if _, err := w.sh(command); err != nil {
				return err
			}
		}
		return nil
	}
}
