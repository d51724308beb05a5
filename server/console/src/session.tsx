// One session: its transcript as it grows, its events, and what a user can do.

import { memo } from "./memo";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { cancelSession, eventsBefore, Failure, getSession, newKey, sendEvents, type Event, type EventInput, type Session } from "./api";
import { formatNumber, t } from "./i18n";
import { ItemView } from "./items";
import { asFailure, Facts, Json, Problem, Status, Time } from "./parts";
import { link } from "./route";
import { follow, type Connection } from "./stream";
import { read, type Awaited } from "./transcript";

/** Piece is a part of an event that is not complete yet. */
type Piece = { id: string; type: "agent.message" | "agent.thinking"; text: string };

type Log = { events: Event[]; earlier: boolean; pieces: Piece[]; loaded: boolean };

const emptyLog: Log = { events: [], earlier: false, pieces: [], loaded: false };

export function SessionView({ id, changed }: { id: string; changed: (s: Session) => void }) {
  const [session, setSession] = useState<Session>();
  const [log, setLog] = useState<Log>(emptyLog);
  const [connection, setConnection] = useState<Connection>("connecting");
  const [failure, setFailure] = useState<Failure>();
  const [view, setView] = useState<"transcript" | "events" | "details">("transcript");
  const [attempt, setAttempt] = useState(0);
  const heading = useRef<HTMLHeadingElement>(null);

  const refresh = () => getSession(id).then((s) => {
    setSession(s);
    changed(s);
  });

  useEffect(() => {
    const controller = new AbortController();
    setFailure(undefined);
    setConnection("connecting");
    void open(id, controller.signal, { log: setLog, connection: setConnection, failed: setFailure, refresh: () => void refresh().catch(() => {}) });
    refresh().catch((thrown) => setFailure(asFailure(thrown)));
    return () => controller.abort();
  }, [id, attempt]);
  useEffect(() => {
    heading.current?.focus();
  }, [session?.id]);

  const transcript = useMemo(() => read(log.events), [log.events]);
  const running = transcript.running ?? session?.status === "processing";
  const loadEarlier = async () => {
    const page = await eventsBefore(id, log.events[0]?.id);
    setLog((l) => ({ ...l, events: [...page.events, ...l.events], earlier: page.more }));
  };
  const send = async (events: EventInput[], key: string) => {
    await sendEvents(id, events, key);
  };

  if (failure && !session) {
    return <div class="empty"><Problem failure={failure} retry={() => setAttempt(attempt + 1)} /></div>;
  }
  return (
    <article class="session" aria-labelledby="session-title">
      <header>
        <div class="headline">
          <a class="back" href={link("sessions")}>{t("back")}</a>
          <h2 id="session-title" ref={heading} tabIndex={-1}>{session ? session.title || t("untitled") : t("loading")}</h2>
          {session && <Status session={session} awaited={transcript.awaited} />}
        </div>
        {session && (
          <p class="quiet byline">
            <a href={link("agents", session.agent.id)}>{session.agent.name}</a> · {session.agent.model} · <code>{session.id}</code>
          </p>
        )}
        <div class="bar">
          <div class="tabs" role="group" aria-label={t("transcript")}>
            {(["transcript", "events", "details"] as const).map((v) => (
              <button key={v} type="button" aria-pressed={view === v} onClick={() => setView(v)}>{t(v)}</button>
            ))}
          </div>
          {session && <Usage session={session} />}
          <span class={`connection ${connection}`} role="status">{connection === "ended" ? t("ended") : t(connection)}</span>
        </div>
      </header>
      <Problem failure={failure} retry={() => setAttempt(attempt + 1)} />
      {view === "transcript" && (
        <Window key={id} count={transcript.items.length} more={log.earlier} loadMore={loadEarlier} label={t("transcript")} busy={!log.loaded}
          row={(i) => {
            const item = transcript.items[i]!;
            return <ItemView key={item.event.id} item={item} send={send} />;
          }}>
          {log.pieces.map((p) => <PieceView key={p.id} piece={p} />)}
          {log.loaded && log.events.length === 0 && <p class="quiet">{t("noEvents")}</p>}
        </Window>
      )}
      {view === "events" && (
        <Window key={`${id}-events`} count={log.events.length} more={log.earlier} loadMore={loadEarlier} label={t("events")} busy={!log.loaded}
          row={(i) => <RawEvent key={log.events[i]!.id} event={log.events[i]!} />} />
      )}
      {view === "details" && <div class="scroll">{session && <SessionDetails session={session} />}</div>}
      {session?.archived_at
        ? <p class="quiet composer">{t("archivedHint")}</p>
        : <Composer key={`${id}-composer`} session={id} running={running} awaited={transcript.awaited} send={send} />}
    </article>
  );
}

