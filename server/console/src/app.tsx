// The console: signing in, the frame of the page, and what it shows.

import { render } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { check, Failure, onSignedOut, signedIn, signIn, signOut, type Session } from "./api";
import { language, setLanguage, t, type Language } from "./i18n";
import { asFailure, Problem } from "./parts";
import { ResourceList, ResourceView, useResources } from "./resources";
import { link, useRoute, type Place, type Route } from "./route";
import { SessionView } from "./session";
import { Sessions } from "./sessions";

const themes = ["", "light", "dark"] as const;
type Theme = (typeof themes)[number];

/** preference keeps what the user prefers, which is not secret, for all visits. */
const preference = {
  get: (name: string) => localStorage.getItem(`console.${name}`) ?? "",
  set: (name: string, value: string) => localStorage.setItem(`console.${name}`, value),
};

function applyTheme(theme: string) {
  document.documentElement.dataset.theme = theme;
}

function App() {
  const [open, setOpen] = useState(signedIn());
  const [expired, setExpired] = useState(false);
  const [lang, setLang] = useState(language());
  useEffect(() => onSignedOut(() => {
    if (!signedIn()) return;
    signOut();
    setExpired(true);
    setOpen(false);
  }), []);
  const frame = {
    lang,
    switchLanguage: () => {
      const other: Language = lang === "en" ? "zh" : "en";
      setLanguage(other);
      preference.set("language", other);
      setLang(other);
    },
  };
  if (!open) {
    return <SignIn expired={expired} {...frame} done={() => {
      setExpired(false);
      setOpen(true);
    }} />;
  }
  return <Frame {...frame} leave={() => {
    signOut();
    setOpen(false);
  }} />;
}

function SignIn({ expired, done, switchLanguage }: { expired: boolean; done: () => void; switchLanguage: () => void }) {
  const [failure, setFailure] = useState<Failure | undefined>(expired ? new Failure(401, t("tokenInvalid")) : undefined);
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const submit = async (e: SubmitEvent) => {
    e.preventDefault();
    const form = new FormData(e.currentTarget as HTMLFormElement);
    setBusy(true);
    setFailure(undefined);
    const token = String(form.get("token")).trim();
    signIn(token, false);
    try {
      await check();
      signIn(token, form.get("keep") !== null);
      done();
    } catch (thrown) {
      signOut();
      field.current?.select();
      setFailure(asFailure(thrown));
      setBusy(false);
    }
  };
  return (
    <main class="signin">
      <form onSubmit={submit} class="fields">
        <h1>Cloud Sessions <span class="quiet">{t("console")}</span></h1>
        <p class="quiet">{t("signInIntro")}</p>
        <label>{t("token")}<input ref={field} name="token" type="password" required autoFocus autoComplete="off" spellcheck={false} placeholder="pt-…" /></label>
        <label class="check"><input type="checkbox" name="keep" /> {t("keepToken")}</label>
        <Problem failure={failure} />
        <div class="actions">
          <button type="button" class="plain" aria-label={t("languageLabel")} onClick={switchLanguage}>{t("language")}</button>
          <button class="primary" disabled={busy}>{busy ? t("signingIn") : t("signIn")}</button>
        </div>
      </form>
    </main>
  );
}

function Frame({ switchLanguage, leave }: { lang: string; switchLanguage: () => void; leave: () => void }) {
  const route = useRoute();
  const [changed, setChanged] = useState<Session>();
  const [theme, setTheme] = useState<Theme>(preference.get("theme") as Theme);
  const places: Place[] = ["sessions", "agents", "environments"];
  return (
    <div class={`frame ${route.id ? "detail" : ""}`}>
      <a class="skip" href="#content" onClick={(e) => {
        e.preventDefault();
        document.getElementById("content")?.focus();
      }}>{t("skip")}</a>
      <header class="top">
        <a class="brand" href={link("sessions")}>Cloud Sessions</a>
        <nav aria-label={t("console")}>
          {places.map((p) => <a key={p} href={link(p)} aria-current={route.place === p ? "page" : undefined}>{t(p)}</a>)}
        </nav>
        <div class="tools">
          <a href="../docs/">{t("reference")}</a>
          <select aria-label={t("theme")} value={theme} onChange={(e) => {
            const chosen = e.currentTarget.value as Theme;
            preference.set("theme", chosen);
            applyTheme(chosen);
            setTheme(chosen);
          }}>
            {themes.map((name) => <option key={name} value={name}>{t(name === "" ? "themeSystem" : name === "light" ? "themeLight" : "themeDark")}</option>)}
          </select>
          <button type="button" class="plain" aria-label={t("languageLabel")} onClick={switchLanguage}>{t("language")}</button>
          <button type="button" class="plain" onClick={leave}>{t("signOut")}</button>
        </div>
      </header>
      <Panels key={route.place} route={route} changed={changed} setChanged={setChanged} />
    </div>
  );
}

function Panels({ route, changed, setChanged }: { route: Route; changed: Session | undefined; setChanged: (s: Session) => void }) {
  if (route.place !== "sessions") return <Resources place={route.place} id={route.id} />;
  return (
    <>
      <aside aria-labelledby="list-title"><Sessions selected={route.id} changed={changed} /></aside>
      <main id="content" tabIndex={-1}>
        {route.id ? <SessionView key={route.id} id={route.id} changed={setChanged} /> : <p class="empty quiet">{t("chooseSession")}</p>}
      </main>
    </>
  );
}

function Resources({ place, id }: { place: "agents" | "environments"; id: string }) {
  const pages = useResources(place);
  const resource = pages.items.find((r) => r.id === id);
  return (
    <>
      <aside aria-labelledby="list-title"><ResourceList place={place} pages={pages} selected={id} /></aside>
      <main id="content" tabIndex={-1}>
        {resource ? <ResourceView resource={resource} /> : <p class="empty quiet">{t(place === "agents" ? "chooseAgent" : "chooseEnvironment")}</p>}
      </main>
    </>
  );
}

const preferred = preference.get("language") || (navigator.language.startsWith("zh") ? "zh" : "en");
setLanguage(preferred === "zh" ? "zh" : "en");
applyTheme(preference.get("theme"));
render(<App />, document.body);
