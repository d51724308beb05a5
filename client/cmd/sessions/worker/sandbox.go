package worker

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	anthropic "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/tools/agenttoolset"
)

const (
	// maxOutput bounds what a command's result holds, in bytes; the rest is left out from its beginning.
	maxOutput = 100 << 10
	// commandTime is how long a command may take unless it asks for another time, maxCommandTime is the longest.
	commandTime    = 2 * time.Minute
	maxCommandTime = 30 * time.Minute
)

// system is what programs need of the system: their code and, of /etc, what resolving names, certificates and dynamic
// linking need. Everything else of /etc may hold secrets.
var system = []string{
	"/bin", "/sbin", "/lib", "/lib32", "/lib64",
	"/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs", "/etc/ca-certificates",
	"/etc/pki/tls/certs", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime",
}

// bubblewrap returns the arguments of bwrap for a program that sees the system's programs, read-only, the folder, the links
// into it, and nothing else: no other files, processes or network.
func bubblewrap(dir string, links []link, program ...string) []string {
	args := []string{"--die-with-parent", "--new-session", "--unshare-all", "--clearenv"}
	for name, value := range shellEnvironment(dir) {
		args = append(args, "--setenv", name, value)
	}
	args = append(args, "--ro-bind", "/usr", "/usr")
	for _, name := range system {
		args = append(args, "--ro-bind-try", name, name)
	}
	args = append(args, "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--bind", dir, dir)
	for _, l := range links {
		args = append(args, "--symlink", path.Join(dir, l.name), l.at)
	}
	args = append(args, "--chdir", dir, "--")
	return append(args, program...)
}

// tryBubblewrap returns an error unless commands run in a sandbox on this machine.
func tryBubblewrap(ctx context.Context, dir string) error {
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		return errors.New("the sandbox needs bubblewrap (bwrap), which is not installed; install it, or use --no-sandbox where commands may do what you may")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bwrap, bubblewrap(dir, nil, "/bin/bash", "-c", "echo works")...)
	output, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(output), "works") {
		return fmt.Errorf("bubblewrap does not work on this machine: %s", strings.TrimSpace(fmt.Sprint(firstLine(string(output)), " ", orNothing(err))))
	}
	return nil
}

func orNothing(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// sandboxedBash is a persistent shell in a sandbox.
type sandboxedBash struct {
	anthropic.BetaTool // for its name and its schema
	dir                string
	mounts             *mounts

	mu    sync.Mutex
	shell *shell // nil before the first command, and after one that did not end well
}

// Execute implements anthropic.BetaTool. Calls come one after another.
func (b *sandboxedBash) Execute(ctx context.Context, raw json.RawMessage) ([]anthropic.BetaToolResultBlockParamContentUnion, error) {
	var in struct {
		Command   string
		Restart   bool
		TimeoutMS int64 `json:"timeout_ms"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, &agenttoolset.ToolError{Content: "The arguments of bash are invalid: " + err.Error()}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if in.Restart {
		b.end()
		if in.Command == "" {
			return result("bash session restarted"), nil
		}
	}
	if in.Command == "" {
		return nil, &agenttoolset.ToolError{Content: "bash needs a command."}
	}
	timeout := commandTime
	if in.TimeoutMS > 0 {
		timeout = min(time.Duration(in.TimeoutMS)*time.Millisecond, maxCommandTime)
	}
	output, code, err := b.run(ctx, in.Command, timeout)
	switch {
	case err != nil:
		b.end()
		return nil, &agenttoolset.ToolError{Content: strings.TrimSpace(output + "\n" + err.Error() + "; the shell was restarted")}
	case code != 0:
		return nil, &agenttoolset.ToolError{Content: fmt.Sprintf("%s\nexit code: %d", output, code)}
	case output == "":
		output = "(no output)"
	}
	return result(output), nil
}

// Close implements io.Closer, which the worker calls at the end of a session.
func (b *sandboxedBash) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end()
	return nil
}

// end ends the shell.
func (b *sandboxedBash) end() {
	if b.shell != nil {
		b.shell.kill()
		b.shell = nil
	}
}

// run runs a command in the shell, which it starts if there is none.
func (b *sandboxedBash) run(ctx context.Context, command string, timeout time.Duration) (output string, code int, err error) {
	if b.shell == nil {
		if b.shell, err = startShell("bwrap", bubblewrap(b.dir, b.mounts.inSandbox(), "/bin/bash", "--noprofile", "--norc")); err != nil {
			return "", 0, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the command did not end within %s", timeout))
	defer cancel()
	return b.shell.run(ctx, command)
}

// result is a tool's result of one text.
func result(text string) []anthropic.BetaToolResultBlockParamContentUnion {
	return []anthropic.BetaToolResultBlockParamContentUnion{{OfText: &anthropic.BetaTextBlockParam{Text: text}}}
}

// shell is a running bash that gets its commands on standard input.
type shell struct {
	cmd   *exec.Cmd
	input io.WriteCloser
	lines chan string // its output, line by line; closed at its end
	ended chan struct{}
}

func startShell(name string, args []string) (*shell, error) {
	s := &shell{cmd: exec.Command(name, args...), lines: make(chan string), ended: make(chan struct{})}
	input, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s.input, s.cmd.Stdout, s.cmd.Stderr = input, writer, writer
	err = s.cmd.Start()
	_ = writer.Close() // the shell has its own
	if err != nil {
		return nil, errors.Join(err, output.Close())
	}
	go s.read(output)
	return s, nil
}

// read passes the output on until the shell ends.
func (s *shell) read(output io.ReadCloser) {
	defer close(s.lines)
	defer output.Close()
	for r := bufio.NewReaderSize(output, maxOutput); ; {
		line, err := r.ReadSlice('\n')
		if len(line) > 0 {
			select {
			case s.lines <- string(line):
			case <-s.ended:
				return
			}
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// run runs a command and returns its output, standard error included, and its exit code. After an error the shell must be
// killed.
func (s *shell) run(ctx context.Context, command string) (output string, code int, err error) {
	end := rand.Text() // so that no command can foresee it
	quoted := "'" + strings.ReplaceAll(command, "'", `'\''`) + "'"
	if _, err := fmt.Fprintf(s.input, "eval %s </dev/null\nprintf '\\n%%s %%d\\n' %s $?\n", quoted, end); err != nil {
		return "", 0, errors.New("the shell has ended")
	}
	for {
		select {
		case <-ctx.Done():
			return output, 0, context.Cause(ctx)
		case line, ok := <-s.lines:
			if !ok {
				return output, 0, errors.New("the shell has ended")
			}
			if status, ok := strings.CutPrefix(line, end+" "); ok {
				code, err := strconv.Atoi(strings.TrimSpace(status))
				return strings.TrimSuffix(output, "\n"), code, err
			}
			if output += line; len(output) > maxOutput {
				output = output[len(output)-maxOutput:]
			}
		}
	}
}

// kill ends the shell and everything that it started.
func (s *shell) kill() {
	close(s.ended)
	_ = s.input.Close()
	_ = s.cmd.Process.Kill() // the sandbox ends with its first process, and all others with it
	_ = s.cmd.Wait()
}
