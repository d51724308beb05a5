package contractcheck

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/client"
)

// mostCuts is the most frames of a session after which its stream is cut.
const mostCuts = 40

// event is what the checks read of an event.
type event struct {
	ID         string
	Type       string
	TurnID     string          `json:"turn_id"`
	CreatedAt  string          `json:"created_at"`
	StopReason json.RawMessage `json:"stop_reason"`
	Content    []block
	Event      struct{ ID string } // of a start
	EventID    string              `json:"event_id"` // of a piece
	Delta      struct{ Content block }
	data       []byte
}

// block is a block of text.
type block struct{ Text string }

func (f frame) event() (e event) {
	_ = json.Unmarshal(f.data, &e) // what is not JSON is a violation of the schema
	e.data = f.data
	return e
}

// text returns the text of a message.
func (e event) text() (text string) {
	for _, b := range e.Content {
		text += b.Text
	}
	return text
}

// messageIn returns the text of the message in the body of a request that sends events.
func messageIn(body []byte) string {
	var sent struct {
		Events []struct{ Content json.RawMessage }
	}
	if json.Unmarshal(body, &sent) != nil || len(sent.Events) == 0 {
		return ""
	}
	var text string
	if json.Unmarshal(sent.Events[0].Content, &text) == nil {
		return text
	}
	var e event
	_ = json.Unmarshal(sent.Events[0].Content, &e.Content) // the other form
	return e.text()
}

// stored returns the frames of events that are in the log: those with an id.
func stored(frames []frame) []frame {
	return slices.DeleteFunc(slices.Clone(frames), func(f frame) bool { return f.id == "" })
}

// eventIDs returns the ids of frames.
func eventIDs(frames []frame) []string {
	ids := make([]string, len(frames))
	for i, f := range frames {
		ids[i] = f.id
	}
	return ids
}

// log returns the events of the session's list, oldest first; ok is false when it cannot be read.
func (p *probe) log(at place) (log []event, ok bool, err error) {
	path := strings.TrimSuffix(at.fill(p.Path), "/stream")
	cursor := ""
	for range mostPages {
		q, readable := p.read(path)
		if !readable {
			return nil, false, nil
		}
		q.query, q.retry = longest(q.op), true
		q.query.Set("order", "asc")
		if cursor != "" {
			q.query.Set("after_id", cursor)
		}
		got, err := p.send(q)
		var l struct {
			Data    []json.RawMessage
			HasMore bool `json:"has_more"`
		}
		if err != nil || !got.ok() || json.Unmarshal(got.body, &l) != nil {
			return log, false, err
		}
		for _, data := range l.Data {
			log = append(log, frame{data: data}.event())
		}
		if !l.HasMore || len(l.Data) == 0 {
			break
		}
		cursor = log[len(log)-1].ID
	}
	return log, true, nil
}

// open reads a stream from its beginning, or after an event, until it has n events of the log or sends none for a while.
func (p *probe) open(at place, after string, n int) (request, *reply, error) {
	q := p.request(at)
	q.header = http.Header{"Accept": {"text/event-stream"}}
	if after != "" {
		q.header["Last-Event-ID"] = []string{after}
	}
	got, err := p.stream(p.ctx, q, func(frames []frame) bool { return len(stored(frames)) >= n })
	return q, got, err
}

// follow reads a session's stream up to the events that its log has.
func (p *probe) follow(at place) error {
	log, _, err := p.log(at)
	if err != nil {
		return err
	}
	q, got, err := p.open(at, "", len(log))
	if err != nil || !p.wantSuccess(q, got) {
		return err
	}
	return nil
}

// turn examines the order of the turns that were run.
func (p *probe) turn() error {
	if len(p.places) == 0 || p.turns == 0 {
		p.skip("no turn was run")
		return nil
	}
	at := p.places[0]
	log, _, err := p.log(at)
	if err != nil {
		return err
	}
	q, got, err := p.open(at, "", len(log))
	if err != nil || !got.ok() {
		return err
	}
	p.turnsOn(q, got)
	read, ok := p.read("/sessions/" + at.ids["session_id"])
	if !ok {
		return nil
	}
	session, err := p.send(read)
	var sent struct{ Status string }
	if err == nil && session.ok() && json.Unmarshal(session.body, &sent) == nil && sent.Status != string(client.SessionStatusIdle) {
		p.note(read, session, "/status", "want idle, since the turns have ended")
	}
	return err
}

