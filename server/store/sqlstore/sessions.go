package sqlstore

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// sessionRows reads a session; its agent comes from agentAt.
func sessionRows() rows[store.Session] {
	return rows[store.Session]{
		noun:  store.NounSession,
		table: "sessions",
		selection: `SELECT r.id, r.agent_id, r.agent_version, r.environment_id, r.self_hosted, r.title, r.status,
				r.metadata, r.environment_variables,
				r.delta_flush_interval, r.memory_store_ids, r.vault_ids, r.resources,
				r.input_tokens, r.output_tokens, r.cache_read_input_tokens,
				r.cache_creation_5m, r.cache_creation_1h, r.credit_cents, r.turn_id, r.turn_lease, r.turn_pending, r.turn_origin,
				r.created_at, r.updated_at, r.archived_at
			FROM sessions r`,
		scan: scanSession,
		size: sessionSize,
		complete: func(ctx context.Context, s *Store, account string, v *store.Session) (err error) {
			v.Agent, err = s.agentAt(ctx, account, v.Agent.ID, v.Agent.Version)
			return err
		},
	}
}

func scanSession(row engine.Scanner) (store.Session, error) {
	var v store.Session
	var flushMicros, selfHosted int64
	var resources []resourceJSON
	err := row.Scan(
		&v.ID, &v.Agent.ID, &v.Agent.Version, &v.EnvironmentID, &selfHosted, &v.Title, (*string)(&v.Status),
		fromJSON{&v.Metadata}, fromJSON{&v.EnvironmentVariables},
		&flushMicros, fromJSON{&v.MemoryStoreIDs}, fromJSON{&v.VaultIDs}, fromJSON{&resources},
		&v.Usage.InputTokens, &v.Usage.OutputTokens, &v.Usage.CacheReadInputTokens,
		&v.Usage.CacheCreation5m, &v.Usage.CacheCreation1h, &v.Usage.CreditCents,
		&v.Turn.ID, &v.Turn.Lease, fromJSON{&v.Turn.Pending}, &v.Turn.Origin,
		timeTo{&v.CreatedAt}, timeTo{&v.UpdatedAt}, timeOrNilTo{&v.ArchivedAt},
	)
	v.SelfHosted = selfHosted != 0
	v.DeltaFlushInterval = time.Duration(flushMicros) * time.Microsecond
	v.Resources = fromResourcesJSON(resources)
	return v, err
}

// CreateSession implements store.Sessions.
func (s *Store) CreateSession(ctx context.Context, account string, spec store.SessionSpec) (v store.Session, err error) {
	if v, ok, err := s.createAtOnce(ctx, account, spec); ok || err != nil {
		return orZero(v, err)
	}
	err = s.Atomically(ctx, func(ctx context.Context) error {
		agent, selfHosted, err := s.agentForUse(ctx, account, spec)
		if err != nil {
			return err
		}
		mounts, err := s.mounts(ctx, account, spec.MemoryStores)
		if err != nil {
			return err
		}
		v = s.newSession(spec, agent, mounts)
		v.SelfHosted = selfHosted
		s.remembersNew(ctx, store.SessionRef{Account: account, ID: v.ID})
		if err := s.refer(ctx, account, v.ID, nil, v.Resources); err != nil {
			return err
		}
		return s.addSession(ctx, account, v)
	})
	return orZero(v, err)
}

// insertSession locks the agent and the environment of a new session and stores it, in one statement. It stores nothing when
// one of them is missing, archived or locked, or the environment may be self-hosted: a work item goes with that. It waits for no
// lock, since others may share its transaction.
const insertSession = `WITH agent AS (
		SELECT version FROM agents
		WHERE account_id = $1 AND id = $3 AND +deleted_at IS NULL AND archived_at IS NULL FOR KEY SHARE SKIP LOCKED
	), environment AS (
		SELECT 1 FROM environments
		WHERE account_id = $1 AND id = $4 AND EXISTS (SELECT 1 FROM agent)
			AND +deleted_at IS NULL AND archived_at IS NULL AND config NOT LIKE '%self_hosted%' FOR KEY SHARE SKIP LOCKED
	)
	INSERT INTO sessions (account_id, id, agent_id, environment_id, title, status, metadata, environment_variables,
		delta_flush_interval, memory_store_ids, vault_ids, resources, created_at, updated_at, agent_version)
	SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9::bigint, '[]', $10, '[]', $11::bigint, $11::bigint,
		COALESCE(NULLIF($12::bigint, 0), agent.version)
	FROM agent, environment
	ON CONFLICT (account_id, id) DO NOTHING RETURNING agent_version`

