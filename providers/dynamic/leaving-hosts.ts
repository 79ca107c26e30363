/** LeavingHosts: how every host of a cluster is reached, for the moment when some of them leave. In the run in which hosts leave and others come, each
 *  lets the others in, so that shards go from one to the other; and before any host is changed by a destroy, all answer. Runs admit.sh. No server is asked; no lock. */
import type * as pulumi from "@pulumi/pulumi";
import { isIpNetwork } from "../../sizing/names";
import type { Context, Kind, Resolved } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import { composeScript } from "./engine/script";
import { SshError } from "./engine/ssh";
import { preludeOf, type PreflightTarget } from "./preflight";
import { runHere, runThere } from "./preflight/script-run";

/** One host. */
export interface ReachableHost {
  /** How to reach it. */
  readonly target: PreflightTarget;
  /** PostgreSQL's port there. */
  readonly port: number;
  /** PostgreSQL's major version there. @default - that of its newest data folder */
  readonly postgresVersion?: number;
}

/** Arguments of {@link LeavingHosts}. */
export interface LeavingHostsArgs {
  /** Every host by its key. Where keys go, their hosts and those of new keys let each other in. */
  hosts: pulumi.Input<Readonly<Record<string, pulumi.Input<ReachableHost>>>>;
  /** Lines of pg_hba.conf that let the nodes in. Changing it runs nothing by itself. */
  hbaLines: pulumi.Input<string>;
  /** Addresses and networks that a firewall of ours lets in, one a line. Changing it runs nothing by itself. */
  allowed: pulumi.Input<string>;
}

type Inputs = Resolved<LeavingHostsArgs>;
type Texts = Pick<Inputs, "hbaLines" | "allowed">;

const next = (resources: string) =>
  `start it and run again; where it is gone for good, take ${resources} out of the state: "pulumi stack --show-urns" lists them, "pulumi state delete <urn>" takes one out`;
const nextWhereLeaving = `it leaves all the same, but what is to be deleted on the host itself will fail: ${next("the resources of the host")}`;

const reasonOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause));

const run = ({ target }: ReachableHost, script: string) =>
  "ssh" in target ? runThere(target.ssh.address, script) : runHere(script);

function admitScript(
  key: string,
  { target, port, postgresVersion }: ReachableHost,
  { hbaLines, allowed }: Texts,
): string {
  const { prelude, values } = preludeOf(target);
  const hasFirewall = "ssh" in target && target.ssh.firewall === true;
  return composeScript(
    [
      "components/hosts/server.sh",
      ...prelude,
      "components/node-configuration/server-files.sh",
      ...(hasFirewall ? ["components/hosts/firewall.sh"] : []),
      "components/node-configuration/admit.sh",
    ],
    {
      ...values,
      KEY: key,
      POSTGRES_VERSION: postgresVersion === undefined ? "" : String(postgresVersion),
      HBA_LINES: hbaLines,
      ...(hasFirewall ? { PORT: String(port), ALLOWED: allowed, EXACT: "no" } : {}),
    },
  );
}

/** @throws unless the host leaves and is down */
async function admit(key: string, host: ReachableHost, texts: Texts, context: Context, leaves: boolean): Promise<void> {
  context.progress(`host "${key}" lets the other nodes in`);
  try {
    const outcome = await run(host, admitScript(key, host, texts));
    // One that leaves may have lost it; one that comes was configured a moment ago.
    if (!leaves && outcome.trim() === "no data") throw new Error("its data folder was not found");
  } catch (cause) {
    const reason = `host "${key}" cannot be told to let the other nodes in: ${reasonOf(cause)}`;
    // A host that is down may leave, if nothing is on it. One that is frozen would keep whoever logs in waiting for ever.
    if (!leaves || !(cause instanceof SshError && cause.isUnreachable))
      throw new Error(`${reason}; mend that, or switch off a host that leaves, and run again`, { cause });
    context.info(`${reason}\n${nextWhereLeaving}`);
  }
}

/** Whom the hosts of before and those of now let in. */
const together = (old: Inputs, inputs: Inputs): Texts => {
  const lines = (name: keyof Texts) => [...new Set([old, inputs].flatMap((each) => each[name].split("\n")))];
  // A former configuration without a firewall may have had names, which no firewall lets in.
  const allowed = lines("allowed").filter(isIpNetwork);
  return { hbaLines: lines("hbaLines").join("\n"), allowed: allowed.join("\n") };
};

const without = (hosts: Inputs["hosts"], others: Inputs["hosts"]) =>
  Object.entries(hosts).filter(([key]) => !(key in others));

/** Everything that does not answer. Nothing is changed there. */
async function unreachable(hosts: Inputs["hosts"]): Promise<readonly string[]> {
  const answers = Object.entries(hosts).map(([key, host]) =>
    run(host, "true\n").then(
      () => [],
      (cause: unknown) => [`host "${key}" does not answer: ${reasonOf(cause)}`],
    ),
  );
  return (await Promise.all(answers)).flat();
}

export const leavingHosts: Kind<Inputs, object> = {
  type: "LeavingHosts",
  fields: {
    hosts: { onChange: "update", secret: true },
    hbaLines: { onChange: "store" },
    allowed: { onChange: "store" },
  },
  outputs: [],
  id: () => "leaving-hosts",
  create: () => Promise.resolve({}),
  update: async (inputs, context, old) => {
    const leaving = without(old.hosts, inputs.hosts);
    const coming = leaving.length === 0 ? [] : without(inputs.hosts, old.hosts);
    const texts = together(old, inputs);
    await Promise.all([
      ...leaving.map(([key, host]) => admit(key, host, texts, context, true)),
      ...coming.map(([key, host]) => admit(key, host, texts, context, false)),
    ]);
    return {};
  },
  read: (inputs, _context, state) => Promise.resolve(state && { inputs, state }),
  delete: async ({ hosts }) => {
    const problems = await unreachable(hosts);
    if (problems.length > 0)
      throw new Error(`${problems.join("\n")}\nno host was changed; ${next("this resource and those of the host")}`);
  },
};

/** What hosts do when they leave, alone or all together. */
export class LeavingHosts extends DynamicResource {
  /** What the provider serves. */
  static readonly kind = leavingHosts;

  constructor(name: string, args: LeavingHostsArgs, opts?: pulumi.CustomResourceOptions) {
    super(leavingHosts, name, args, opts);
  }
}