// turnsOn examines the events of each turn on a stream.
func (p *probe) turnsOn(q request, got *reply) {
	var turns []string
	of := map[string][]event{}
	seen := map[string]bool{}
	for _, f := range stored(got.frames) {
		e := f.event()
		if seen[f.id] {
			p.note(q, got, "", "two events have the same id")
		}
		if seen[f.id] = true; of[e.TurnID] == nil {
			turns = append(turns, e.TurnID)
		}
		of[e.TurnID] = append(of[e.TurnID], e)
	}
	var texts []string
	for _, f := range stored(got.frames) {
		if e := f.event(); e.Type == string(client.EventTypeUserMessage) {
			texts = append(texts, e.text())
		}
	}
	if len(p.messages) > len(texts) || !slices.Equal(texts[:len(p.messages)], p.messages) {
		p.note(q, got, "", "the messages of the user are not those that were sent")
	}
	if len(turns) < p.turns {
		p.note(q, got, "", fmt.Sprintf("it has the events of %d turns, want %d", len(turns), p.turns))
	}
	for _, id := range turns {
		events := of[id]
		idle := 0
		for _, e := range events {
			if e.Type == string(client.EventTypeSessionStatusIdle) {
				idle++
			}
		}
		last := events[len(events)-1]
		switch {
		case events[0].Type != string(client.EventTypeSessionStatusRunning):
			p.note(q, got, "", "a turn does not begin with session.status_running")
		case !slices.ContainsFunc(events, func(e event) bool { return e.Type == string(client.EventTypeUserMessage) }):
			p.note(q, got, "", "a turn lacks its user.message")
		case idle != 1:
			p.note(q, got, "", fmt.Sprintf("a turn has %d session.status_idle, want 1", idle))
		case last.Type != string(client.EventTypeSessionStatusIdle):
			p.note(q, got, "", "a turn does not end with session.status_idle")
		default:
			p.passed(p.check, p.ID)
		}
	}
}

// history compares a stream with the list of events.
func (p *probe) history() error {
	if len(p.places) == 0 {
		p.skip("no session exists")
		return nil
	}
	at := p.places[0]
	log, ok, err := p.log(at)
	if err != nil || !ok || len(log) == 0 {
		p.skip("the session has no events")
		return err
	}
	q, got, err := p.open(at, "", len(log))
	if err != nil || !got.ok() {
		return err
	}
	if !strings.Contains(got.header.Get("Cache-Control"), "no-store") {
		p.note(q, got, "", "want Cache-Control: no-store, since proxies hold back what they can store")
	}
	frames := stored(got.frames)
	for i, want := range log {
		if i > 0 && earlier(want.CreatedAt, log[i-1].CreatedAt) {
			p.note(q, got, "/created_at", "an event is earlier than the one before it")
		}
		if i >= len(frames) {
			p.note(q, got, "", "an event of the list is missing: "+want.Type)
			return nil
		}
		var one, two any
		if json.Unmarshal(want.data, &one) != nil || json.Unmarshal(frames[i].data, &two) != nil {
			return nil // a violation of the schema
		}
		if at, same := within(one, two); !same {
			p.note(q, got, at, "an event is not the one that the list has at its place: "+want.Type)
			return nil
		}
	}
	p.passed(p.check, p.ID)
	return nil
}

// resume cuts a stream after each of its frames, and resumes after the last event.
func (p *probe) resume() error {
	if len(p.places) == 0 {
		p.skip("no session exists")
		return nil
	}
	at := p.places[0]
	log, ok, err := p.log(at)
	if err != nil || !ok || len(log) < 2 {
		p.skip("the session has fewer than two events")
		return err
	}
	_, got, err := p.open(at, "", len(log))
	if err != nil || !got.ok() {
		return err
	}
	whole := eventIDs(stored(got.frames))
	for cut := 1; cut <= len(whole) && cut <= mostCuts; cut++ {
		right, err := p.cutAt(at, whole, cut)
		if err != nil || !right {
			return err
		}
	}
	p.passed(p.check, p.ID)
	if err := p.precedence(at, whole); err != nil {
		return err
	}
	q := p.request(at)
	q.query = url.Values{"after_id": {unknownCursor(p.target)}}
	return p.refuse(q, "no event has this id", "", http.StatusBadRequest)
}

// cutAt reads a stream up to a frame, ends the connection, resumes after the frame and compares all with the whole. It uses
// both names of the cursor.
func (p *probe) cutAt(at place, whole []string, cut int) (right bool, err error) {
	_, first, err := p.open(at, "", cut)
	if err != nil {
		return false, err
	}
	before := eventIDs(stored(first.frames))
	if len(before) == 0 {
		return false, nil
	}
	q := p.request(at)
	q.header = http.Header{"Accept": {"text/event-stream"}}
	if last := before[len(before)-1]; cut%2 == 0 {
		q.query = url.Values{"after_id": {last}}
	} else {
		q.header["Last-Event-ID"] = []string{last}
	}
	ctx := p.ctx
	if cut == len(whole) { // nothing may come
		var cancel context.CancelFunc
		ctx, cancel = p.later(silence)
		defer cancel()
	}
	rest := max(len(whole)-len(before), 1)
	got, err := p.stream(ctx, q, func(frames []frame) bool { return len(stored(frames)) >= rest })
	if err != nil {
		return false, err
	}
	if !got.ok() {
		p.want(q, got, "the stream resumes after an event that it has sent", http.StatusOK)
		return false, nil
	}
	after := eventIDs(stored(got.frames))
	if all := slices.Concat(before, after); !slices.Equal(all, whole) {
		reason := "an event is missing after the cut"
		if slices.ContainsFunc(after, func(id string) bool { return slices.Contains(before, id) }) {
			reason = "an event comes a second time after the cut"
		}
		p.note(q, got, "", fmt.Sprintf("%s, which was after %d of %d events", reason, cut, len(whole)))
		return false, nil
	}
	return true, nil
}

