// What a transcript shows of a session's events: messages, tools with their results, errors and the ends of turns.

import type { Event, Schemas } from "./api";

type Of<T extends Event["type"]> = Extract<Event, { type: T }>;

export type ToolUse = Of<"agent.tool_use"> | Of<"agent.custom_tool_use"> | Of<"agent.mcp_tool_use">;
export type ToolResult = Of<"agent.tool_result"> | Of<"user.tool_result"> | Of<"user.custom_tool_result"> | Of<"agent.mcp_tool_result">;

/** Item is one entry of a transcript. */
export type Item =
  | { kind: "user"; event: Of<"user.message"> }
  | { kind: "outcome"; event: Of<"user.define_outcome"> }
  | { kind: "agent"; event: Of<"agent.message"> }
  | { kind: "thinking"; event: Of<"agent.thinking"> }
  | { kind: "tool"; event: ToolUse; result?: ToolResult; confirmation?: Of<"user.tool_confirmation">; waits: Need; over: boolean }
  | { kind: "note"; event: Of<"user.interrupt"> | Of<"session.status_rescheduled"> }
  | { kind: "error"; event: Of<"session.error"> }
  | { kind: "end"; event: Of<"session.status_idle">; awaited: Awaited; past: boolean };

/** Need is what a tool waits for: a confirmation or a result of the user, or a worker that runs it. */
export type Need = "" | "confirmation" | "result" | "worker";

/** Awaited is who a session waits for: the user where that has something to do, else a worker; "" for nobody, or unknown. */
export type Awaited = "" | "user" | "worker";

type Tool = Extract<Item, { kind: "tool" }>;

export type Transcript = {
  items: Item[];
  /** running reports whether a turn runs, as far as the events say. */
  running: boolean | undefined;
  /** awaited is who the session waits for now. */
  awaited: Awaited;
};

/** read returns the transcript of a session's events, oldest first. */
export function read(events: Event[]): Transcript {
  const items: Item[] = [];
  const tools = new Map<string, Tool>();
  let waiting = new Map<Tool, Need>();
  let running: boolean | undefined;
  let end: Extract<Item, { kind: "end" }> | undefined;
  for (const event of events) {
    switch (event.type) {
      case "user.message": items.push({ kind: "user", event }); break;
      case "user.define_outcome": items.push({ kind: "outcome", event }); break;
      case "agent.message": items.push({ kind: "agent", event }); break;
      case "agent.thinking": items.push({ kind: "thinking", event }); break;
      case "agent.tool_use":
      case "agent.custom_tool_use":
      case "agent.mcp_tool_use": {
        const item = { kind: "tool", event, waits: "", over: false } as const;
        tools.set(event.id, { ...item });
        items.push(tools.get(event.id)!);
        break;
      }
      case "user.tool_confirmation": set(event.tool_use_id, (tool) => { tool.confirmation = event; }); break;
      case "agent.tool_result":
      case "user.tool_result": set(event.tool_use_id, (tool) => { tool.result = event; }); break;
      case "agent.mcp_tool_result": set(event.mcp_tool_use_id, (tool) => { tool.result = event; }); break;
      case "user.custom_tool_result": set(event.custom_tool_use_id, (tool) => { tool.result = event; }); break;
      case "session.status_running":
        running = true;
        waiting = new Map();
        if (end) end.past = true;
        break;
      case "session.status_rescheduled":
      case "user.interrupt": items.push({ kind: "note", event }); break;
      case "session.error": items.push({ kind: "error", event }); break;
      case "session.status_idle": {
        running = false;
        waiting = new Map();
        const ids = event.stop_reason.event_ids ?? [];
        for (const id of ids) set(id, (tool) => { waiting.set(tool, needOf(tool)); });
        if (ids.length === 0) tools.forEach((tool) => { tool.over = true; });
        if (end) end.past = true;
        end = { kind: "end", event, awaited: awaitedOf([...waiting.values()]), past: false };
        items.push(end);
        break;
      }
      default: break; // of requests to the model: shown in the list of events only
    }
  }
  for (const [tool, need] of waiting) {
    const answered = tool.result || need === "confirmation" && tool.confirmation;
    if (!answered) tool.waits = need;
  }
  return { items, running, awaited: awaitedOf([...waiting.keys()].map((tool) => tool.waits)) };

  function set(id: string, change: (tool: Tool) => void) {
    const tool = tools.get(id);
    if (tool) change(tool);
  }
}

/** needOf returns what a tool needs that a session waits for. */
function needOf(tool: Tool): Need {
  if (tool.result) return "";
  if (tool.event.type === "agent.custom_tool_use") return "result";
  if (tool.event.evaluated_permission === "ask" && !tool.confirmation) return "confirmation";
  return tool.event.type === "agent.tool_use" ? "worker" : "";
}

function awaitedOf(needs: Need[]): Awaited {
  if (needs.some((need) => need === "confirmation" || need === "result")) return "user";
  return needs.includes("worker") ? "worker" : "";
}

/** textOf joins the blocks of a content. */
export function textOf(content: Schemas["TextBlock"][] | undefined): string {
  return (content ?? []).map((block) => block.text).join("\n");
}
