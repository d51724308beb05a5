//go:build unix

package deploy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/cloud-sessions/sessions/server/internal/needs"
)

// read returns a file of this folder.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// run runs a program where it is installed, and fails the test when it fails.
func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), needs.Program(t, program), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// TestTheVariablesExist finds every variable of the server in the files of this folder among the flags of serve.
func TestTheVariablesExist(t *testing.T) {
	t.Parallel()
	flags := map[string]bool{"SESSIONSD_VAULT_KEY": true}
	sources, err := filepath.Glob("../cmd/sessionsd/*.go")
	if err != nil || len(sources) == 0 {
		t.Fatal(sources, err)
	}
	registered := regexp.MustCompile(`(?:Var|registerDB)\((?:flags, |&)[^"]*"([a-z0-9-]+)"|StringVar\(name, "(db)"|StringVar\(file, "(vault-key-file)"`)
	for _, source := range sources {
		for _, flag := range registered.FindAllStringSubmatch(read(t, source), -1) {
			name := flag[1] + flag[2] + flag[3]
			flags["SESSIONSD_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] = true
		}
	}
	for _, name := range []string{"Containerfile", "compose.yaml", "kubernetes.yaml", "sessionsd.service"} {
		found := regexp.MustCompile(`SESSIONSD_[A-Z0-9_]+`).FindAllString(read(t, name), -1)
		if len(found) == 0 {
			t.Errorf("%s has no variable", name)
		}
		for _, variable := range found {
			if !flags[variable] {
				t.Errorf("%s: no flag has the variable %s", name, variable)
			}
		}
	}
}

// counted returns the names of the metrics that a server has once it was used.
func counted(t *testing.T) map[string]bool {
	t.Helper()
	address := api(t)
	use(t, address)
	res, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, line := range regexp.MustCompile(`(?m)^[a-z_]+`).FindAll(text, -1) {
		names[string(line)] = true
	}
	return names
}

// unused are metrics that a server has only when something is wrong.
var unused = []string{"sessions_contract_violations_total"}

// expressions returns the PromQL expressions of the alerts and of the dashboard, by where they are.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "alerts.yaml")), &rules); err != nil {
		t.Fatal(err)
	}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			found["alert "+rule.Alert] = rule.Expr
		}
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ RefID, Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "grafana.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			found["panel "+panel.Title+" "+target.RefID] = strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*").Replace(target.Expr)
		}
	}
	return found
}

// TestTheMetricsExist compares what alerts and the dashboard ask for with what a server has, in both directions.
func TestTheMetricsExist(t *testing.T) {
	t.Parallel()
	known, asked := counted(t), map[string]bool{}
	for where, expression := range expressions(t) {
		for _, name := range regexp.MustCompile(`\b(?:sessions|go|process)_[a-z_]+`).FindAllString(expression, -1) {
			asked[name] = true
			if !known[name] && !slices.Contains(unused, name) {
				t.Errorf("%s: no server has %s", where, name)
			}
		}
	}
	for name := range known {
		base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(name, "sessions_") && !asked[name] && !asked[base+"_bucket"] && !asked[base+"_count"] {
			t.Errorf("neither an alert nor the dashboard has %s", name)
		}
	}
}

// TestTheAlerts has Prometheus parse every expression, and run the tests of the alerts.
func TestTheAlerts(t *testing.T) {
	t.Parallel()
	run(t, "promtool", "check", "rules", "alerts.yaml")
	run(t, "promtool", "test", "rules", "alerts_test.yaml")
	type rule struct {
		Record, Expr string
	}
	all := expressions(t)
	var rules []rule
	for i, where := range slices.Sorted(maps.Keys(all)) {
		rules = append(rules, rule{fmt.Sprintf("rule:%d", i), all[where]})
	}
	text, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "all", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "promtool", "check", "rules", "--lint=none", file)
}

// TestTheUnit has systemd judge the service: 10 stands for no protection at all, and 2 is what it may be.
func TestTheUnit(t *testing.T) {
	t.Parallel()
	run(t, "systemd-analyze", "security", "--offline=yes", "--threshold=20", "sessionsd.service")
	text := strings.ReplaceAll(read(t, "sessionsd.service"), "/usr/local/bin/sessionsd", "/bin/true")
	file := filepath.Join(t.TempDir(), "sessionsd.service")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := run(t, "systemd-analyze", "verify", file); out != "" {
		t.Error(out)
	}
}

