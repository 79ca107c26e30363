/** Pulumi mocks that remember what a component registered: types, names, parents, dependencies, secrets. */
import * as pulumi from "@pulumi/pulumi";
import { LocalHosts, type LocalHostsArgs } from "../../../components/hosts/local";

/** One registered resource. */
export interface Made {
  readonly type: string;
  readonly name: string;
  /** Name of the parent; empty at the top. */
  readonly parent: string;
  /** Names of inputs that travel as secrets. */
  readonly secretInputs: readonly string[];
  /** Inputs as the engine gets them, secrets opened. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Names of the resources that it waits for, sorted. */
  readonly dependsOn: readonly string[];
}

// Marks of the wire format (pulumi/pulumi sdk/nodejs/runtime/rpc.ts).
const secretMark = "4dabf18193072939515e22adb298388d";

const nameOf = (urn: string) => urn.split("::").at(-1) ?? "";

/**
 * Starts a mock engine. The result waits until every registration is done, then lists them by name.
 * `outputs` gives what resources of a type have besides their inputs.
 */
export function mockEngine(outputs: Readonly<Record<string, object>> = {}): () => Promise<Made[]> {
  const made: Made[] = [];
  void pulumi.runtime.setMocks({
    newResource: ({ type, name, inputs }: { type: string; name: string; inputs: Record<string, unknown> }) => ({
      id: `${name}-id`,
      state: { stdout: "started", ...opened(inputs), ...outputs[type] },
    }),
    call: () => ({}),
  });
  const monitor: unknown = pulumi.runtime.getMonitor();
  if (typeof monitor !== "object" || monitor === null) throw new Error("the mocks have no monitor");
  const register: unknown = Reflect.get(monitor, "registerResource");
  if (typeof register !== "function") throw new Error("the monitor registers nothing");
  Reflect.set(monitor, "registerResource", (request: Request, ...rest: unknown[]) => {
    if (request.getType() !== "pulumi:pulumi:Stack") made.push(madeFrom(request));
    Reflect.apply(register, monitor, [request, ...rest]);
  });
  return async () => {
    await pulumi.runtime.disconnect();
    return made.sort((one, other) => (one.name < other.name ? -1 : 1));
  };
}

interface Request {
  getType(): string;
  getName(): string;
  getParent(): string;
  getDependenciesList(): string[];
  getObject(): { toJavaScript(): Record<string, unknown> };
}

function madeFrom(request: Request): Made {
  const inputs = request.getObject().toJavaScript();
  return {
    type: request.getType(),
    name: request.getName(),
    parent: nameOf(request.getParent()),
    secretInputs: Object.keys(inputs).filter((key) => isSecret(inputs[key])),
    inputs: opened(inputs),
    dependsOn: request.getDependenciesList().map(nameOf).sort(),
  };
}

const isSecret = (value: unknown) => typeof value === "object" && value !== null && secretMark in value;

function opened(inputs: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const open = (value: unknown): unknown =>
    typeof value === "object" && value !== null && secretMark in value && "value" in value ? value.value : value;
  return Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, open(value)]));
}

/** `type name < parent`, one line per resource. */
export const describeMade = ({ type, name, parent }: Made) =>
  `${type} ${name}${parent === "" || parent.includes("Stack") ? "" : ` < ${parent}`}`;

/** Local hosts on the mock engine. */
export const testHosts = (name: string, args: LocalHostsArgs) => new LocalHosts(name, args);

/** The value of an output. */
export function valueOf<T>(output: pulumi.Output<T>): Promise<T> {
  return new Promise((resolve) => {
    output.apply(resolve);
  });
}
