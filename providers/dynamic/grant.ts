/** Grant: rights of one role on a database, a schema, tables, sequences, functions, or on what is made later; on every node, shards included.
 *  Calls GRANT, REVOKE and ALTER DEFAULT PRIVILEGES; reads the catalogs' access lists by run_command_on_all_nodes. Citus 13.0 or newer.
 *  Sources: https://www.postgresql.org/docs/current/ddl-priv.html, https://docs.citusdata.com/en/stable/develop/reference_ddl.html */
import type * as pulumi from "@pulumi/pulumi";
import { checkExistingRoleName } from "../../sizing/names";
import type { Problem } from "../../sizing/problem";
import type { Context, Kind, Resolved } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import { onAllNodes, valueOnNodes, type ServerMap } from "./engine/server";
import type { Connection, Session } from "./engine/session";
import { holds, lacks, planGrant, type Held, type WantedRights } from "./grant/rights";
import {
  everybody,
  heldSql,
  namesOf,
  rightsOn,
  stepSql,
  targetProblems,
  targetText,
  type GrantTarget,
} from "./grant/target";

/** Rights of one role. What others gave, and what was there before, is never taken back. */
export interface GrantArgs {
  /** The coordinator, in the database with citus where the objects are, as a superuser or as their owner. Changing it runs no statement. */
  connection: pulumi.Input<Connection>;
  /**
   * Every node, as `Database` takes them; none is dialled. Citus gives a node that joins later the rights on tables, schemas, sequences and
   * functions, but not those on a database, nor default privileges: a changed map brings them there. It must depend on `Nodes`.
   * @default - nodes that join later get those rights with the next change or refresh
   */
  nodes?: pulumi.Input<ServerMap>;
  /** Role that gets the rights; it must exist on every node. "public" stands for everybody. Changing it replaces the resource. */
  role: pulumi.Input<string>;
  /**
   * What the rights are on: `{ type: "tables", schema: "app", names: ["orders"] }`. Changing the names gives and takes what differs; changing
   * the rest replaces the resource. Without names: all that are there, but for those of extensions; those made later are seen by a refresh.
   */
  on: pulumi.Input<GrantTarget>;
  /** Rights by PostgreSQL's names, such as ["SELECT", "INSERT"]; never ALL, which differs between versions. Changing it gives and takes what differs. */
  privileges: pulumi.Input<readonly pulumi.Input<string>[]>;
  /** May the role pass the rights on (WITH GRANT OPTION)? Changing it updates the rights. @default false */
  grantable?: pulumi.Input<boolean>;
  /** What a delete does: leave the rights, or take back what this resource gave (never CASCADE). @default "keep" */
  onDelete?: pulumi.Input<"keep" | "revoke">;
}

/** What is read back. */
export interface GrantState {
  /** Asked rights that were there before, and so are never taken back: `SELECT` for all objects, `SELECT orders` for one; a star: may be passed on. */
  readonly before: readonly string[];
}

type Inputs = Resolved<GrantArgs>;

const statementSeconds = 300;
// The session's own server, beside the nodes; no node has an empty address.
const here = "";

const wantedOf = (i: Inputs): WantedRights => {
  const names = namesOf(i.on);
  return { privileges: i.privileges, grantable: i.grantable === true, ...(names === undefined ? {} : { names }) };
};

function privilegeProblems(i: Inputs): readonly Problem[] {
  const known = rightsOn(i.on);
  const wrong = i.privileges.flatMap((privilege, index) => {
    const path = `privileges[${String(index)}]`;
    if (!known.includes(privilege))
      return [{ path, reason: `must be one of ${known.join(", ")}, got ${JSON.stringify(privilege)}` }];
    return i.privileges.indexOf(privilege) < index ? [{ path, reason: `"${privilege}" is there twice` }] : [];
  });
  return [
    ...wrong,
    ...(i.role === everybody && i.grantable === true
      ? [{ path: "grantable", reason: "must be left out: what everybody has cannot be passed on" }]
      : []),
  ];
}

/** Rights on the session's server, and on every node by its address. */
interface HeldOnNodes {
  readonly own: Held;
  readonly nodes: Readonly<Record<string, Held>>;
}

async function heldOnNodes(session: Session, i: Inputs, names = namesOf(i.on)): Promise<HeldOnNodes> {
  return heldIn(await onAllNodes(session, heldSql(i.on, i.role, names), { own: here }));
}

function heldIn({ [here]: own = "{}", ...nodes }: Readonly<Record<string, string>>): HeldOnNodes {
  return {
    own: heldOf(own),
    nodes: Object.fromEntries(Object.entries(nodes).map(([node, text]) => [node, heldOf(text)])),
  };
}

// The statement above is the only source of these texts.
const heldOf = (text: string): Held => JSON.parse(text) as Held;

async function read(i: Inputs, context: Context, state?: GrantState) {
  const reach = { connection: i.connection, own: here };
  const { own, nodes } = heldIn(await valueOnNodes(context, reach, heldSql(i.on, i.role, namesOf(i.on))));
  const wanted = wantedOf(i);
  const names = wanted.names ?? Object.keys(own);
  const isHeld = (held: Held, privilege: string) =>
    names.every((name) => holds(held, name, privilege, wanted.grantable));
  const odd = Object.keys(nodes).find((node) => lacks(wanted, names, nodes[node] ?? {}));
  const onNodes = (privilege: string) =>
    Object.values(nodes).every((held) => !lacks({ ...wanted, privileges: [privilege] }, names, held));
  const isGone = names.length > 0 && !i.privileges.some((one) => names.some((name) => holds(own, name, one, false)));
  if (isGone) return undefined;
  return {
    inputs: { privileges: i.privileges.filter((privilege) => isHeld(own, privilege) && onNodes(privilege)) },
    state: {
      before: state?.before ?? i.privileges.map((privilege) => (wanted.grantable ? `${privilege}*` : privilege)),
    },
    ...(odd === undefined ? {} : { where: { privileges: odd } }),
  };
}

