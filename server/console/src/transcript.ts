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
  | { kind: "tool"; event: ToolUse; result?: ToolResult; confirmation?: Of<"user.tool_confirmation">; waits: "" | "confirmation" | "result"; over: boolean }
  | { kind: "note"; event: Of<"user.interrupt"> | Of<"session.status_rescheduled"> }
  | { kind: "error"; event: Of<"session.error"> }
  | { kind: "end"; event: Of<"session.status_idle"> };

export type Transcript = {
  items: Item[];
  /** running reports whether a turn runs, as far as the events say. */
  running: boolean | undefined;
  /** waits reports whether the session waits for an answer of the caller. */
  waits: boolean;
};

/** read returns the transcript of a session's events, oldest first. */
export function read(events: Event[]): Transcript {
  const items: Item[] = [];
  const tools = new Map<string, Extract<Item, { kind: "tool" }>>();
  let waiting: string[] = [];
  let running: boolean | undefined;
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
        waiting = [];
        break;
      case "session.status_rescheduled":
      case "user.interrupt": items.push({ kind: "note", event }); break;
      case "session.error": items.push({ kind: "error", event }); break;
      case "session.status_idle":
        running = false;
        waiting = event.stop_reason.event_ids ?? [];
        if (waiting.length === 0) tools.forEach((tool) => { tool.over = true; });
        items.push({ kind: "end", event });
        break;
      default: break; // of requests to the model: shown in the list of events only
    }
  }
  let waits = false;
  for (const id of waiting) {
    set(id, (tool) => {
      if (tool.result) return;
      if (tool.event.type === "agent.custom_tool_use") tool.waits = "result";
      else if (tool.event.evaluated_permission === "ask" && !tool.confirmation) tool.waits = "confirmation";
      waits ||= tool.waits !== "";
    });
  }
  return { items, running, waits };

  function set(id: string, change: (tool: Extract<Item, { kind: "tool" }>) => void) {
    const tool = tools.get(id);
    if (tool) change(tool);
  }
}

/** textOf joins the blocks of a content. */
export function textOf(content: Schemas["TextBlock"][] | undefined): string {
  return (content ?? []).map((block) => block.text).join("\n");
}