/** open loads the newest events and follows the log from there. Changes are collected for a frame of the screen. */
async function open(id: string, signal: AbortSignal, on: {
  log: (change: (l: Log) => Log) => void; connection: (c: Connection) => void; failed: (f: Failure) => void; refresh: () => void;
}) {
  let cursor: string | undefined;
  on.log(() => emptyLog);
  try {
    const page = await eventsBefore(id);
    if (signal.aborted) return;
    cursor = page.events.at(-1)?.id;
    on.log(() => ({ events: page.events, earlier: page.more, pieces: [], loaded: true }));
  } catch (thrown) {
    if (!signal.aborted) on.failed(asFailure(thrown));
    return;
  }
  let queue: ((l: Log) => Log)[] = [];
  const change = (fn: (l: Log) => Log) => {
    if (queue.push(fn) > 1) return;
    const apply = () => {
      const changes = queue;
      queue = [];
      if (!signal.aborted) on.log((l) => changes.reduce((log, fn) => fn(log), l));
    };
    if (document.hidden) setTimeout(apply, 100); // a hidden page has no frames
    else requestAnimationFrame(apply);
  };
  await follow(id, cursor, signal, {
    event(event) {
      switch (event.type) {
        case "event_start": {
          const piece: Piece = { ...event.event, text: "" };
          change((l) => ({ ...l, pieces: [...l.pieces.filter((p) => p.id !== piece.id), piece] }));
          return;
        }
        case "event_delta":
          change((l) => ({ ...l, pieces: l.pieces.map((p) => p.id === event.event_id ? { ...p, text: p.text + event.delta.content.text } : p) }));
          return;
        case "session.deleted": return;
        case "session.status_running":
        case "session.status_idle": on.refresh();
      }
      change((l) => ({
        ...l, events: [...l.events, event],
        pieces: event.type === "session.status_idle" ? [] : l.pieces.filter((p) => p.id !== event.id),
      }));
    },
    connection(c) {
      if (c === "reconnecting") change((l) => ({ ...l, pieces: [] })); // pieces are not sent twice
      on.connection(c);
    },
    failed: on.failed,
  });
}

function PieceView({ piece }: { piece: Piece }) {
  if (piece.type === "agent.thinking") return <p class="item note live">{t("thinking")}</p>;
  return <div class="item agent live" aria-busy="true"><p class="text">{piece.text || t("writing")}<span class="caret" aria-hidden="true" /></p></div>;
}

const RawEvent = memo(({ event }: { event: Event }) => (
  <details class="raw">
    <summary><code>{event.type}</code><Time at={event.created_at} precise /></summary>
    <Json value={event} />
  </details>
));

function Usage({ session }: { session: Session }) {
  const { input_tokens, output_tokens, total_credits } = session.usage;
  if (input_tokens + output_tokens === 0) return null;
  return (
    <span class="usage" title={t("usage")}>
      {formatNumber(input_tokens)} {t("tokensIn")} · {formatNumber(output_tokens)} {t("tokensOut")}{total_credits ? ` · ${formatNumber(total_credits)} ${t("credits")}` : ""}
    </span>
  );
}

function SessionDetails({ session }: { session: Session }) {
  return (
    <div class="page">
      <Facts facts={[
        ["ID", <code>{session.id}</code>],
        [t("agent"), <><a href={link("agents", session.agent.id)}>{session.agent.name}</a> · {t("version")} {session.agent.version}</>],
        [t("environment"), <a href={link("environments", session.environment_id)}><code>{session.environment_id}</code></a>],
        [t("created"), <Time at={session.created_at} />],
        [t("updated"), <Time at={session.updated_at} />],
      ]} />
      <h3>JSON</h3>
      <Json value={session} />
    </div>
  );
}

/** shown is how many rows of a long list are rendered at first, and step how many are added at a time; at most widest are. */
const shown = 150, step = 150, widest = 450;

/** Range is the part of a list that is rendered: length rows, before the last fromEnd ones. */
type Range = { length: number; fromEnd: number };