async function apply(i: Inputs, context: Context, old?: Inputs & Partial<GrantState>): Promise<GrantState> {
  return await context.connect(i.connection, async (session) => {
    const wanted = wantedOf(i);
    // Without that memory nothing is known to be given by us.
    const oldWanted = old?.before === undefined ? undefined : { ...wantedOf(old), before: old.before };
    // Names that are not asked for any more may have rights to take back.
    const names =
      wanted.names === undefined || (oldWanted !== undefined && oldWanted.names === undefined)
        ? undefined
        : [...new Set([...wanted.names, ...(oldWanted?.names ?? [])])];
    const { own } = await heldOnNodes(session, i, names);
    refuseMissing(i, own);
    const plan = planGrant(wanted, own, oldWanted);
    context.begin();
    // Through the coordinator first: Citus passes on what concerns distributed objects, and remembers the role for nodes that join later.
    await session.transaction(async () => {
      for (const step of plan.steps)
        await session.query(stepSql(i.on, i.role, step, false), { timeoutSeconds: statementSeconds });
    });
    await complete(session, i, plan.steps);
    return { before: plan.before };
  });
}

/** What Citus does not pass on: databases other than this one, default privileges, objects that every node has of its own, nodes that were away. */
async function complete(session: Session, i: Inputs, steps: ReturnType<typeof planGrant>["steps"]): Promise<void> {
  const wanted = wantedOf(i);
  const lacking = async () => {
    const { own, nodes } = await heldOnNodes(session, i);
    const names = wanted.names ?? Object.keys(own);
    return Object.keys(nodes).filter((node) => lacks(wanted, names, nodes[node] ?? {}));
  };
  const missing = await lacking();
  for (const step of steps) {
    if (step.verb.startsWith("grant") && missing.length === 0) continue;
    await onAllNodes(session, stepSql(i.on, i.role, step, true), { timeoutSeconds: statementSeconds });
  }
  if (missing.length === 0) return;
  const still = await lacking();
  if (still.length > 0)
    throw new Error(`${still.join(", ")} did not take the rights over although every statement succeeded; run again`);
}

function refuseMissing({ on }: Inputs, own: Held): void {
  const missing = (namesOf(on) ?? []).filter((name) => own[name] === undefined);
  if (missing.length === 0) return;
  const what =
    on.type === "defaults"
      ? `the ${on.schema === undefined ? "role" : "role or schema"} of these defaults`
      : missing.map((name) => JSON.stringify(name)).join(", ");
  throw new Error(`${what} does not exist there; make it first and list it in dependsOn`);
}

export const grant: Kind<Inputs, GrantState> = {
  type: "Grant",
  fields: {
    connection: { onChange: "store", secret: true },
    nodes: { onChange: "update" },
    role: { onChange: "replace", check: (value) => (value === everybody ? undefined : checkExistingRoleName(value)) },
    on: { onChange: "update", check: targetProblems },
    privileges: {
      onChange: "update",
      check: (value) => (value.length === 0 ? "must name at least one right" : undefined),
    },
    grantable: { onChange: "update" },
    onDelete: {
      onChange: "store",
      check: (value) => (["keep", "revoke"].includes(value) ? undefined : `must be "keep" or "revoke", got "${value}"`),
    },
  },
  outputs: ["before"],
  check: privilegeProblems,
  hints: {
    "42704": "create the role on every node first and list it in dependsOn",
    "42501": "connect as a superuser or as the owner of the objects",
    "42883": "connect to a database with citus",
    "42P01": "connect to a database with citus",
    "42601": "ask for rights that this version of PostgreSQL knows",
    "2BP01": "the role has passed these rights on; take them back there first, nothing is revoked by cascade",
  },
  // Rights add up: those that are there already stay, and are remembered as not given here.
  mends: ["privileges"],
  id: (i) => `${i.role} on ${targetText(i.on, i.connection.database)}`,
  lock: (i) => i.connection,
  read,
  create: (i, context) => apply(i, context),
  update: (i, context, old) => apply(i, context, old),
  keeps: (i) =>
    i.onDelete === "revoke"
      ? undefined
      : `kept the rights of "${i.role}" (${i.privileges.join(", ")} on ${targetText(i.on, i.connection.database)}); onDelete: "revoke" takes them back`,
  delete: async (i, context, state) => {
    await context.connect(i.connection, async (session) => {
      const { own } = await heldOnNodes(session, i);
      const none = { ...wantedOf(i), privileges: [] };
      const { steps } = planGrant(none, own, { ...wantedOf(i), before: state.before });
      await session.transaction(async () => {
        for (const step of steps)
          await session.query(stepSql(i.on, i.role, step, false), { timeoutSeconds: statementSeconds });
      });
      for (const step of steps)
        await onAllNodes(session, stepSql(i.on, i.role, step, true), { timeoutSeconds: statementSeconds });
    });
  },
};

/** Rights of one role on every node. See {@link GrantArgs}. */
export class Grant extends DynamicResource {
  /** What the provider serves. */
  static readonly kind = grant;
  declare readonly role: pulumi.Output<string>;

  constructor(name: string, args: GrantArgs, opts?: pulumi.CustomResourceOptions) {
    super(grant, name, args, opts);
  }
}
