package worker

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	anthropic "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/lib/environments"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/tools/agenttoolset"

	"github.com/cloud-sessions/sessions/client"
)

// item is a work item that a worker does: the tools of one session until it is idle.
type item struct {
	*Worker
	work    *anthropic.BetaSelfHostedWork
	session client.SessionID
	api     *client.Client  // with the item's token
	ctx     context.Context // ends with the item
	calls   calls
	mounts  *mounts
	tried   map[string]client.FileID // the files that were downloaded, or could not be, by their paths

	reporting sync.Mutex
}

// do does a work item, until it is idle or, after ctx has ended, its running tool has.
func (w *Worker) do(ctx context.Context, work *anthropic.BetaSelfHostedWork) error {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	api, err := client.New(client.WithBaseURL(w.options.BaseURL), client.WithToken(tokenOf(work.Secret, w.options.Key)))
	if err != nil {
		return err
	}
	i := &item{
		Worker: w, work: work, session: work.Data.ID, api: api, ctx: running,
		calls: calls{cancel: cancel}, mounts: newMounts(w.Dir), tried: map[string]client.FileID{},
	}
	defer context.AfterFunc(ctx, func() {
		if i.calls.end() {
			i.report("the worker ends after this tool; interrupt it again to end it at once")
		}
	})()
	idle := w.options.maxIdle()
	worker := environments.NewEnvironmentWorker(w.client, environments.EnvironmentWorkerOptions{
		Workdir: w.Dir, MaxIdle: &idle, ToolsFunc: i.tools,
		Logger:         slog.New(quiet{w.options.Log.Handler()}),
		RequestOptions: []option.RequestOption{option.WithMiddleware(i.exchange)},
	})
	i.report("began")
	defer i.report("ended")
	var leaving sync.WaitGroup
	defer leaving.Wait()
	defer cancel()
	leaving.Go(func() { i.leave(running, idle+idle/4) })
	err = worker.HandleItem(running, environments.HandleItemOptions{
		WorkID: work.ID, EnvironmentID: w.options.EnvironmentID, SessionID: work.Data.ID, WorkSecret: work.Secret,
		EnvironmentKey: w.options.Key, ExpectedLastHeartbeat: "NO_HEARTBEAT",
	})
	if running.Err() != nil {
		return nil // it was ended
	}
	return err
}

// leave ends the item when its session has not been in a turn for a time. The official worker does so only after a turn, so
// that a session without one would keep the worker from others. A session that begins a turn later gets a new item.
func (i *item) leave(ctx context.Context, after time.Duration) {
	ticks := time.NewTicker(after)
	defer ticks.Stop()
	for seen := client.EventID(""); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		end, idle, err := i.lastTurn(ctx)
		switch {
		case err != nil || !idle: // the official worker notices what does not pass
		case end == seen:
			i.calls.end()
			return
		default:
			seen = end
		}
	}
}

// lastTurn returns the end of the session's last turn, "" without a turn, and whether no turn runs now.
func (i *item) lastTurn(ctx context.Context) (end client.EventID, idle bool, err error) {
	page, err := i.api.Sessions.Events.List(ctx, i.session, &client.ListEventsParams{
		Limit: new(int32(1)), Order: new(client.EventOrderDesc), Types: []client.EventType{
			client.EventTypeSessionStatusIdle, client.EventTypeSessionStatusRunning, client.EventTypeSessionStatusRescheduled,
		},
	}, client.WithMaxRetries(0))
	if err != nil || len(page.Data) == 0 {
		return "", true, err
	}
	status, ended := page.Data[0].Value.(client.SessionStatusIdleEvent)
	return page.Data[0].ID, ended && status.StopReason.Type != client.StopReasonTypeRequiresAction, nil
}

// report reports what happens in the session.
func (i *item) report(format string, args ...any) {
	i.reporting.Lock()
	defer i.reporting.Unlock()
	if i.options.Report != nil {
		i.options.Report(fmt.Sprintf("%s: ", i.session) + fmt.Sprintf(format, args...))
	}
}

// tokenOf returns the token in the secret of a work item, or else the key.
func tokenOf(secret, key string) string {
	var inside struct {
		Token string `json:"sessions_token"`
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(secret, "="))
	if err == nil {
		err = json.Unmarshal(raw, &inside)
	}
	if err != nil || inside.Token == "" {
		return key
	}
	return inside.Token
}

