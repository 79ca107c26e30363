/** What the demo shows: headings, tables, and one line that moves on while the engine works. */
import type * as automation from "@pulumi/pulumi/automation";

const isTerminal = process.stdout.isTTY;
const bold = (text: string) => (isTerminal ? `\u001b[1m${text}\u001b[0m` : text);
const dim = (text: string) => (isTerminal ? `\u001b[2m${text}\u001b[0m` : text);

/** Prints one line. */
export function say(line = ""): void {
  process.stdout.write(`${line}\n`);
}

/** Prints the beginning of a step. */
export function heading(text: string): void {
  say(`\n${bold(text)}`);
}

/** Rows under their titles, columns as wide as their longest text. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const width = (column: number) => Math.max(...[titles, ...rows].map((row) => row[column]?.length ?? 0));
  const line = (cells: readonly string[]) =>
    `  ${cells.map((cell, at) => cell.padEnd(width(at))).join("  ")}`.trimEnd();
  return [dim(line(titles)), ...rows.map(line)].join("\n");
}

// What a small terminal shows, and a log that people read side by side with another one.
const columns = 80;

const cut = (text: string, width: number) => (text.length <= width ? text : `${text.slice(0, width - 1)}…`);

/** The text behind that many blanks, in lines of 80 columns at most, broken between words. */
export function paragraph(text: string, indent: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const longer = `${lines.at(-1) ?? ""} ${word}`;
    if (lines.length > 0 && indent + longer.length <= columns) lines.splice(-1, 1, longer);
    else lines.push(word);
  }
  return lines.map((line) => " ".repeat(indent) + line);
}

/** Seconds since `start`, such as "3.2 s". */
export const since = (start: number) => `${((Date.now() - start) / 1000).toFixed(1)} s`;

// A log gets a line now and then, a terminal the same line anew.
const logMilliseconds = 5_000;
const terminalMilliseconds = 100;

/** Shows one run of the engine while it works. */
export class Progress {
  private readonly start = Date.now();
  private readonly running = new Map<string, string>();
  private done = 0;
  private note = "";
  private shown = "";
  private readonly timer: NodeJS.Timeout;

  /** `notes` are what resources say about their change. */
  constructor(private readonly notes: "show" | "hide") {
    this.timer = setInterval(() => this.show(), isTerminal ? terminalMilliseconds : logMilliseconds);
  }

  /** Takes what the engine says. */
  take({ resourcePreEvent, resOutputsEvent, diagnosticEvent }: automation.EngineEvent): void {
    if (resourcePreEvent !== undefined && resourcePreEvent.metadata.op !== "same") {
      const { urn } = resourcePreEvent.metadata;
      this.running.set(urn, nameOf(urn));
    }
    if (resOutputsEvent !== undefined && this.running.delete(resOutputsEvent.metadata.urn)) this.done += 1;
    const text = diagnosticEvent === undefined ? "" : messageOf(diagnosticEvent);
    if (diagnosticEvent?.ephemeral === true) this.note = text;
    else if (text !== "" && this.notes === "show") this.keep(text);
  }

  /** Ends the line. */
  stop(): void {
    clearInterval(this.timer);
    if (isTerminal) process.stdout.write("\r\u001b[K");
  }

  private show(): void {
    const names = [...this.running.values()].slice(-3).join(", ");
    const text = [`${String(this.done)} changed`, this.note, names].filter((part) => part !== "").join(" · ");
    if (isTerminal) {
      const width = Math.max(process.stdout.columns, 40) - 12;
      process.stdout.write(`\r\u001b[K${dim(cut(`  ${since(this.start)} · ${text}`, width))}`);
    } else if (text !== this.shown) say(cut(`  ${since(this.start)} · ${text}`, columns));
    this.shown = text;
  }

  private keep(text: string): void {
    if (isTerminal) process.stdout.write("\r\u001b[K");
    for (const line of paragraph(text, 2)) say(line);
  }
}

const signs: Readonly<Record<string, string>> = { create: "+", update: "~", delete: "-", replace: "±" };

/** A line per change that a preview plans, and below it what the resource says about it. */
export function plannedSteps(events: readonly automation.EngineEvent[]): string[] {
  const planned = events.flatMap(({ resourcePreEvent }) =>
    resourcePreEvent === undefined || resourcePreEvent.metadata.op === "same" ? [] : [resourcePreEvent.metadata],
  );
  const notes = events.flatMap(({ diagnosticEvent }) => {
    const text = diagnosticEvent === undefined ? "" : messageOf(diagnosticEvent);
    return text === "" || diagnosticEvent?.ephemeral === true ? [] : [{ urn: diagnosticEvent?.urn, text }];
  });
  const width = Math.max(...planned.map(({ type }) => shortType(type).length));
  return planned.flatMap(({ op, urn, type, diffs = [] }) => {
    const changed = diffs.length === 0 || op !== "update" ? "" : `  (${diffs.join(", ")})`;
    const said = [...new Set(notes.filter((note) => note.urn === urn).map(({ text }) => text))];
    return [
      `  ${signs[op] ?? "·"} ${op.padEnd(6)}  ${shortType(type).padEnd(width)}  ${nameOf(urn)}${dim(changed)}`,
      ...said.flatMap((text) => paragraph(text, 12).map(bold)),
    ];
  });
}

/** "pulumi-nodejs:dynamic/citus:Nodes" is "citus:Nodes". */
const shortType = (type: string) => type.replace("pulumi-nodejs:dynamic/", "").replace(/:[^:]+:/, ":");

/** Its text, unless it is an error, which the operation throws, or meant for the SDK's own developers. */
function messageOf({ severity, message }: { readonly severity: string; readonly message: string }): string {
  return severity === "info" || severity === "warning" ? message.trim() : "";
}

const nameOf = (urn: string) => urn.slice(urn.lastIndexOf("::") + 2);