// createAtOnce creates a session that refers to nothing but an agent and an environment, where a statement's round trip is
// what costs. ok is false when it has not: then CreateSession does, or knows why not.
func (s *Store) createAtOnce(ctx context.Context, account string, spec store.SessionSpec) (v store.Session, ok bool, err error) {
	writer, remote := s.db.Engine.(engine.Writer)
	if !remote || len(spec.MemoryStores)+len(spec.Resources) > 0 {
		return v, false, nil
	}
	if spec.AgentVersion > 0 {
		if _, err := s.agentAt(ctx, account, spec.AgentID, spec.AgentVersion); err != nil {
			return v, false, nil
		}
	}
	v = s.newSession(spec, store.Agent{}, []store.Resource{})
	step := found(&v.Agent.Version, &ok, func(row engine.Scanner) (version int32, err error) { return version, row.Scan(&version) },
		insertSession, account, v.ID, spec.AgentID, v.EnvironmentID, v.Title, string(v.Status),
		toJSON(v.Metadata), toJSON(v.EnvironmentVariables), v.DeltaFlushInterval.Microseconds(),
		toJSON(v.VaultIDs), toMicros(v.CreatedAt), spec.AgentVersion)
	if _, within := s.scopeOf(ctx); within {
		err = s.Atomically(ctx, func(ctx context.Context) error { return s.query(ctx, step.Query, step.Each) })
	} else {
		ref := store.SessionRef{Account: account, ID: v.ID}
		s.recent.begin(ref)
		err = s.writeOnce(ctx, writer, step)
		if errors.Is(err, engine.ErrUndone) {
			ok, err = false, nil
		}
		if err == nil && ok {
			s.recent.created(ref)
		} else {
			s.recent.undone(ref)
		}
		if err == nil && !ok { // it may have been sent twice, over two connections
			stored, err := s.GetSession(ctx, account, v.ID)
			return stored, err == nil, missingIsFine(err)
		}
	}
	if err == nil && ok {
		v.Agent, err = s.agentAt(ctx, account, spec.AgentID, v.Agent.Version)
	}
	return v, ok, err
}

// missingIsFine returns err, or nil for a store.ErrNotFound.
func missingIsFine(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// writeOnce runs a statement in a transaction of its own.
func (s *Store) writeOnce(ctx context.Context, writer engine.Writer, step engine.Step) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.calls.Done()
	return writer.Write(ctx, step.Query, step.Each)
}

// GetSession implements store.Sessions.
func (s *Store) GetSession(ctx context.Context, account, id string) (store.Session, error) {
	return get(ctx, s, sessionRows(), account, id)
}

// SessionRevision implements store.Sessions.
func (s *Store) SessionRevision(ctx context.Context, account, id string) (int64, error) {
	scan := func(row engine.Scanner) (revision int64, err error) {
		err = row.Scan(&revision)
		return revision, err
	}
	var revision int64
	there := false
	step := found(&revision, &there, scan, `SELECT revision FROM sessions WHERE account_id = $1 AND id = $2 AND +deleted_at IS NULL`,
		account, id)
	step.Shared = true
	err := s.query(ctx, step.Query, step.Each)
	if err == nil && !there {
		err = missing(store.ErrNotFound, store.MissingError{Noun: store.NounSession, ID: id})
	}
	return orZero(revision, err)
}

// selectByToken finds a work item of a session that a worker has by the token of a delivery.
const selectByToken = `SELECT id FROM work_items WHERE account_id = $1 AND session_id = $2
	AND state IN ('starting', 'active', 'stopping') AND by_token = 1 AND free_at > $3`

