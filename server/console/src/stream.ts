// The event stream of a session: every event once and in order, over any number of connections.

import { createParser } from "eventsource-parser";
import { authorization, base, failureOf, Failure, type StreamedEvent } from "./api";

export type Connection = "connecting" | "live" | "reconnecting" | "ended";

type Handlers = {
  /** event gets each event; those that are not stored come again in part after a reconnection. */
  event(event: StreamedEvent): void;
  /** connection gets each change of the connection. */
  connection(connection: Connection): void;
  /** failed gets the error that ended the stream for good. */
  failed(failure: Failure): void;
};

/** silence is the longest time, in milliseconds, without a byte: the server sends a heartbeat at least every 15 seconds. */
const silence = 45_000;
const firstWait = 500, longestWait = 10_000;

/** follow streams a session's events that follow the cursor, until the signal is aborted. */
export async function follow(session: string, cursor: string | undefined, signal: AbortSignal, handlers: Handlers): Promise<void> {
  for (let wait = firstWait; !signal.aborted;) {
    try {
      await connect(session, cursor, signal, (id, event) => {
        cursor = id ?? cursor;
        wait = firstWait;
        handlers.event(event);
        if (event.type === "session.deleted") handlers.connection("ended");
      }, () => handlers.connection("live"));
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Failure && error.status >= 400 && error.status < 500 && error.status !== 429) {
        handlers.failed(error);
        return;
      }
    }
    if (signal.aborted) return;
    handlers.connection("reconnecting");
    await pause(wait / 2 + Math.random() * wait / 2, signal);
    wait = Math.min(wait * 2, longestWait);
  }
}

/** connect reads one connection to its end. */
async function connect(session: string, cursor: string | undefined, outer: AbortSignal, event: (id: string | undefined, event: StreamedEvent) => void, opened: () => void) {
  const connection = new AbortController();
  const abort = () => connection.abort();
  outer.addEventListener("abort", abort);
  addEventListener("offline", abort); // it is not noticed otherwise before the silence is too long
  let watchdog = setTimeout(abort, silence);
  try {
    const response = await fetch(`${base}/sessions/${session}/events/stream?event_deltas[]=agent.message&event_deltas[]=agent.thinking`, {
      headers: { ...authorization(), Accept: "text/event-stream", ...(cursor ? { "Last-Event-ID": cursor } : {}) },
      signal: connection.signal, credentials: "omit", cache: "no-store",
    });
    if (!response.ok || !response.body) throw failureOf(response.status, await response.json().catch(() => undefined));
    opened();
    const parser = createParser({ onEvent: (message) => event(message.id, JSON.parse(message.data)) });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(watchdog);
      watchdog = setTimeout(abort, silence);
      parser.feed(value);
    }
  } finally {
    clearTimeout(watchdog);
    outer.removeEventListener("abort", abort);
    removeEventListener("offline", abort);
  }
}

/** pause waits, at most until the network returns or the signal is aborted. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", end);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    addEventListener("online", end);
    signal.addEventListener("abort", end);
  });
}
