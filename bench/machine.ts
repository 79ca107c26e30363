/** What a result was measured on. */
import { availableParallelism, totalmem } from "node:os";
import { tool } from "../tests/support/tools";

const gibibyte = 1024 ** 3;

/** Size of this machine, and the versions of what ran. Plain JSON. */
export function machine() {
  const versions = (["node", "cli", "tls", "command", "postgres", "citus"] as const).map((name) => {
    const { version, from = "" } = tool(name);
    return [name, /stand-?in|offline/i.test(from) ? `${version ?? "?"} (stand-in)` : (version ?? "missing")] as const;
  });
  return {
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / gibibyte),
    ...Object.fromEntries(versions),
    /** False when a stand-in took the place of Citus or a plugin. */
    real: versions.every(([, version]) => !version.endsWith("(stand-in)")),
  };
}
