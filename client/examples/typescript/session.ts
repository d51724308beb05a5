// A conversation without an SDK: the types come from the contract. Next to a server that `make run` has started:
//
//   npm ci && npm run generate && npm run build && QODER_PAT=pt-... npm start
import { setTimeout as sleep } from "node:timers/promises";
import { EventSourceParserStream } from "eventsource-parser/stream";
import createClient from "openapi-fetch";
import type { components, paths } from "./contract.js";

type StreamedEvent = components["schemas"]["StreamedEvent"];
type APIError = components["schemas"]["Error"];

const api = createClient<paths>({
  baseUrl: process.env.QODER_BASE_URL ?? "http://127.0.0.1:8080/v1",
  headers: { Authorization: `Bearer ${process.env.QODER_PAT}` },
});

/** Returns the data of a response, or throws what its error says. */
function must<T>({ data, error, response }: { data?: T; error?: APIError; response: Response }): NonNullable<T> {
  if (data == null) throw new Error(`${response.status}: ${error?.error.message}`);
  return data;
}

/** Makes a write safe to repeat. */
const once = () => ({ "Idempotency-Key": crypto.randomUUID() });

/** Yields the events of a session, each once: a stream that breaks resumes after its last event. */
async function* follow(session_id: string): AsyncGenerator<StreamedEvent> {
  for (let last: string | undefined; ; await sleep(500)) {
    const stream = must(
      await api.GET("/sessions/{session_id}/events/stream", {
        params: { path: { session_id }, header: { "Last-Event-ID": last } },
        parseAs: "stream",
      }),
    );
    try {
      for await (const frame of stream.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream())) {
        yield JSON.parse(frame.data) as StreamedEvent;
        last = frame.id ?? last;
      }
    } catch (lost) {
      console.error(`the stream broke after ${last}:`, lost);
    }
  }
}

const session = must(
  await api.POST("/sessions", {
    params: { header: once() },
    body: { agent: "agent_019e390add9f7bac9b6cc806db46fcbd", environment_id: "env_019e2590d33f711fabf42f2857cecd8a", title: "TypeScript" },
  }),
);
const path = { session_id: session.id };
const idle = must(await api.GET("/sessions", { params: { query: { "statuses[]": ["idle"], "created_at[gte]": session.created_at, limit: 5 } } }));
console.log(idle.data.map(({ id, title }) => `${id} ${title}`).join("\n"));

must(await api.POST("/sessions/{session_id}/events", { params: { path, header: once() }, body: { events: [{ type: "user.message", content: "你好" }] } }));
for await (const event of follow(session.id)) {
  console.log(event.type, "id" in event ? event.id : "", event.type === "agent.message" ? JSON.stringify(event.content) : "");
  if (event.type === "session.status_idle") break;
}