// TestTheImage builds the image from a program, and runs it, where buildah is. The program is the one that make build built.
func TestTheImage(t *testing.T) {
	t.Parallel()
	needs.Program(t, "buildah")
	program, err := os.ReadFile(needs.Program(t, "../../bin/sessionsd"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, folder := range []string{"context/tmp", "context/data", "storage", "run"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string][]byte{"sessionsd": program, "ca-certificates.crt": nil} {
		if err := os.WriteFile(filepath.Join(dir, "context", name), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	storage := []string{"--root", filepath.Join(dir, "storage"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs"}
	buildah := func(args ...string) string { return run(t, "buildah", append(slices.Clone(storage), args...)...) }
	buildah("bud", "--isolation", "chroot", "--format", "docker", "--tag", "test", "--file", "Containerfile", filepath.Join(dir, "context"))
	container := strings.TrimSpace(buildah("from", "test"))
	defer buildah("rm", container)
	inside := func(args ...string) string {
		return buildah(append([]string{"run", "--isolation", "chroot", container, "--", "/sessionsd"}, args...)...)
	}
	if out := inside("--version"); !strings.HasPrefix(out, "sessionsd ") {
		t.Error(out)
	}
	if out := inside("check", "--addr", "127.0.0.1:0"); !strings.Contains(out, "files in /data/sessions.db.blobs") {
		t.Error(out)
	}
	inspected := buildah("inspect", "--type", "image", "test")
	for _, want := range []string{`"User": "65532:65532"`, `"healthcheck"`} {
		if !strings.Contains(inspected, want) {
			t.Errorf("the image has no %s", want)
		}
	}
}

// TestCompose has Docker parse the file, where it is installed.
func TestCompose(t *testing.T) {
	t.Parallel()
	var file map[string]any
	if err := yaml.Unmarshal([]byte(read(t, "compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	needs.Compose(t)
	cmd := exec.CommandContext(t.Context(), "docker", "compose", "--file", "compose.yaml", "config", "--quiet")
	cmd.Env = append(os.Environ(), "POSTGRES_PASSWORD=x")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// manifest is what the tests read of a Kubernetes manifest.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Selector yaml.Node
		Replicas int
		Ports    []struct {
			TargetPort string `yaml:"targetPort"`
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				Grace           int            `yaml:"terminationGracePeriodSeconds"`
				SecurityContext map[string]any `yaml:"securityContext"`
				Volumes         []struct{ Name string }
				Containers      []struct {
					Ports           []struct{ Name string }
					Env             []struct{ Name, Value string }
					ReadinessProbe  probe                   `yaml:"readinessProbe"`
					LivenessProbe   probe                   `yaml:"livenessProbe"`
					SecurityContext map[string]any          `yaml:"securityContext"`
					VolumeMounts    []struct{ Name string } `yaml:"volumeMounts"`
				}
			}
		}
	}
}

type probe struct {
	HTTPGet          struct{ Path, Port string } `yaml:"httpGet"`
	PeriodSeconds    int                         `yaml:"periodSeconds"`
	FailureThreshold int                         `yaml:"failureThreshold"`
}

// TestTheManifests checks what one manifest expects of another, and the times of a drain.
func TestTheManifests(t *testing.T) {
	t.Parallel()
	found := map[string]manifest{}
	for decoder := yaml.NewDecoder(bytes.NewBufferString(read(t, "kubernetes.yaml"))); ; {
		var m manifest
		if err := decoder.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		found[m.Kind] = m
	}
	deployment := found["Deployment"].Spec
	pod := deployment.Template
	if len(pod.Spec.Containers) != 1 || deployment.Replicas < 2 {
		t.Fatalf("%+v", deployment)
	}
	for _, kind := range []string{"Service", "PodDisruptionBudget", "Deployment"} {
		node := found[kind].Spec.Selector
		var labels map[string]string
		var selector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		}
		if err := node.Decode(&selector); err == nil && selector.MatchLabels != nil {
			labels = selector.MatchLabels
		} else if err := node.Decode(&labels); err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(labels, pod.Metadata.Labels) {
			t.Errorf("%s selects %v, the pods have %v", kind, labels, pod.Metadata.Labels)
		}
	}
	container := pod.Spec.Containers[0]
	if container.ReadinessProbe.HTTPGet.Path != "/readyz" || container.LivenessProbe.HTTPGet.Path != "/healthz" ||
		container.Ports[0].Name != container.ReadinessProbe.HTTPGet.Port || container.Ports[0].Name != found["Service"].Spec.Ports[0].TargetPort {
		t.Errorf("%+v", container)
	}
	times := map[string]time.Duration{}
	for _, variable := range container.Env {
		if d, err := time.ParseDuration(variable.Value); err == nil {
			times[variable.Name] = d
		}
	}
	drain, shutdown := times["SESSIONSD_DRAIN_DELAY"], times["SESSIONSD_SHUTDOWN_TIMEOUT"]
	noticed := time.Duration(container.ReadinessProbe.PeriodSeconds*container.ReadinessProbe.FailureThreshold) * time.Second
	if drain <= noticed || drain+2*shutdown > time.Duration(pod.Spec.Grace)*time.Second { // the second is for turns
		t.Errorf("drain %s, shutdown %s, noticed after %s, grace %d s", drain, shutdown, noticed, pod.Spec.Grace)
	}
	if pod.Spec.SecurityContext["runAsNonRoot"] != true || container.SecurityContext["readOnlyRootFilesystem"] != true {
		t.Error("the pod may run as root, or change its file system")
	}
	if len(container.VolumeMounts) != len(pod.Spec.Volumes) {
		t.Errorf("%v, %v", container.VolumeMounts, pod.Spec.Volumes)
	}
}
