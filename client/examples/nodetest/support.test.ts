// Tests of a program that uses the API. Each has an account of its own, with a script for the agent and with faults, so that
// they run at the same time. Next to a server:
//
//   QODER_PAT=pt-test sessionsd serve --demo --control --db sqlite::memory:
//   npm ci && npm run build && QODER_PAT=pt-test npm test
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

const server = process.env.SESSIONS_URL ?? "http://127.0.0.1:8080";

type Account = { token: string; agent_id: string; environment_id: string };
type Event = { type: string; content?: { text: string }[] };

async function call<T>(token: string | undefined, method: string, path: string, body?: unknown, headers = {}): Promise<T> {
  const response = await fetch(server + path, {
    method,
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw Object.assign(new Error(`${method} ${path}: ${response.status} ${text}`), { status: response.status });
  return (text && JSON.parse(text)) as T;
}

/** The program under test: asks the agent, and repeats a message that a 503 has refused. */
async function ask(account: Account, question: string): Promise<string> {
  const { token, agent_id: agent, environment_id } = account;
  const session = await call<{ id: string }>(token, "POST", "/v1/sessions", { agent, environment_id });
  const events = `/v1/sessions/${session.id}/events`;
  const key = { "Idempotency-Key": crypto.randomUUID() };
  for (let attempt = 1; ; attempt++) {
    try {
      await call(token, "POST", events, { events: [{ type: "user.message", content: question }] }, key);
      break;
    } catch (error) {
      if ((error as { status?: number }).status !== 503 || attempt === 3) throw error;
    }
  }
  for (;;) {
    const { data } = await call<{ data: Event[] }>(token, "GET", events);
    if (data.some(({ type }) => type === "session.status_idle")) {
      return data.flatMap(({ type, content }) => (type === "agent.message" ? (content ?? []).map(({ text }) => text) : [])).join("\n");
    }
    await sleep(20);
  }
}

/** Creates the account of a test, which ends with it. */
async function stage(t: TestContext, script: object, faults?: object) {
  const account = await call<Account>(process.env.QODER_PAT, "POST", "/control/accounts", {});
  t.after(() => call(account.token, "DELETE", "/control/account"));
  await call(account.token, "PUT", "/control/script", script);
  if (faults) await call(account.token, "PUT", "/control/faults", faults);
  const sent = async (operation: string) =>
    (await call<{ requests: { status: number }[] }>(account.token, "GET", `/control/requests?operation=${operation}`)).requests.map(({ status }) => status);
  return { account, sent };
}

describe("support", { concurrency: true }, () => {
  test("a message is repeated until the server accepts it", async (t) => {
    const { account, sent } = await stage(
      t,
      { rules: [{ match: { contains: "refund" }, steps: [{ say: "It is on its way." }] }] },
      { rules: [{ operations: "sendEvents", first: 2, answer: { status: 503, retry_after: "1s" } }] },
    );
    assert.equal(await ask(account, "Where is my refund?"), "It is on its way.");
    assert.deepEqual(await sent("sendEvents"), [503, 503, 200]);
  });

  test("a server that stays down is an error", async (t) => {
    const { account, sent } = await stage(
      t,
      { rules: [{ steps: [{ say: "Nobody hears this." }] }] },
      { rules: [{ operations: "sendEvents", answer: { status: 503, retry_after: "1s" } }] },
    );
    await assert.rejects(ask(account, "Where is my refund?"), { status: 503 });
    assert.deepEqual(await sent("sendEvents"), [503, 503, 503]);
  });

  test("the agent asks back", async (t) => {
    const { account, sent } = await stage(t, { rules: [{ steps: [{ say: "Which order? You said: {{text}}" }] }] });
    assert.equal(await ask(account, "Help! 🙁"), "Which order? You said: Help! 🙁");
    assert.deepEqual(await sent("sendEvents"), [200]);
  });
});
