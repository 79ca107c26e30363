/** Secrets that must be nowhere: how one may be spelled, and what all processes of this machine showed of themselves. Linux. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";

/** Argument lists and environments of all processes, sampled every so many milliseconds until it is stopped. */
export function watchProcesses(milliseconds = 5): { readonly stop: () => string } {
  const seen = new Set<string>();
  const sample = () => {
    for (const id of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      for (const part of ["cmdline", "environ"]) {
        try {
          seen.add(readFileSync(`/proc/${id}/${part}`, "latin1"));
        } catch {
          // It ended, or belongs to somebody else and we are not root.
        }
      }
    }
  };
  // A test that fails before it stops this does not keep the run from ending.
  const timer = setInterval(sample, milliseconds).unref();
  return {
    stop: () => {
      clearInterval(timer);
      return [...seen].join("\n");
    },
  };
}

/** A secret in every spelling that a log, a script or a statement may use. */
export function spellings(secret: string): string[] {
  const doubled = secret.replaceAll("\\", "\\\\");
  const all = [
    secret,
    // SQL: a literal, and one with escapes in both ways to write a quote.
    secret.replaceAll("'", "''"),
    doubled.replaceAll("'", "''"),
    doubled.replaceAll("'", "\\'"),
    // Shell: in single quotes, in double quotes, and as printf %q has it.
    secret.replaceAll("'", `'\\''`),
    secret.replace(/["\\$`]/g, "\\$&"),
    secret.replace(/[^A-Za-z0-9_@%+=:./\u0080-\uffff-]/g, "\\$&"),
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    Buffer.from(secret).toString("hex"),
    ...base64Spellings(secret),
  ];
  return [...new Set(all)];
}

/** Wherever the secret begins in what is encoded: without the letters that it shares with its neighbours. */
function base64Spellings(secret: string): string[] {
  return [0, 1, 2].map((before) => {
    const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)]);
    return bytes.toString("base64").slice(Math.ceil((before * 8) / 6), Math.floor((bytes.length * 8) / 6));
  });
}

/** The lines of a private key that nobody could guess, in every spelling. */
export function keySpellings(pem: string): string[] {
  const lines = pem.split(/\\+n|\n/).filter((line) => /^[A-Za-z0-9+/=]{24,}$/.test(line));
  assert.ok(lines.length > 1, "a key has a body");
  // The last line is the end of the public key, which may be seen.
  return lines.slice(0, -1).flatMap(spellings);
}
