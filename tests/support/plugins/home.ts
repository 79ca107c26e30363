/** A PULUMI_HOME with either the real plugins or the offline ones, for tests that run on both. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { requires, skip, tool } from "../tools";
import { sdkVersion } from "./version";

/** Which plugins a suite runs on. */
export type Variant = "real" | "offline";

const names = ["tls", "command"] as const;

/** Gives `suite` the environment of a stack, once per variant. The real one is skipped where it is not installed. */
export function onBothPlugins(title: string, suite: (environment: () => Record<string, string>) => void): void {
  for (const variant of ["real", "offline"] as const) {
    describe(`${title}, ${variant}`, function () {
      let home = "";
      before(function () {
        requires(this, "cli");
        const absent = names.filter((name) => variant === "real" && tool(name).real === undefined);
        if (absent.length > 0) skip(this, `the real plugins are not installed: ${absent.join(", ")}`);
        home = mkdtempSync(join(tmpdir(), "citus-plugins-"));
        for (const name of names) place(home, name, variant);
      });
      after(() => rmSync(home, { recursive: true, force: true }));
      suite(() => ({ PULUMI_HOME: home }));
    });
  }
}

function place(home: string, name: (typeof names)[number], variant: Variant): void {
  const path = join(home, "plugins", `resource-${name}-v${sdkVersion(name)}`, `pulumi-resource-${name}`);
  mkdirSync(dirname(path), { recursive: true });
  const { real } = tool(name);
  if (variant === "real" && real !== undefined) symlinkSync(real, path);
  else {
    const main = join(__dirname, name, "plugin.js");
    writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`, { mode: 0o755 });
  }
}
