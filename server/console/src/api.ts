// The API as the console calls it: types from the contract, the token of the page, and errors as sentences.

import createClient from "openapi-fetch";
import type { components, paths } from "./contract.gen";
import { t } from "./i18n";

export type Schemas = components["schemas"];
export type Session = Schemas["Session"];
export type Agent = Schemas["Agent"];
export type Environment = Schemas["Environment"];
export type Event = Schemas["Event"];
export type StreamedEvent = Schemas["StreamedEvent"];
export type EventInput = Schemas["EventInput"];

/** base is the URL of the API: it is next to the console. */
export const base = new URL("../v1", document.baseURI).href;

const storedToken = "console.token";

/** token is the access token of the page; "" before the user has signed in. */
let token = sessionStorage.getItem(storedToken) ?? "";

/** signedOut is called when the server no longer accepts the token. */
let signedOut = () => {};

export function onSignedOut(fn: () => void) {
  signedOut = fn;
}

export function signedIn(): boolean {
  return token !== "";
}

/** signIn uses a token from now on, and keeps it for the tab if the user asks for that. */
export function signIn(value: string, keep: boolean) {
  token = value;
  if (keep) sessionStorage.setItem(storedToken, value);
}

/** signOut forgets the token. */
export function signOut() {
  token = "";
  sessionStorage.removeItem(storedToken);
}

/** authorization returns the headers that a request needs. */
export function authorization(): Record<string, string> {
  return { Authorization: `Bearer ${token}` };
}

/** Failure is an error of the API, or of the way to it when the status is 0. Its message is for the user. */
export class Failure extends Error {
  constructor(readonly status: number, message: string, readonly param = "") {
    super(message);
  }
}

/** failureOf returns the failure of a response that is not a success. */
export function failureOf(status: number, body: unknown): Failure {
  if (status === 401) signedOut();
  const error = (body as Schemas["Error"] | undefined)?.error;
  return new Failure(status, error?.message ?? `HTTP ${status}`, error?.param);
}

const client = createClient<paths>({
  baseUrl: base,
  // What a page of sessions may and may not reach is the same for every request: no cookies, no caches.
  fetch: (request: Request) => fetch(new Request(request, { credentials: "omit", cache: "no-store" })),
});
client.use({
  onRequest({ request }) {
    for (const [name, value] of Object.entries(authorization())) request.headers.set(name, value);
    return request;
  },
});

/** done returns the data of a response, or throws a Failure. */
async function done<T>(response: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let got;
  try {
    got = await response;
  } catch {
    throw new Failure(0, t("offline"));
  }
  if (got.data === undefined) throw failureOf(got.response.status, got.error);
  return got.data;
}

/** newKey returns an idempotency key. It needs no secure context, unlike crypto.randomUUID. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

export type SessionFilter = { status: Schemas["SessionStatus"] | ""; agent: string; since: string; archived: boolean };

export function listSessions(filter: SessionFilter, page?: string, limit = 50) {
  return done(client.GET("/sessions", {
    params: {
      query: {
        limit, page,
        "statuses[]": filter.status ? [filter.status] : undefined,
        agent_id: filter.agent || undefined,
        "created_at[gte]": filter.since || undefined,
        include_archived: filter.archived || undefined,
      },
    },
  }));
}

export function getSession(id: string) {
  return done(client.GET("/sessions/{session_id}", { params: { path: { session_id: id } } }));
}

export function createSession(body: Schemas["CreateSessionRequest"], key: string) {
  return done(client.POST("/sessions", { body, params: { header: { "Idempotency-Key": key } } }));
}

export function cancelSession(id: string) {
  return done(client.POST("/sessions/{session_id}/cancel", { params: { path: { session_id: id }, header: { "Idempotency-Key": newKey() } } }));
}

/** eventsBefore returns the newest events, or those before an event, oldest first, and whether there are more. */
export async function eventsBefore(id: string, before?: string): Promise<{ events: Event[]; more: boolean }> {
  const page = await done(client.GET("/sessions/{session_id}/events", {
    params: { path: { session_id: id }, query: { order: "desc", limit: 100, after_id: before } },
  }));
  return { events: page.data.reverse(), more: page.has_more };
}

export function sendEvents(id: string, events: EventInput[], key: string) {
  return done(client.POST("/sessions/{session_id}/events", {
    body: { events }, params: { path: { session_id: id }, header: { "Idempotency-Key": key } },
  }));
}

export function listAgents(page?: string, archived = false) {
  return done(client.GET("/agents", { params: { query: { limit: 100, page, include_archived: archived || undefined } } }));
}

export function listEnvironments(page?: string, archived = false) {
  return done(client.GET("/environments", { params: { query: { limit: 100, page, include_archived: archived || undefined } } }));
}

/** check throws a Failure unless the server accepts the token. */
export async function check(): Promise<void> {
  await done(client.GET("/sessions", { params: { query: { limit: 1 } } }));
}
