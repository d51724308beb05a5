package storetest

import (
	"context"
	"fmt"
	"strconv"

	"github.com/cloud-sessions/sessions/server/store"
)

// choose returns something to do.
func (w *walker) choose() step {
	acc, text := w.account(), strconv.Itoa(w.IntN(100))
	agent, environment, session := w.id("agent", acc), w.id("env", acc), w.id("sess", acc)
	switch n := w.IntN(130); {
	case n >= 120:
		return w.listEvents(acc, session, w.eventFilter(), w.page(func() string { return w.event(acc, session) }))
	case n >= 118:
		id := w.event(acc, session)
		return both(fmt.Sprintf("position of %s in %s of %s", id, session, acc),
			func(ctx context.Context) (int64, error) { return w.EventPosition(ctx, acc, session, id) },
			func(m *model) (int64, error) { return m.eventPosition(acc, session, id) })
	case n >= 103:
		return w.appendEvents(acc, session, text)
	case n >= 100:
		limit := 1 + w.IntN(4)
		return both(fmt.Sprintf("count up to %d busy sessions of %s", limit, acc),
			func(ctx context.Context) (int, error) { return w.CountBusySessions(ctx, acc, limit) },
			func(m *model) (int, error) { return m.countBusySessions(acc, limit), nil })
	case n < 6:
		spec := agentSpec()
		spec.Name = text
		return both("create agent",
			func(ctx context.Context) (store.Agent, error) { return w.CreateAgent(ctx, acc, spec) },
			func(m *model) (store.Agent, error) { return m.createAgent(acc, spec) })
	case n < 14:
		return w.updateAgent(acc, agent, text)
	case n < 15:
		return both("archive "+agent,
			func(ctx context.Context) (store.Agent, error) { return w.ArchiveAgent(ctx, acc, agent) },
			func(m *model) (store.Agent, error) { return m.archiveAgent(acc, agent) })
	case n < 16:
		return both("delete "+agent,
			func(ctx context.Context) (any, error) { return done(w.DeleteAgent(ctx, acc, agent)) },
			func(m *model) (any, error) { return done(m.deleteAgent(acc, agent)) })
	case n < 20:
		version := int32(w.IntN(4))
		return both(fmt.Sprintf("get %s at %d", agent, version),
			func(ctx context.Context) (store.Agent, error) { return w.GetAgent(ctx, acc, agent, version) },
			func(m *model) (store.Agent, error) { return m.getAgent(acc, agent, version) })
	case n < 24:
		return w.listAgents(acc, w.page(func() string { return w.id("agent", acc) }))
	case n < 29:
		page := w.page(func() string { return strconv.Itoa(w.IntN(5)) })
		return both(fmt.Sprintf("list versions of %s: %+v", agent, page),
			func(ctx context.Context) (store.List[store.Agent], error) {
				return w.ListAgentVersions(ctx, acc, agent, page)
			},
			func(m *model) (store.List[store.Agent], error) { return m.listAgentVersions(acc, agent, page) })
	case n < 34:
		spec := environmentSpec()
		spec.Name = text
		return both("create environment",
			func(ctx context.Context) (store.Environment, error) { return w.CreateEnvironment(ctx, acc, spec) },
			func(m *model) (store.Environment, error) { return m.createEnvironment(acc, spec) })
	case n < 39:
		return w.updateEnvironment(acc, environment, text)
	case n < 40:
		return both("archive "+environment,
			func(ctx context.Context) (store.Environment, error) {
				return w.ArchiveEnvironment(ctx, acc, environment)
			},
			func(m *model) (store.Environment, error) { return m.archiveEnvironment(acc, environment) })
	case n < 43:
		return both("delete "+environment,
			func(ctx context.Context) (any, error) { return done(w.DeleteEnvironment(ctx, acc, environment)) },
			func(m *model) (any, error) { return done(m.deleteEnvironment(acc, environment)) })
	case n < 46:
		return w.listEnvironments(acc, w.page(func() string { return w.id("env", acc) }))
	case n < 60:
		spec := w.sessionSpec(acc, agent, environment)
		spec.Title, spec.AgentVersion = text, int32(max(0, w.IntN(5)-2))
		return both(fmt.Sprintf("create session of %s at %d in %s", agent, spec.AgentVersion, environment),
			func(ctx context.Context) (store.Session, error) { return w.CreateSession(ctx, acc, spec) },
			func(m *model) (store.Session, error) { return m.createSession(acc, spec) })
	case n < 76:
		return w.updateSession(acc, session, text)
	case n < 82:
		var refuse error
		if w.IntN(3) == 0 {
			refuse = errStop
		}
		allow := func(store.Session) error { return refuse }
		return both(fmt.Sprintf("delete %s: %v", session, refuse),
			func(ctx context.Context) (any, error) { return done(w.DeleteSession(ctx, acc, session, allow)) },
			func(m *model) (any, error) { return done(m.deleteSession(acc, session, allow)) })
	default:
		return w.listSessions(acc, w.filter(acc), w.page(func() string { return w.id("sess", acc) }))
	}
}

