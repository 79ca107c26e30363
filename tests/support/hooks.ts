/** Root hooks of every test run: a rejection that nobody handles fails the test during which it happens. */

import { enterNamespaces, usesHosts } from "./hosts/namespaces";
import { reportedErrors } from "./reported-errors";
import { useStandInPrograms } from "./tools";

if (process.argv.some(usesHosts)) enterNamespaces();
useStandInPrograms();

const rejections: unknown[] = [];

// The engine ends after a failed operation while an inline program still registers; the run itself reports the failure.
const engineEnded = (reason: unknown) =>
  reason instanceof Error && /^(Resource monitor is terminating|resource monitor shut down)/i.test(reason.message);

function remember(reason: unknown): void {
  if (engineEnded(reason)) return;
  if (typeof reason === "object" && reason !== null && reportedErrors.has(reason)) return;
  if (!rejections.includes(reason)) rejections.push(reason);
}

function failOnRejections(): void {
  const [first] = rejections.splice(0);
  if (first === undefined) return;
  throw new Error(`unhandled rejection: ${first instanceof Error ? first.message : JSON.stringify(first)}`, {
    cause: first,
  });
}

/** Called by mocha. */
export const mochaHooks: Mocha.RootHookObject = {
  beforeAll() {
    process.on("unhandledRejection", remember);
  },
  beforeEach(this: Mocha.Context) {
    const test = this.currentTest;
    const body = test?.fn as ((this: Mocha.Context) => unknown) | undefined;
    // A failing root hook, or an exception after the test has passed, ends the whole run: only the test itself can fail alone.
    if (test === undefined || body === undefined || body.length > 0) return;
    test.fn = async function (this: Mocha.Context) {
      await body.call(this);
      // Rejections are reported after the microtasks of the test have run.
      await new Promise((resolve) => setImmediate(resolve));
      failOnRejections();
    };
  },
  afterAll() {
    process.off("unhandledRejection", remember);
    failOnRejections();
  },
};