// SessionEnvironment implements store.Sessions.
func (s *Store) SessionEnvironment(ctx context.Context, account, id string) (environment string, byToken bool, err error) {
	environment, err = one(ctx, s, scanID, `SELECT environment_id FROM sessions WHERE account_id = $1 AND id = $2 AND +deleted_at IS NULL`,
		account, id)
	if err != nil {
		return "", false, missing(err, store.MissingError{Noun: store.NounSession, ID: id})
	}
	items, err := all(ctx, s, scanID, selectByToken, account, id, toMicros(s.now()))
	return environment, len(items) > 0, err
}

// revisionRows reads the revisions of sessions.
func revisionRows() rows[store.SessionRevision] {
	return rows[store.SessionRevision]{
		noun: store.NounSession, table: "sessions",
		selection: `SELECT r.id, r.revision FROM sessions r`,
		scan: func(row engine.Scanner) (v store.SessionRevision, err error) {
			return v, row.Scan(&v.ID, &v.Revision)
		},
		size: func(*store.SessionRevision) int { return rowOverhead },
	}
}

// ListSessionRevisions implements store.Sessions. A list of some statuses may pass over many rows.
func (s *Store) ListSessionRevisions(ctx context.Context, account string, filter store.SessionFilter, page store.Page) (store.List[store.SessionRevision], error) {
	r := revisionRows()
	r.shared = len(filter.Statuses) == 0
	return list(ctx, s, r, sessionsFor(account, filter), page)
}

// ListSessions implements store.Sessions.
func (s *Store) ListSessions(ctx context.Context, account string, filter store.SessionFilter, page store.Page) (store.List[store.Session], error) {
	return list(ctx, s, sessionRows(), sessionsFor(account, filter), page)
}

// sessionsFor returns a filter that matches the account's sessions that match the given filter.
func sessionsFor(account string, only store.SessionFilter) *filter {
	f := filterFor(account)
	if only.AgentID != "" {
		f.and("r.agent_id = " + f.bind(only.AgentID))
	}
	if len(only.Statuses) > 0 {
		statuses := make([]any, len(only.Statuses))
		for i, status := range only.Statuses {
			statuses[i] = string(status)
		}
		f.and("r.status IN (" + f.bind(statuses...) + ")")
	}
	f.within(only.CreatedAfter, only.CreatedFrom, only.CreatedBefore, only.CreatedTo)
	return f
}

// agentForUse returns the agent that spec asks for, and whether the environment is self-hosted, unless the agent or the
// environment is missing or archived.
func (s *Store) agentForUse(ctx context.Context, account string, spec store.SessionSpec) (a store.Agent, selfHosted bool, err error) {
	agent, environment, err := s.parents(ctx, account, spec.AgentID, spec.EnvironmentID)
	switch {
	case err != nil:
		return store.Agent{}, false, err
	case !agent.there:
		return store.Agent{}, false, &store.MissingError{Noun: store.NounAgent, ID: spec.AgentID}
	}
	a, err = s.agentAt(ctx, account, spec.AgentID, cmp.Or(spec.AgentVersion, agent.version))
	switch {
	case err != nil:
	case agent.archived:
		err = &store.ArchivedError{Noun: store.NounAgent, ID: spec.AgentID}
	case !environment.there:
		err = &store.MissingError{Noun: store.NounEnvironment, ID: spec.EnvironmentID}
	case environment.archived:
		err = &store.ArchivedError{Noun: store.NounEnvironment, ID: spec.EnvironmentID}
	}
	return a, environment.selfHosted, err
}

// parent is what a new session needs to know about its agent or its environment.
type parent struct {
	there, archived bool
	version         int32 // an agent's latest
	selfHosted      bool  // an environment's type
}

