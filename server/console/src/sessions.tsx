// The list of sessions: filters, pages, and a form for a new one.

import { useEffect, useRef, useState } from "preact/hooks";
import { createSession, Failure, listAgents, listEnvironments, listSessions, newKey, type Agent, type Environment, type Session, type SessionFilter } from "./api";
import { t } from "./i18n";
import { asFailure, Dialog, ListFoot, Problem, Status, Time, usePages, type Pages } from "./parts";
import { go, link } from "./route";

/** refreshTime is how often, in milliseconds, the newest sessions are read again while the page is visible. */
const refreshTime = 5_000;

const spans = { "": "anyTime", "3600": "lastHour", "86400": "lastDay", "604800": "lastWeek" } as const;

export function Sessions({ selected, changed }: { selected: string; changed: Session | undefined }) {
  const [filter, setFilter] = useState<SessionFilter>({ status: "", agent: "", since: "", archived: false });
  const [span, setSpan] = useState<keyof typeof spans>("");
  const [creating, setCreating] = useState(false);
  const pages = usePages((page) => listSessions(filter, page), JSON.stringify(filter));
  const fresh = useFresh(filter, pages, changed);
  const agents = usePages((page) => listAgents(page, true), "agents");
  const change = (part: Partial<SessionFilter>) => setFilter((f) => ({ ...f, ...part }));

  return (
    <>
      <div class="head">
        <h1 id="list-title">{t("sessions")}</h1>
        <button type="button" class="primary" onClick={() => setCreating(true)}>{t("newSession")}</button>
      </div>
      <details class="filters">
        <summary>{t("filters")}</summary>
        <div class="fields">
          <label>{t("status")}
            <select name="status" value={filter.status} onChange={(e) => change({ status: e.currentTarget.value as SessionFilter["status"] })}>
              <option value="">{t("any")}</option>
              {(["idle", "processing", "cancelled"] as const).map((s) => <option key={s} value={s}>{t(s)}</option>)}
            </select>
          </label>
          <label>{t("created")}
            <select value={span} onChange={(e) => {
              const chosen = e.currentTarget.value as keyof typeof spans;
              setSpan(chosen);
              change({ since: chosen && new Date(Date.now() - Number(chosen) * 1000).toISOString() });
            }}>
              {Object.entries(spans).map(([value, name]) => <option key={value} value={value}>{t(name)}</option>)}
            </select>
          </label>
          <label class="wide">{t("agent")}
            <select value={filter.agent} onChange={(e) => change({ agent: e.currentTarget.value })}>
              <option value="">{t("any")}</option>
              {agents.items.map((a) => <option key={a.id} value={a.id}>{a.name}</option>)}
            </select>
          </label>
          <label class="check wide"><input type="checkbox" checked={filter.archived} onChange={(e) => change({ archived: e.currentTarget.checked })} /> {t("includeArchived")}</label>
        </div>
      </details>
      <ul class="list" aria-labelledby="list-title">
        {fresh.map((s) => <Row key={s.id} session={s} selected={s.id === selected} />)}
      </ul>
      <ListFoot pages={pages} empty={t("noSessions")} />
      {creating && <NewSession close={() => setCreating(false)} created={(s) => {
        setCreating(false);
        pages.reload();
        go("sessions", s.id);
      }} />}
    </>
  );
}

function Row({ session, selected }: { session: Session; selected: boolean }) {
  return (
    <li>
      <a href={link("sessions", session.id)} aria-current={selected ? "page" : undefined}>
        <span class="row"><b>{session.title || t("untitled")}</b><Time at={session.created_at} /></span>
        <span class="row"><span class="quiet cut">{session.agent.name}</span><Status session={session} /></span>
      </a>
    </li>
  );
}

/** useFresh returns the sessions of the loaded pages, kept up to date by reading the newest ones now and then. */
function useFresh(filter: SessionFilter, pages: Pages<Session>, changed: Session | undefined): Session[] {
  const [newest, setNewest] = useState<{ key: string; items: Session[] }>({ key: "", items: [] });
  const key = JSON.stringify(filter);
  useEffect(() => {
    const read = async () => {
      if (document.hidden) return;
      try {
        const got = await listSessions(filter);
        setNewest({ key, items: got.data });
      } catch { /* the next time, perhaps; opening a session shows what is wrong */ }
    };
    const timer = setInterval(read, refreshTime);
    document.addEventListener("visibilitychange", read);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", read);
    };
  }, [key]);
  const replacements = new Map<string, Session>();
  if (newest.key === key) newest.items.forEach((s) => replacements.set(s.id, s));
  if (changed) replacements.set(changed.id, changed);
  const known = new Set(pages.items.map((s) => s.id));
  const added = newest.key === key && !pages.loading ? newest.items.filter((s) => !known.has(s.id)) : [];
  return [...added, ...pages.items.map((s) => replacements.get(s.id) ?? s)];
}

function NewSession({ close, created }: { close: () => void; created: (s: Session) => void }) {
  const key = useRef(newKey());
  const [choices, setChoices] = useState<{ agents: Agent[]; environments: Environment[] }>();
  const [failure, setFailure] = useState<Failure>();
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    Promise.all([listAgents(), listEnvironments()]).then(
      ([agents, environments]) => setChoices({ agents: agents.data, environments: environments.data }),
      (thrown) => setFailure(asFailure(thrown)),
    );
  }, []);
  const submit = async (e: SubmitEvent) => {
    e.preventDefault();
    const form = new FormData(e.currentTarget as HTMLFormElement);
    setBusy(true);
    setFailure(undefined);
    try {
      created(await createSession({
        agent: String(form.get("agent")), environment_id: String(form.get("environment")), title: String(form.get("title")) || undefined,
      }, key.current));
    } catch (thrown) {
      const failed = asFailure(thrown);
      if (failed.status) key.current = newKey(); // the server has refused that request; otherwise it may have been served
      setFailure(failed);
      setBusy(false);
    }
  };
  return (
    <Dialog closed={close} label={t("newSession")}>
      <form onSubmit={submit} class="fields">
        <h2>{t("newSession")}</h2>
        <label><span>{t("title")} ({t("optional")})</span><input name="title" maxLength={256} autoFocus /></label>
        <label>{t("agent")}<select name="agent" required>{choices?.agents.map((a) => <option key={a.id} value={a.id}>{a.name}</option>)}</select></label>
        <label>{t("environment")}<select name="environment" required>{choices?.environments.map((v) => <option key={v.id} value={v.id}>{v.name}</option>)}</select></label>
        {choices && (choices.agents.length === 0 || choices.environments.length === 0) && <p class="quiet">{t("nothingToChoose")}</p>}
        <Problem failure={failure} />
        <div class="actions">
          <button type="button" onClick={close}>{t("cancel")}</button>
          <button class="primary" disabled={busy || !choices}>{t("create")}</button>
        </div>
      </form>
    </Dialog>
  );
}
