/** What the demo shows fits into 80 columns. */
import assert from "node:assert/strict";
import type { EngineEvent } from "@pulumi/pulumi/automation";
import { paragraph, plannedSteps } from "../../examples/demo/screen";

describe("screen of the demo", () => {
  it("breaks texts between words, each line indented", () => {
    const text = "moves ".repeat(40).trim();
    const lines = paragraph(text, 12);
    assert.ok(lines.length > 2);
    assert.ok(lines.every((line) => line.length <= 80 && /^ {12}moves/.test(line)));
    assert.equal(lines.map((line) => line.trim()).join(" "), text);
  });

  it("leaves a word whole that is longer than a line", () => {
    const path = `/${"x".repeat(120)}`;
    assert.deepEqual(paragraph(`see ${path} there`, 2), ["  see", `  ${path}`, "  there"]);
  });

  it("shows what a resource says below its change, once", () => {
    const urn = "urn:pulumi:demo::demo::pulumi-nodejs:dynamic/citus:Nodes::app";
    const metadata = { op: "update", urn, type: "pulumi-nodejs:dynamic/citus:Nodes", diffs: ["workers"] };
    const said = { urn, severity: "info", message: "adds worker ".repeat(12).trim() };
    const events = [{ resourcePreEvent: { metadata } }, { diagnosticEvent: said }, { diagnosticEvent: said }];
    const lines = plannedSteps(JSON.parse(JSON.stringify(events)) as EngineEvent[]);
    assert.equal(lines[0], "  ~ update  citus:Nodes  app  (workers)");
    assert.ok(lines.every((line) => line.length <= 80));
    assert.equal(
      lines
        .slice(1)
        .map((line) => line.trim())
        .join(" "),
      said.message,
    );
  });
});