/** Window renders a part of a long list, at first its end, and stays at the end while it grows. */
function Window(props: {
  count: number; more: boolean; loadMore: () => Promise<void>; row: (index: number) => preact.ComponentChild;
  label: string; busy: boolean; children?: preact.ComponentChildren;
}) {
  const { count } = props;
  const scroller = useRef<HTMLDivElement>(null), rows = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState<Range>({ length: shown, fromEnd: 0 });
  const [failure, setFailure] = useState<Failure>();
  const [atEnd, setAtEnd] = useState(true);
  const anchor = useRef<{ row: Element; top: number }>(null);
  const seen = useRef({ count, prepending: false });
  const loading = useRef(false);
  const end = Math.max(0, count - range.fromEnd), start = Math.max(0, end - range.length);

  // hold keeps a row where it is on the screen when others come or go above it.
  const hold = (row: Element | null | undefined) => {
    if (row) anchor.current = { row, top: row.getBoundingClientRect().top };
  };
  const widen = () => {
    hold(rows.current?.firstElementChild);
    setRange((r) => {
      const before = count - r.fromEnd, length = Math.min(r.length + step, before);
      return length <= widest ? { ...r, length } : { length: widest, fromEnd: r.fromEnd + length - widest };
    });
  };
  const earlier = async () => {
    setFailure(undefined);
    setAtEnd(false);
    if (start > 0) {
      widen();
      return;
    }
    if (loading.current) return; // a second click would add the same entries again
    loading.current = true;
    setRange((r) => ({ ...r, length: Math.min(r.length, end) })); // what comes is added below, in one step
    seen.current.prepending = true;
    try {
      await props.loadMore();
    } catch (thrown) {
      seen.current.prepending = false;
      setFailure(asFailure(thrown));
    } finally {
      loading.current = false;
    }
  };
  const later = () => {
    hold(rows.current?.lastElementChild);
    setRange((r) => ({ length: widest, fromEnd: Math.max(0, r.fromEnd - step) }));
  };
  const toEnd = () => {
    setRange({ length: shown, fromEnd: 0 });
    setAtEnd(true);
  };
  useLayoutEffect(() => {
    const el = scroller.current!, held = anchor.current;
    anchor.current = null;
    if (held?.row.isConnected) el.scrollTop += held.row.getBoundingClientRect().top - held.top;
    else if (atEnd) el.scrollTop = el.scrollHeight;
  });
  useLayoutEffect(() => {
    const grown = count - seen.current.count, { prepending } = seen.current;
    seen.current = { count, prepending: false };
    if (grown > 0 && prepending) widen();
    else if (grown > 0 && !atEnd) setRange((r) => ({ ...r, fromEnd: r.fromEnd + grown })); // it must not push out what is read
  }, [count]);

  return (
    <div class="scroll" ref={scroller} tabIndex={0} aria-label={props.label} role="region"
      onScroll={(e) => {
        const el = e.currentTarget, nearEnd = el.scrollHeight - el.scrollTop - el.clientHeight < 60;
        setAtEnd(nearEnd && range.fromEnd === 0);
        if (nearEnd && range.fromEnd > 0) later();
      }}>
      <div class="column">
        {(start > 0 || props.more) && <button type="button" class="more" onClick={earlier}>{t("earlier")}</button>}
        <Problem failure={failure} retry={earlier} />
        {props.busy && <p class="quiet">{t("loading")}</p>}
        <div ref={rows} role="log" aria-live="polite" aria-relevant="additions" aria-busy={props.busy} aria-label={props.label}>
          {Array.from({ length: end - start }, (_, i) => props.row(start + i))}
          {range.fromEnd === 0 && props.children}
        </div>
        {range.fromEnd > 0 && <button type="button" class="more" onClick={later}>{t("later")}</button>}
      </div>
      {!atEnd && <button type="button" class="latest" onClick={toEnd}>{t("latest")} ↓</button>}
    </div>
  );
}

function Composer({ session, running, awaited, send }: { session: string; running: boolean; awaited: Awaited; send: (events: EventInput[], key: string) => Promise<void> }) {
  const [text, setText] = useState("");
  const [failure, setFailure] = useState<Failure>();
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const key = useRef(newKey());
  const act = async (fn: () => Promise<unknown>) => {
    setBusy(true);
    setFailure(undefined);
    try {
      await fn();
      key.current = newKey();
      return true;
    } catch (thrown) {
      const failed = asFailure(thrown);
      if (failed.status) key.current = newKey(); // refused; without a status the request may have been served
      setFailure(failed);
      return false;
    } finally {
      setBusy(false);
    }
  };
  const submit = async () => {
    if (!text.trim() || busy) return;
    if (await act(() => send([{ type: "user.message", content: text }], key.current))) {
      setText("");
      field.current?.focus();
    }
  };
  return (
    <form class="composer" onSubmit={(e) => {
      e.preventDefault();
      void submit();
    }}>
      <Problem failure={failure} />
      {awaited && <p class="quiet">{t(awaited === "user" ? "waitsHint" : "workerHint")}</p>}
      <div class="field">
        <textarea ref={field} aria-label={t("message")} placeholder={t("messagePlaceholder")} rows={Math.min(8, text.split("\n").length)} value={text}
          onInput={(e) => setText(e.currentTarget.value)}
          onKeyDown={(e) => {
            if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { // while composing, Enter chooses a character
              e.preventDefault();
              void submit();
            }
          }} />
        <div class="actions">
          <span class="quiet hint">{t("sendHint")}</span>
          {(running || awaited === "worker") && <button type="button" onClick={() => void act(() => send([{ type: "user.interrupt" }], newKey()))}>{t("interrupt")}</button>}
          {running && <button type="button" onClick={() => void act(() => cancelSession(session))}>{t("cancelTurn")}</button>}
          <button class="primary" disabled={busy || running || !text.trim()}>{t("send")}</button>
        </div>
      </div>
    </form>
  );
}