// parents locks and reads both.
func (s *Store) parents(ctx context.Context, account, agentID, environmentID string) (agent, environment parent, err error) {
	scan := func(row engine.Scanner) error {
		var archivedAt *time.Time
		var config struct{ Type string }
		p := parent{there: true}
		err := row.Scan(&p.version, timeOrNilTo{&archivedAt}, fromJSON{&config})
		p.selfHosted = config.Type == "self_hosted"
		p.archived = archivedAt != nil
		if p.version == 0 {
			environment = p
		} else {
			agent = p
		}
		return err
	}
	if s.db.ForShare == "" {
		q := engine.Query{Quick: true, Args: []any{account, agentID, account, environmentID}, Text: selectParents}
		err = s.query(ctx, q, scan)
		return agent, environment, err
	}
	// One statement locks and reads a row, since it reads no other table: see lock.
	err = s.pipeline(ctx,
		engine.Step{Each: scan, Query: engine.Query{Quick: true, Args: []any{account, agentID}, Text: selectAgentParent + s.db.ForShare}},
		engine.Step{Each: scan, Query: engine.Query{Quick: true, Args: []any{account, environmentID}, Text: selectEnvironmentParent + s.db.ForShare}})
	return agent, environment, err
}

const (
	// selectAgentParent selects an agent, whose version is at least 1, selectEnvironmentParent an environment.
	selectAgentParent = `SELECT version, archived_at, '{}' FROM agents
		WHERE account_id = $1 AND id = $2 AND +deleted_at IS NULL`
	selectEnvironmentParent = `SELECT 0, archived_at, config FROM environments
		WHERE account_id = $1 AND id = $2 AND +deleted_at IS NULL`
	// selectParents selects both.
	selectParents = `SELECT version, archived_at, '{}' FROM agents
			WHERE account_id = $1 AND id = $2 AND +deleted_at IS NULL
		UNION ALL SELECT 0, archived_at, config FROM environments
			WHERE account_id = $3 AND id = $4 AND +deleted_at IS NULL`
)

func (s *Store) newSession(spec store.SessionSpec, agent store.Agent, mounts []store.Resource) store.Session {
	now := cut(s.now())
	v := store.Session{
		ID:                   s.newID("sess"),
		Agent:                agent,
		EnvironmentID:        spec.EnvironmentID,
		Title:                spec.Title,
		Status:               store.StatusIdle,
		Metadata:             orEmpty(spec.Metadata),
		EnvironmentVariables: orEmpty(spec.EnvironmentVariables),
		DeltaFlushInterval:   spec.DeltaFlushInterval.Truncate(time.Microsecond),
		MemoryStoreIDs:       make([]string, len(spec.MemoryStores)),
		VaultIDs:             orNone(spec.VaultIDs),
		Resources:            mounts,
		CreatedAt:            now,
		UpdatedAt:            now,
	}
	for i, use := range spec.MemoryStores {
		v.MemoryStoreIDs[i] = use.ID
	}
	for _, r := range spec.Resources {
		v.Resources = append(v.Resources, store.Resource{FileID: r.FileID, MountPath: r.MountPath})
	}
	v.Resources = s.withIDs(v.Resources, now)
	return v
}

// addSession stores a new session; its usage is zero. It is the last call in its transaction.
func (s *Store) addSession(ctx context.Context, account string, v store.Session) error {
	if v.SelfHosted {
		if err := s.queueWork(ctx, account, v, v.CreatedAt); err != nil {
			return err
		}
	}
	return s.finish(ctx, `INSERT INTO sessions (account_id, id, agent_id, agent_version, environment_id, title, status,
			metadata, environment_variables, delta_flush_interval, memory_store_ids, vault_ids, resources,
			created_at, updated_at, self_hosted)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		account, v.ID, v.Agent.ID, v.Agent.Version, v.EnvironmentID, v.Title, string(v.Status),
		toJSON(v.Metadata), toJSON(v.EnvironmentVariables), v.DeltaFlushInterval.Microseconds(),
		toJSON(v.MemoryStoreIDs), toJSON(v.VaultIDs), resourcesText(v.Resources),
		toMicros(v.CreatedAt), toMicros(v.UpdatedAt), toFlag(v.SelfHosted))
}
