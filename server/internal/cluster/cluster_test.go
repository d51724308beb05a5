//go:build unix

package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/api/freeport"
	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
)

const token = "pt-cluster"

// asProgram makes the test binary act as the program itself.
const asProgram = "SESSIONS_CLUSTER_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" || os.Getenv(replicaVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// shown is a cluster in a process of its own.
type shown struct {
	*exec.Cmd
	baseURL   string
	processes []int  // of the replicas
	folder    string // of PostgreSQL
}

func show(t *testing.T) *shown {
	t.Helper()
	pgtest.Database(t) // skips, or fails under CI, where there is no PostgreSQL
	s := &shown{Cmd: exec.CommandContext(t.Context(), os.Args[0], "--addr", "127.0.0.1:0")}
	s.Env = append(os.Environ(), asProgram+"=1", "QODER_PAT="+token)
	s.Stderr = t.Output()
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Process.Kill(); _ = s.Wait() })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		if match := regexp.MustCompile(`^replica \d: http://\S+, process (\d+)$`).FindStringSubmatch(line); match != nil {
			process, _ := strconv.Atoi(match[1])
			s.processes = append(s.processes, process)
		}
		if match := regexp.MustCompile(`^PostgreSQL: postgres:///postgres\?host=([^&]+)`).FindStringSubmatch(line); match != nil {
			s.folder = strings.ReplaceAll(match[1], "%2F", "/")
		}
		if match := regexp.MustCompile(`^listening on (http://\S+),`).FindStringSubmatch(line); match != nil {
			s.baseURL = match[1]
			break
		}
	}
	if s.baseURL == "" || s.folder == "" || len(s.processes) != 3 {
		t.Fatalf("it printed only %+v", s)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // until the process ends
	return s
}

// gone fails if anything is left of a cluster that has ended.
func (s *shown) gone(t *testing.T) {
	t.Helper()
	for _, process := range s.processes {
		if err := syscall.Kill(process, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("replica %d is still there: %v", process, err)
		}
	}
	if _, err := os.Stat(s.folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", s.folder, err)
	}
}

// converse runs one turn through the proxy, which sends its requests to all replicas in turn.
func converse(t *testing.T, s *shown) {
	t.Helper()
	c, err := client.New(client.WithToken(token), client.WithBaseURL(s.baseURL+"/v1"))
	if err != nil {
		t.Fatal(err)
	}
	session, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{
		Agent: client.AgentRef{ID: server.DemoAgent}, EnvironmentID: server.DemoEnvironment,
	})
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for event, err := range c.Sessions.Run(t.Context(), session.ID, "hello", nil) {
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, string(event.Type))
	}
	if all := strings.Join(said, " "); !strings.Contains(all, "agent.message") || !strings.HasSuffix(all, "session.status_idle") {
		t.Errorf("the conversation: %s", all)
	}
}

// TestConversation talks to the complete cluster, and to the rest of it after a replica was killed.
func TestConversation(t *testing.T) {
	t.Parallel()
	s := show(t)
	for range 3 {
		converse(t, s)
	}
	if err := syscall.Kill(s.processes[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		converse(t, s)
	}
	if err := s.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := s.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	s.gone(t)
}

// TestSecondInterrupt does not wait for a request whose body never comes.
func TestSecondInterrupt(t *testing.T) {
	t.Parallel()
	s := show(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.baseURL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+
		"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Wait() }()
	for { // more than twice, since two signals at once may be delivered as one
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("it ended with %v", err)
			}
			s.gone(t)
			return
		case <-time.After(200 * time.Millisecond):
			_ = s.Process.Signal(os.Interrupt)
		}
	}
}

// TestNoReplica tests that the proxy reports in the contract's form that it has no replica.
func TestNoReplica(t *testing.T) {
	t.Parallel()
	b := &balancer{targets: []*target{{host: freeport.Address(t)}}, network: &http.Transport{}}
	b.targets[0].ready.Store(true)
	proxy, err := startProxy("127.0.0.1:0", b)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.close(t.Context())
	c, err := client.New(client.WithToken(token), client.WithBaseURL(proxy.url+"/v1"), client.WithMaxRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Sessions.Get(t.Context(), "sess_1")
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Status != 503 || refused.Type != "overloaded_error" || refused.RequestID == "" {
		t.Errorf("%#v", err)
	}
}
