package contractcheck_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/contractcheck"
)

// foreign is a server with the paths of the contract and little else of it. A POST to any collection creates something, whose
// id has a form of its own, and which a DELETE deletes.
type foreign struct {
	mu      sync.Mutex
	form    func(w http.ResponseWriter, n int) (id, response string)
	n       int
	exists  map[string]bool
	created func()
	// permanent refuses deletions.
	permanent bool
}

func (f *foreign) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _ = io.Copy(io.Discard, r.Body)
	path := strings.TrimPrefix(r.URL.Path, "/v1")
	last := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case r.Method == http.MethodPost && slices.Contains([]string{"agents", "environments", "sessions", "vaults", "memory_stores", "files"}, last):
		f.n++
		id, response := f.form(w, f.n)
		f.exists[path+"/"+id] = true
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, response)
		if f.created != nil {
			f.created()
			select { // a caller that hangs up would not have the response
			case <-r.Context().Done():
			case <-time.After(200 * time.Millisecond):
			}
		}
	case r.Method == http.MethodDelete && f.permanent:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case r.Method == http.MethodDelete && f.exists[path]:
		delete(f.exists, path)
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodDelete:
		http.NotFound(w, r)
	default:
		_, _ = io.WriteString(w, "{}")
	}
}

func (f *foreign) left() (paths []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for path := range f.exists {
		paths = append(paths, path)
	}
	return paths
}

func startForeign(t *testing.T, form func(w http.ResponseWriter, n int) (id, response string)) (*foreign, *client.Client) {
	t.Helper()
	f := &foreign{form: form, exists: map[string]bool{}}
	web := httptest.NewServer(f)
	t.Cleanup(web.Close)
	c, err := client.New(client.WithBaseURL(web.URL+"/v1"), client.WithToken("pt-any"), client.WithHTTPClient(web.Client()), client.WithMaxRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	return f, c
}

func plainForm(_ http.ResponseWriter, n int) (id, response string) {
	id = fmt.Sprintf("sesn_%d", n)
	return id, fmt.Sprintf(`{"id":%q}`, id)
}

// few are operations and checks that create things, also by requests that a server has to refuse.
func few() []string {
	return []string{"createAgent", "createEnvironment", "createVault", "uploadFile", "listAgents", "examples", "content-type", "authentication", "idempotency", "paging"}
}

// TestEverythingIsDeletedWhateverItsID tests that what a server creates is deleted, whatever its ids look like, and although the server
// creates something for requests that it has to refuse.
func TestEverythingIsDeletedWhateverItsID(t *testing.T) {
	t.Parallel()
	for name, form := range map[string]func(w http.ResponseWriter, n int) (id, response string){
		"another prefix": plainForm,
		"a number": func(_ http.ResponseWriter, n int) (string, string) {
			return fmt.Sprint(n), fmt.Sprintf(`{"id":%d,"x":1}`, n)
		},
		"a slash": func(_ http.ResponseWriter, n int) (string, string) {
			return fmt.Sprintf("a b-%d", n), fmt.Sprintf(`{"name":"x","id":"a b-%d"}`, n)
		},
		"wrapped": func(_ http.ResponseWriter, n int) (string, string) {
			return fmt.Sprint("w-", n), fmt.Sprintf(`{"agent":{"id":"w-%d"}}`, n)
		},
		"under data": func(_ http.ResponseWriter, n int) (string, string) {
			return fmt.Sprint("d-", n), fmt.Sprintf(`{"ok":true,"data":{"id":"d-%d"}}`, n)
		},
		"in Location": func(w http.ResponseWriter, n int) (string, string) {
			w.Header().Set("Location", fmt.Sprintf("/v1/things/l-%d", n))
			return fmt.Sprint("l-", n), ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, c := startForeign(t, form)
			report, err := contractcheck.Run(t.Context(), c, contractcheck.Options{Only: few()})
			if err != nil {
				t.Fatal(err)
			}
			if left := f.left(); f.n < 5 || len(left) > 0 || len(report.Left) > 0 {
				t.Errorf("created %d; left %v, reported %v", f.n, left, report.Left)
			}
			if report.Conforms() {
				t.Error("the server conforms")
			}
		})
	}
}

// TestEverythingIsDeletedAfterCtrlC tests the same for a run that ends while something is being created.
func TestEverythingIsDeletedAfterCtrlC(t *testing.T) {
	t.Parallel()
	f, c := startForeign(t, plainForm)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.created = cancel // before the caller has the response
	if _, err := contractcheck.Run(ctx, c, contractcheck.Options{Only: few()}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if left := f.left(); f.n != 1 || len(left) > 0 {
		t.Errorf("created %d, left %v", f.n, left)
	}
}

// TestWhatIsLeftIsReported tests that what a server does not delete is in the report.
func TestWhatIsLeftIsReported(t *testing.T) {
	t.Parallel()
	f, c := startForeign(t, plainForm)
	f.permanent = true
	report, err := contractcheck.Run(t.Context(), c, contractcheck.Options{Only: []string{"createAgent", "examples"}})
	if err != nil {
		t.Fatal(err)
	}
	want := f.left()
	slices.Sort(want)
	slices.Sort(report.Left)
	if len(want) != 2 || !slices.Equal(want, report.Left) {
		t.Errorf("reported %v, want %v", report.Left, want)
	}
}

// TestEveryViolationOfAResponse tests that a report has all violations of a response, those of the body first.
func TestEveryViolationOfAResponse(t *testing.T) {
	t.Parallel()
	_, c := startForeign(t, func(w http.ResponseWriter, n int) (string, string) {
		w.Header().Set("Content-Type", "application/json")
		return fmt.Sprint("sesn_", n), fmt.Sprintf(`{"id":"sesn_%d","type":"agent","name":7,"region":"eu"}`, n)
	})
	report, err := contractcheck.Run(t.Context(), c, contractcheck.Options{Only: []string{"createAgent", "responses"}})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, v := range report.Violations() {
		if v.Status == http.StatusCreated {
			found = append(found, v.Rule+" "+v.Pointer)
		}
	}
	for _, want := range []string{"pattern /id", "type /name", "required /model", "required /version", "additionalProperties /region", "header "} {
		if !slices.Contains(found, want) {
			t.Errorf("no %s in %q", want, found)
		}
	}
	if len(found) > 0 && found[len(found)-1] != "header " {
		t.Errorf("headers are not last: %q", found)
	}
	data, err := json.Marshal(report)
	if err != nil || !strings.Contains(string(data), `"check":"responses"`) {
		t.Errorf("%s %v", data, err)
	}
}