// precedence resumes with two cursors, of which Last-Event-ID counts.
func (p *probe) precedence(at place, whole []string) error {
	if len(whole) < 3 {
		return nil
	}
	q := p.request(at)
	q.header = http.Header{"Accept": {"text/event-stream"}, "Last-Event-Id": {whole[len(whole)-2]}}
	q.query = url.Values{"after_id": {whole[0]}}
	got, err := p.stream(p.ctx, q, func(frames []frame) bool { return len(stored(frames)) >= 1 })
	if err == nil && got.ok() && len(got.frames) > 0 && got.frames[0].id != whole[len(whole)-1] {
		p.note(q, got, "", "Last-Event-ID does not take precedence over after_id")
	}
	return err
}

// increments sends a message while two streams are open, one of which requests increments.
func (p *probe) increments() error {
	sender, ok := p.sender()
	if len(p.places) == 0 || !ok {
		p.skip("no message can be sent")
		return nil
	}
	at := p.places[0]
	log, _, err := p.log(at)
	if err != nil || len(log) == 0 {
		p.skip("the session has no events")
		return err
	}
	plain := p.request(at)
	plain.header = http.Header{"Accept": {"text/event-stream"}, "Last-Event-Id": {log[len(log)-1].ID}}
	pieces := plain
	pieces.query = url.Values{"event_deltas[]": {string(client.DeltaTypeAgentMessage)}}
	ctx, cancel := p.later(turnPatience)
	defer cancel()
	reading := [2]*reply{}
	var streams, opened sync.WaitGroup
	opened.Add(len(reading))
	for i, q := range []request{plain, pieces} {
		var once sync.Once
		streams.Go(func() {
			defer once.Do(opened.Done)
			reading[i] = p.exchange(ctx, q, func() { once.Do(opened.Done) }, ended)
		})
	}
	opened.Wait()
	q := sender.request(at)
	body := p.bodiesOf(sender.target)[0]
	q.body, q.media = body.data, body.media
	sent, err := p.send(q)
	if err != nil || !sent.ok() {
		cancel()
	} else {
		p.turns++
		giveUp := time.AfterFunc(streamPatience+turnPatience/10, cancel)
		defer giveUp.Stop()
	}
	streams.Wait()
	if err != nil {
		return err
	}
	for i, q := range []request{plain, pieces} {
		if err := p.examine(q, reading[i]); err != nil {
			return err
		}
	}
	p.pieces(plain, reading[0], pieces, reading[1])
	return p.settle(at.ids["session_id"])
}

// ended reports whether a turn has ended on a stream.
func ended(frames []frame) bool {
	return len(frames) > 0 && frames[len(frames)-1].event().Type == string(client.EventTypeSessionStatusIdle)
}

// sender returns the probe of the operation that sends messages to the session of a stream.
func (p *probe) sender() (*probe, bool) {
	for _, s := range plan {
		if op := p.run.target(s); op.Method == http.MethodPost && op.Path+"/stream" == p.Path {
			return &probe{run: p.run, target: op, check: p.check}, !p.options.ReadOnly
		}
	}
	return nil, false
}

// pieces compares the increments of a stream with its events.
func (p *probe) pieces(plain request, without *reply, q request, with *reply) {
	if slices.ContainsFunc(without.frames, func(f frame) bool { return strings.HasPrefix(f.kind, "event_") }) {
		p.note(plain, without, "", "it has increments, which were not requested")
		return
	}
	begun := map[string]string{}
	for _, f := range with.frames {
		e := f.event()
		switch e.Type {
		case "event_start":
			begun[e.Event.ID] = ""
		case "event_delta":
			if _, ok := begun[e.EventID]; !ok {
				p.note(q, with, "", "an increment comes before the start of its event")
				return
			}
			begun[e.EventID] += e.Delta.Content.Text
		default:
			if joined, ok := begun[e.ID]; ok && joined != e.text() {
				p.note(q, with, "", "the increments joined are not the event")
				return
			}
		}
	}
	p.passed(p.check, p.ID)
}