// exchange is between the official worker and the server: it moves the memory stores of the session into the worker's folder,
// and does not send the result of a call that was not run.
func (i *item) exchange(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	isSession := r.Method == http.MethodGet && path.Base(r.URL.Path) == i.session
	isResult := r.Method == http.MethodPost && path.Base(r.URL.Path) == "events"
	if isResult && i.calls.unsent() {
		return &http.Response{
			StatusCode: http.StatusServiceUnavailable, Header: http.Header{"X-Should-Retry": {"false"}}, Body: http.NoBody, Request: r,
		}, nil
	}
	resp, err := next(r)
	if err != nil || !isSession || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	if closed := resp.Body.Close(); err == nil {
		err = closed
	}
	if err == nil {
		body, err = i.moveStores(body)
	}
	if err != nil {
		return nil, err
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp.Header.Del("Content-Length")
	return resp, nil
}

// moveStores returns a session whose memory stores have paths in the worker's folder: on this machine the paths that the
// agent knows may be somebody else's, or not writable. A store that cannot be there is left out, and told the agent.
func (i *item) moveStores(session []byte) ([]byte, error) {
	var fields map[string]json.RawMessage
	var resources []map[string]any
	if err := json.Unmarshal(session, &fields); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(fields["resources"], &resources); err != nil {
		return nil, err
	}
	mounted := resources[:0]
	for _, r := range resources {
		at, _ := r["mount_path"].(string)
		if r["type"] != "memory_store" || at == "" {
			mounted = append(mounted, r)
			continue
		}
		name, err := i.folder.reserve(strings.TrimPrefix(at, "/"), "-"+i.work.ID)
		if err != nil { // the turn continues without it
			i.mounts.failed[at] = err.Error()
			i.report("%s (%v) was not mounted: %v", at, r["memory_store_id"], err)
			continue
		}
		i.mounts.add(link{at, name, true})
		r["mount_path"] = filepath.Join(i.Dir, filepath.FromSlash(name))
		mounted = append(mounted, r)
	}
	changed, err := json.Marshal(mounted)
	if err != nil {
		return nil, err
	}
	fields["resources"] = changed
	return json.Marshal(fields)
}

// refreshTime bounds the question which files a session has now.
const refreshTime = 10 * time.Second

// refresh downloads the files that the session has by now, and removes those that it has no longer. What it cannot do is
// reported, and told the agent when it uses the file.
func (i *item) refresh(ctx context.Context) {
	asked, cancel := context.WithTimeout(ctx, refreshTime)
	session, err := i.api.Sessions.Get(asked, i.session, client.WithMaxRetries(1))
	cancel()
	if err != nil {
		return // the official worker notices what does not pass
	}
	names := map[string]bool{}
	for _, r := range session.Resources {
		if file, ok := r.AsAny().(client.FileResource); ok {
			names[strings.TrimPrefix(file.MountPath, "/")] = true
			i.fetch(ctx, file)
		}
	}
	for at := range i.tried {
		if !names[strings.TrimPrefix(at, "/")] {
			delete(i.tried, at)
			delete(i.mounts.failed, at)
		}
	}
	i.folder.removeExcept(i.session, names)
}

// fetch downloads a file, once.
func (i *item) fetch(ctx context.Context, file client.FileResource) {
	at := file.MountPath
	if i.tried[at] == file.FileID {
		return
	}
	err := errors.New("its path lies in a memory store")
	if l, _ := i.mounts.of(at); !l.store {
		err = i.folder.place(ctx, i.session, i.mounts.addFile(at), file.FileID, func(ctx context.Context, to io.Writer) error {
			_, err := i.api.Files.Download(ctx, file.FileID, to)
			return err
		})
	}
	if ctx.Err() != nil {
		return // the next call tries again
	}
	i.tried[at] = file.FileID
	delete(i.mounts.failed, at)
	if err != nil {
		i.mounts.failed[at] = err.Error()
		i.report("%s (%s) was not downloaded: %v", at, file.FileID, err)
	}
}

// tools returns the session's tools. It downloads the session's files first, while the official worker keeps the lease.
func (i *item) tools(env *agenttoolset.AgentToolContext) []anthropic.BetaTool {
	i.refresh(i.ctx)
	all := toolset(env, i.options.Bash, i.mounts)
	for n, t := range all {
		all[n] = &call{BetaTool: t, item: i}
	}
	return all
}
