// The lists of agents and environments, and one of each.

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { listAgents, listEnvironments, type Agent, type Environment } from "./api";
import { t } from "./i18n";
import { Facts, Json, ListFoot, Time, usePages } from "./parts";
import { link, type Place } from "./route";

type Resource = Agent | Environment;

/** useResources loads what a place lists. */
export function useResources(place: Place) {
  return usePages<Resource>((page) => place === "environments" ? listEnvironments(page, true) : listAgents(page, true), place);
}

export function ResourceList({ place, pages, selected }: { place: "agents" | "environments"; pages: ReturnType<typeof useResources>; selected: string }) {
  return (
    <>
      <div class="head"><h1 id="list-title">{t(place)}</h1></div>
      <ul class="list" aria-labelledby="list-title">
        {pages.items.map((r) => (
          <li key={r.id}>
            <a href={link(place, r.id)} aria-current={r.id === selected ? "page" : undefined}>
              <span class="row"><b>{r.name}</b><Time at={r.created_at} /></span>
              <span class="row">
                <span class="quiet cut">{r.type === "agent" ? r.model : r.config.type}</span>
                {r.archived_at && <span class="status archived">{t("archived")}</span>}
              </span>
            </a>
          </li>
        ))}
      </ul>
      <ListFoot pages={pages} empty={t(place === "agents" ? "noAgents" : "noEnvironments")} />
    </>
  );
}

export function ResourceView({ resource }: { resource: Resource }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), [resource.id]);
  return (
    <article class="session" aria-labelledby="resource-title">
      <header>
        <div class="headline">
          <a class="back" href={link(resource.type === "agent" ? "agents" : "environments")}>{t("back")}</a>
          <h2 id="resource-title" ref={heading} tabIndex={-1}>{resource.name}</h2>
        </div>
        <p class="quiet byline"><code>{resource.id}</code></p>
      </header>
      <div class="scroll"><div class="page">
        {resource.type === "agent" ? <AgentFacts agent={resource} /> : <EnvironmentFacts environment={resource} />}
        <h3>JSON</h3>
        <Json value={resource} />
      </div></div>
    </article>
  );
}

function AgentFacts({ agent }: { agent: Agent }) {
  const names: ComponentChildren[] = agent.tools.map((tool) => <code key={JSON.stringify(tool)}>{tool.type === "custom" ? tool.name : tool.type === "mcp_toolset" ? tool.mcp_server_name : tool.type}</code>);
  return (
    <>
      <Facts facts={[
        [t("description"), agent.description],
        [t("model"), agent.model],
        [t("version"), String(agent.version)],
        [t("tools"), names.length > 0 ? <span class="chips">{names}</span> : t("none")],
        [t("mcpServers"), agent.mcp_servers.map((s) => s.name).join(", ") || t("none")],
        [t("created"), <Time at={agent.created_at} />],
        [t("updated"), <Time at={agent.updated_at} />],
      ]} />
      {agent.system && <><h3>{t("system")}</h3><p class="text prose">{agent.system}</p></>}
    </>
  );
}

function EnvironmentFacts({ environment }: { environment: Environment }) {
  return (
    <Facts facts={[
      [t("description"), environment.description],
      [t("configuration"), environment.config.type],
      [t("status"), environment.status],
      [t("created"), <Time at={environment.created_at} />],
      [t("updated"), <Time at={environment.updated_at} />],
    ]} />
  );
}
