// The address of what is shown: #/sessions/ID, #/agents/ID, #/environments/ID.

import { useEffect, useState } from "preact/hooks";

export type Place = "sessions" | "agents" | "environments";
export type Route = { place: Place; id: string };

const places: Place[] = ["sessions", "agents", "environments"];

function parse(hash: string): Route {
  const [, name, id] = hash.split("/");
  const place = places.find((p) => p === name) ?? "sessions";
  return { place, id: /^[a-z]+_[0-9a-z]+$/.test(id ?? "") ? id! : "" };
}

/** link returns the address of a place. */
export function link(place: Place, id = ""): string {
  return `#/${place}${id && `/${id}`}`;
}

/** go opens a place. */
export function go(place: Place, id = "") {
  location.hash = link(place, id);
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parse(location.hash));
  useEffect(() => {
    const change = () => setRoute(parse(location.hash));
    addEventListener("hashchange", change);
    return () => removeEventListener("hashchange", change);
  }, []);
  return route;
}
