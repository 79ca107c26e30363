/** Which hosts are being looked at: the engine starts nothing more once one is refused, so a refusal waits for the others to begin. */
import { setTimeout as delay } from "node:timers/promises";

// A host that was looked at in an earlier run and has not changed is not looked at again, and one that waits for another program may be late.
const patienceSeconds = 5;
const pollMilliseconds = 50;

const begun = new Map<string, Set<string>>();

/** One more host of those that are looked at together. */
export function begin(looks: string, host: string): void {
  begun.set(looks, (begun.get(looks) ?? new Set()).add(host));
}

/** Waits until all have begun, or none has for five seconds. */
export async function othersHaveBegun(looks: string, hosts: readonly string[]): Promise<void> {
  let count = 0;
  let last = Date.now();
  for (;;) {
    const now = begun.get(looks) ?? new Set<string>();
    if (hosts.every((host) => now.has(host))) return;
    if (now.size > count) {
      count = now.size;
      last = Date.now();
    }
    if (Date.now() - last > patienceSeconds * 1000) return;
    await delay(pollMilliseconds);
  }
}