func (w *walker) updateAgent(acc, id, text string) step {
	version := int32(1 + w.IntN(3))
	if r, err := w.model.agents.find(store.NounAgent, acc, id); err == nil && w.IntN(4) > 0 {
		version = r.value.latest().Version
	}
	change := func(spec *store.AgentSpec) error {
		spec.Name, spec.Metadata["n"] = text, text
		return failOn(text)
	}
	return both(fmt.Sprintf("update %s at %d to %s", id, version, text),
		func(ctx context.Context) (store.Agent, error) { return w.UpdateAgent(ctx, acc, id, version, change) },
		func(m *model) (store.Agent, error) { return m.updateAgent(acc, id, version, change) })
}

func (w *walker) updateEnvironment(acc, id, text string) step {
	change := func(spec *store.EnvironmentSpec) error {
		spec.Name, spec.Metadata["n"] = text, text
		return failOn(text)
	}
	return both(fmt.Sprintf("update %s to %s", id, text),
		func(ctx context.Context) (store.Environment, error) { return w.UpdateEnvironment(ctx, acc, id, change) },
		func(m *model) (store.Environment, error) { return m.updateEnvironment(acc, id, change) })
}

func (w *walker) updateSession(acc, id, text string) step {
	w.files(acc, "file_1", "file_2")
	what, change := w.sessionChange(text)
	return both(fmt.Sprintf("update %s: %s", id, what),
		func(ctx context.Context) (store.Session, error) { return w.UpdateSession(ctx, acc, id, change) },
		func(m *model) (store.Session, error) { return m.updateSession(acc, id, change) })
}

// sessionChange returns something to make of a session.
func (w *walker) sessionChange(text string) (what string, change func(v *store.Session) error) {
	kind, at := w.IntN(8), w.clock.stamp()
	return fmt.Sprintf("%d with %s", kind, text), func(v *store.Session) error {
		switch kind {
		case 0:
			v.Title = text
		case 1:
			v.Metadata[text] = text
		case 2:
			v.Resources = append(v.Resources, store.Resource{FileID: fmt.Sprint("file_", 1+len(text)%2)})
		case 3:
			v.Resources = v.Resources[:len(v.Resources)/2]
		case 4:
			v.Usage.InputTokens++
		case 5:
			v.ArchivedAt = &at
		case 6:
			v.Status = statuses[len(text)%len(statuses)]
		case 7:
			v.Turn = store.Turn{ID: text, Lease: v.Turn.Lease + 1, Pending: append(v.Turn.Pending, store.PendingAction{EventID: text})}
		}
		return failOn(text)
	}
}

// appendedEvents is what an append results in.
type appendedEvents struct {
	Session store.Session
	Events  []store.Event
}

// appendEvents appends events of which some have an id that was made now or long ago, or none has.
func (w *walker) appendEvents(acc, id, text string) step {
	what, change := w.sessionChange(text)
	events := make([]store.NewEvent, w.IntN(4))
	reserved := []string{"", w.known["evt"][w.IntN(len(w.known["evt"]))], w.NewID("evt")}
	w.model.newID("evt")
	for i := range events {
		events[i] = store.NewEvent{Type: eventTypes[w.IntN(len(eventTypes))], TurnID: text, Payload: someEvents()[i].Payload, ID: reserved[w.IntN(len(reserved))]}
	}
	changeAnd := func(v *store.Session) ([]store.NewEvent, error) { return events, change(v) }
	return both(fmt.Sprintf("append %+v to %s: %s", events, id, what),
		func(ctx context.Context) (got appendedEvents, err error) {
			got.Session, got.Events, err = w.AppendEvents(ctx, acc, id, changeAnd)
			return got, err
		},
		func(m *model) (want appendedEvents, err error) {
			want.Session, want.Events, err = m.appendEvents(acc, id, changeAnd)
			return want, err
		})
}

// failOn lets one change out of ten fail.
func failOn(text string) error {
	if text[len(text)-1] == '7' {
		return errStop
	}
	return nil
}

func (w *walker) listAgents(acc string, page store.Page) step {
	return both(fmt.Sprintf("list agents of %s: %+v", acc, page),
		func(ctx context.Context) (store.List[store.Agent], error) { return w.ListAgents(ctx, acc, page) },
		func(m *model) (store.List[store.Agent], error) { return m.listAgents(acc, page) })
}

func (w *walker) listEnvironments(acc string, page store.Page) step {
	return both(fmt.Sprintf("list environments of %s: %+v", acc, page),
		func(ctx context.Context) (store.List[store.Environment], error) {
			return w.ListEnvironments(ctx, acc, page)
		},
		func(m *model) (store.List[store.Environment], error) {
			return m.environments.list(acc, page, func(store.Environment) bool { return true })
		})
}

func (w *walker) listSessions(acc string, filter store.SessionFilter, page store.Page) step {
	return both(fmt.Sprintf("list sessions of %s: %+v of %+v", acc, page, filter),
		func(ctx context.Context) (store.List[store.Session], error) {
			return w.ListSessions(ctx, acc, filter, page)
		},
		func(m *model) (store.List[store.Session], error) {
			return m.sessions.list(acc, page, func(v store.Session) bool { return passes(filter, v) })
		})
}

func (w *walker) listEvents(acc, session string, filter store.EventFilter, page store.Page) step {
	return both(fmt.Sprintf("list events of %s of %s: %+v of %+v", session, acc, page, filter),
		func(ctx context.Context) (store.List[store.Event], error) {
			return w.ListEvents(ctx, acc, session, filter, page)
		},
		func(m *model) (store.List[store.Event], error) { return m.listEvents(acc, session, filter, page) })
}
