// The entries of a transcript.

import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { Failure, newKey, type EventInput } from "./api";
import { formatNumber, language, t, type Text } from "./i18n";
import { memo } from "./memo";
import { asFailure, Dialog, Json, Problem, Time } from "./parts";
import { textOf, type Item } from "./transcript";

type Send = (events: EventInput[], key: string) => Promise<void>;
type ToolItem = Extract<Item, { kind: "tool" }>;

/** ItemView shows an entry. It is rendered again when what it shows has changed, or the language has. */
export function ItemView({ item, send }: { item: Item; send: Send }) {
  return <Entry item={item} send={send} lang={language()} />;
}

const Entry = memo(({ item, send }: { item: Item; send: Send; lang: string }) => {
  switch (item.kind) {
    case "user": return <Message item={item} name={t("you")} text={textOf(item.event.content)} />;
    case "agent": return <Message item={item} name={t("agent")} text={textOf(item.event.content)} />;
    case "outcome": return <Message item={item} name={t("outcome")} text={item.event.description} />;
    case "thinking": return <Note item={item}>{t("thought")}</Note>;
    case "note": return <Note item={item}>{t(item.event.type === "user.interrupt" ? "interrupted" : "rescheduled")}</Note>;
    case "error": return <div class="item error" role="alert"><b>{t("error")}</b> <span class="text">{item.event.error.message}</span> <code>{item.event.error.type}</code><Raw item={item} /></div>;
    case "end": return <End item={item} />;
    case "tool": return <Tool item={item} send={send} />;
  }
}, (a, b) => a.lang === b.lang && a.item.event === b.item.event && sameState(a.item, b.item));

/** sameState reports whether two items of one event show the same of other events. */
function sameState(a: Item, b: Item): boolean {
  if (a.kind === "tool" && b.kind === "tool") return a.result === b.result && a.confirmation === b.confirmation && a.waits === b.waits && a.over === b.over;
  return a.kind !== "end" || b.kind !== "end" || a.awaited === b.awaited && a.past === b.past;
}

function Message({ item, name, text }: { item: Item; name: string; text: string }) {
  return (
    <section class={`item ${item.kind}`} aria-label={name}>
      <div class="meta"><b>{name}</b><Time at={item.event.created_at} /><Raw item={item} /></div>
      <p class="text">{text}</p>
    </section>
  );
}

function Note({ item, children }: { item: Item; children: ComponentChildren }) {
  return <div class="item note">{children}<Raw item={item} /></div>;
}

function End({ item }: { item: Extract<Item, { kind: "end" }> }) {
  const { usage, stop_reason } = item.event;
  const waits = stop_reason.type === "requires_action";
  const parts = [waits ? t(textOfWait(item)) : t(`stop_${stop_reason.type}` as Text)];
  if (usage && usage.input_tokens + usage.output_tokens > 0) parts.push(`${formatNumber(usage.input_tokens)} ${t("tokensIn")}`, `${formatNumber(usage.output_tokens)} ${t("tokensOut")}`);
  if (usage?.credits) parts.push(`${formatNumber(usage.credits)} ${t("credits")}`);
  return <div class={`item end ${waits && (item.past || item.awaited === "worker") ? "" : stop_reason.type}`}><span>{parts.join(" · ")}</span><Raw item={item} /></div>;
}

function textOfWait({ awaited, past }: Extract<Item, { kind: "end" }>): Text {
  if (awaited === "worker") return past ? "waitedForWorker" : "waitsForWorker";
  return past ? "waited" : "stop_requires_action";
}

/** Raw shows an entry's event as the server has sent it, on demand. */
function Raw({ item }: { item: Item }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="rawbutton" aria-label={t("showRaw")} title={t("showRaw")} onClick={() => setOpen(true)}>{"{ }"}</button>
      {open && (
        <Dialog label={item.event.type} closed={() => setOpen(false)}>
          <h2><code>{item.event.type}</code></h2>
          <Json value={item.kind === "tool" ? [item.event, item.confirmation, item.result].filter(Boolean) : item.event} />
          <form method="dialog" class="actions"><button autoFocus>{t("close")}</button></form>
        </Dialog>
      )}
    </>
  );
}

