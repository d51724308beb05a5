// Small parts that several views share.

import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Failure, type Session } from "./api";
import { formatFullTime, formatTime, t } from "./i18n";
import type { Awaited } from "./transcript";

export function Time({ at, precise }: { at: string; precise?: boolean }) {
  return <time dateTime={at} title={formatFullTime(at)}>{precise ? formatFullTime(at) : formatTime(at)}</time>;
}

/** Status shows the state of a session, and who it waits for where that is known. */
export function Status({ session, awaited }: { session: Session; awaited?: Awaited }) {
  if (session.status === "idle" && !session.archived_at) {
    if (awaited === "user") return <span class="status waits">{t("stop_requires_action")}</span>;
    if (awaited === "worker") return <span class="status">{t("waitsForWorker")}</span>;
  }
  const status = session.archived_at ? "archived" : session.status;
  return <span class={`status ${status}`}>{t(status)}</span>;
}

/** Problem shows an error, with a button to try again if there is something to try. */
export function Problem({ failure, retry }: { failure: Failure | undefined; retry?: () => void }) {
  return (
    <div role="alert" class={failure ? "problem" : ""}>
      {failure && <p>{failure.message}</p>}
      {failure && retry && <button type="button" onClick={retry}>{t("retry")}</button>}
    </div>
  );
}

/** Json shows a value as indented JSON, as text. */
export function Json({ value }: { value: unknown }) {
  return <pre class="code" tabIndex={0}>{JSON.stringify(value, null, 2)}</pre>;
}

/** Facts is a list of names and values; those without a value are left out. */
export function Facts({ facts }: { facts: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {facts.filter(([, value]) => value !== undefined && value !== "").map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}
    </dl>
  );
}

/** Dialog shows its content above the page, until Escape, a click beside it, or closed. */
export function Dialog({ label, closed, children }: { label: string; closed: () => void; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-label={label} onClose={closed} onClick={(e) => e.target === e.currentTarget && e.currentTarget.close()}>
      <div class="dialog">{children}</div>
    </dialog>
  );
}

/** asFailure returns what was thrown as something to show. */
export function asFailure(thrown: unknown): Failure {
  return thrown instanceof Failure ? thrown : new Failure(0, String(thrown));
}

/** Pages are the loaded pages of a list. */
export type Pages<T> = { items: T[]; more: boolean; loading: boolean; failure?: Failure; next(): void; reload(): void };

/** usePages loads the pages of a list, one after the other; from the start whenever key changes. */
export function usePages<T extends { id: string }>(load: (page?: string) => Promise<{ data: T[]; has_more: boolean; next_page: string | null }>, key: string): Pages<T> {
  const [state, setState] = useState<{ key: string; items: T[]; page?: string; more: boolean; loading: boolean; failure?: Failure }>({ key, items: [], more: false, loading: true });
  const latest = useRef(0);
  const fetchPage = useCallback(async (page?: string) => {
    const request = ++latest.current;
    setState((s) => ({ ...s, loading: true, failure: undefined }));
    try {
      const got = await load(page);
      if (request !== latest.current) return;
      setState((s) => {
        const known = page && s.key === key ? s.items : [];
        const ids = new Set(known.map((item) => item.id));
        return { key, items: [...known, ...got.data.filter((item) => !ids.has(item.id))], page: got.next_page ?? undefined, more: got.has_more, loading: false };
      });
    } catch (thrown) {
      if (request === latest.current) setState((s) => ({ ...s, loading: false, failure: asFailure(thrown) }));
    }
  }, [key]);
  useEffect(() => {
    void fetchPage();
  }, [fetchPage]);
  return {
    ...state, items: state.key === key ? state.items : [],
    next: () => void fetchPage(state.page), reload: () => void fetchPage(),
  };
}

/** ListFoot ends a list: what went wrong, that it is empty, or a button for its next page. */
export function ListFoot<T>({ pages, empty }: { pages: Pages<T>; empty: string }) {
  return (
    <div class="foot">
      <Problem failure={pages.failure} retry={pages.reload} />
      {!pages.failure && pages.loading && <p class="quiet">{t("loading")}</p>}
      {!pages.failure && !pages.loading && pages.items.length === 0 && <p class="quiet">{empty}</p>}
      {!pages.loading && pages.more && <button type="button" onClick={pages.next}>{t("more")}</button>}
    </div>
  );
}