function stateOf(item: ToolItem): { name: Text; style: string } {
  if (item.waits === "confirmation") return { name: "needsConfirmation", style: "waits" };
  if (item.waits === "result") return { name: "needsResult", style: "waits" };
  if (item.waits === "worker") return { name: "waitsForWorker", style: "running" };
  if (item.confirmation?.result === "deny") return { name: "denied", style: "failed" };
  if (item.result) return item.result.is_error ? { name: "failed", style: "failed" } : { name: "done", style: "done" };
  return item.over ? { name: "noResult", style: "" } : { name: "running", style: "running" };
}

/** summaryOf returns a line of a tool's input: the value of its only or first text. */
function summaryOf(input: object): string {
  const text = Object.values(input).find((value) => typeof value === "string") as string | undefined;
  return (text ?? JSON.stringify(input)).slice(0, 200);
}

function Tool({ item, send }: { item: ToolItem; send: Send }) {
  const { event, result, waits } = item;
  const [opened, setOpened] = useState(false);
  const asks = waits === "confirmation" || waits === "result";
  const state = stateOf(item);
  const name = event.type === "agent.mcp_tool_use" ? `${event.mcp_server_name} / ${event.name}` : event.name;
  return (
    <section class={`item tool ${state.style}`} aria-label={name}>
      <details open={opened || asks}>
        <summary onClick={(e) => {
          e.preventDefault(); // it is open because the user wants that, or because the agent asks
          setOpened(!opened);
        }}>
          <code class="name">{name}</code>
          <span class="cut quiet">{summaryOf(event.input)}</span>
          <span class={`state ${state.style}`}>{t(state.name)}</span>
        </summary>
        <div class="body">
          <h4>{t("input")} <Raw item={item} /></h4>
          <Json value={event.input} />
          {item.confirmation && <p class="quiet">{t(item.confirmation.result === "allow" ? "allowed" : "denied")}{item.confirmation.deny_message ? `: ${item.confirmation.deny_message}` : ""}</p>}
          {result && <><h4>{t("result")}</h4><pre class="code" tabIndex={0}>{textOf(result.content) || t("emptyResult")}</pre></>}
        </div>
      </details>
      {waits === "confirmation" && <Confirmation id={event.id} send={send} />}
      {waits === "result" && <GiveResult id={event.id} send={send} />}
    </section>
  );
}

/** useSend returns what sends an answer of the user, and the state of that. A repeat after a lost response has the same key. */
function useSend(send: Send) {
  const key = useRef(newKey());
  const [failure, setFailure] = useState<Failure>();
  const [busy, setBusy] = useState(false);
  const answer = async (event: EventInput) => {
    setBusy(true);
    setFailure(undefined);
    try {
      await send([event], key.current);
    } catch (thrown) {
      const failed = asFailure(thrown);
      if (failed.status) key.current = newKey();
      setFailure(failed);
      setBusy(false);
    }
  };
  return { answer, failure, busy };
}

function Confirmation({ id, send }: { id: string; send: Send }) {
  const { answer, failure, busy } = useSend(send);
  const [reason, setReason] = useState("");
  const confirm = (result: "allow" | "deny") => answer({
    type: "user.tool_confirmation", tool_use_id: id, result, ...(result === "deny" && reason ? { deny_message: reason } : {}),
  });
  return (
    <div class="answer">
      <Problem failure={failure} />
      <div class="actions">
        <input aria-label={t("denyReason")} placeholder={t("denyReason")} maxLength={10_000} value={reason} onInput={(e) => setReason(e.currentTarget.value)} />
        <button type="button" disabled={busy} onClick={() => void confirm("deny")}>{t("deny")}</button>
        <button type="button" class="primary" disabled={busy} onClick={() => void confirm("allow")}>{t("allow")}</button>
      </div>
    </div>
  );
}

function GiveResult({ id, send }: { id: string; send: Send }) {
  const { answer, failure, busy } = useSend(send);
  return (
    <form class="answer" onSubmit={(e) => {
      e.preventDefault();
      const form = new FormData(e.currentTarget);
      void answer({ type: "user.custom_tool_result", custom_tool_use_id: id, content: String(form.get("result")), is_error: form.get("failed") !== null });
    }}>
      <textarea name="result" rows={3} aria-label={t("giveResult")} placeholder={t("giveResult")} />
      <Problem failure={failure} />
      <div class="actions">
        <label class="check"><input type="checkbox" name="failed" /> {t("toolFailed")}</label>
        <button class="primary" disabled={busy}>{t("sendResult")}</button>
      </div>
    </form>
  );
}
