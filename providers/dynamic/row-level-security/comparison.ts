/** Row-level security as it is beside what was asked for, and what must not be touched. Pure. */
import { equal } from "../engine/rules";
import { oddOne } from "../engine/server";
import type { Definition, Policy, TableOnNodes } from "./relations";

/** What is asked for, defaults filled in. */
export interface Wanted {
  readonly roles: readonly string[];
  readonly admins: readonly string[];
  readonly force: boolean;
  readonly policy: string;
  readonly adminPolicy: string;
  readonly otherPolicies: readonly string[];
}

/** What a relation shows of it. `condition` is what was asked for, or a text that says what is there instead. */
interface Seen {
  readonly condition: string;
  readonly roles: readonly string[];
  readonly admins: readonly string[];
  readonly force: boolean;
  /** Policies that nobody has listed. */
  readonly otherPolicies: readonly string[];
}

/** Of each argument what differs, and where; undefined where nothing does. */
export type Oddities = {
  readonly [Name in keyof Seen]: { readonly value: Seen[Name]; readonly where: string } | undefined;
};

const isWhole = ({ permissive, command, using, check }: Policy, condition: string) =>
  permissive && command === "*" && using === condition && (check ?? using) === condition;

const policyText = ({ permissive, command, using, check }: Policy) =>
  [
    ...(permissive ? [] : ["restrictive"]),
    ...(command === "*" ? [] : [`for command ${command}`]),
    ...(using === null ? [] : [`USING ${using}`]),
    ...(check === null || check === using ? [] : [`WITH CHECK ${check}`]),
  ].join(" ");

function seenOn(wanted: Wanted, condition: string, definition: Definition | null): Seen {
  if (definition === null) return { ...asked(wanted, condition), condition: "the shard is missing" };
  const { enabled, forced, policies } = definition;
  const { policy, adminPolicy, otherPolicies } = wanted;
  const tenant = policies.find(({ name }) => name === policy);
  const admin = policies.find(({ name }) => name === adminPolicy);
  const text =
    tenant === undefined ? `no policy "${policy}"` : isWhole(tenant, condition) ? condition : policyText(tenant);
  return {
    condition: enabled ? text : "row-level security is off",
    roles: tenant?.roles ?? [],
    admins: admin !== undefined && isWhole(admin, "true") ? admin.roles : [],
    force: forced,
    otherPolicies: policies
      .map(({ name }) => name)
      .filter((name) => ![policy, adminPolicy, ...otherPolicies].includes(name)),
  };
}

const byBytes = (names: readonly string[]) =>
  [...names].sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));

/** What a relation shows that is exactly as asked for. */
export function asked({ roles, admins, force }: Wanted, condition: string): Seen {
  return { condition, roles: byBytes(roles), admins: byBytes(admins), force, otherPolicies: [] };
}

/** What differs, and where. `condition` is the tenant policy's, as the server writes it. */
export function oddities(wanted: Wanted, condition: string, relations: TableOnNodes["relations"]): Oddities {
  const rows = Object.fromEntries(
    relations.map(({ where, definition }) => [where, seenOn(wanted, condition, definition)]),
  );
  const whole = asked(wanted, condition);
  const odd = <Name extends keyof Seen>(name: Name) => {
    const one = oddOne(
      rows,
      (seen) => seen[name],
      (value) => equal(value, whole[name]),
    );
    if (one === undefined || equal(one.value, whole[name])) return undefined;
    // Where all of them are alike, the first one stands for them.
    return { value: one.value, where: one.node ?? Object.keys(rows).sort()[0] ?? "" };
  };
  return {
    condition: odd("condition"),
    roles: odd("roles"),
    admins: odd("admins"),
    force: odd("force"),
    otherPolicies: odd("otherPolicies"),
  };
}

/** Names of the policies on the table and its shards. */
export const policyNames = (relations: TableOnNodes["relations"]): readonly string[] =>
  relations.flatMap(({ definition }) => (definition?.policies ?? []).map(({ name }) => name));

/** What stands in the way of protecting the table as asked for, each with the next step. */
export function dangers(wanted: Wanted, { owner, ownerSeesAll, relations }: TableOnNodes): readonly string[] {
  const own = [wanted.policy, wanted.adminPolicy];
  const restrictive = relations
    .flatMap(({ definition }) => definition?.policies ?? [])
    .filter(({ name, permissive }) => !permissive && !own.includes(name))
    .map(({ name }) => JSON.stringify(name));
  const other = oddities(wanted, "", relations).otherPolicies;
  return [
    ...(wanted.force && !ownerSeesAll
      ? [
          `its owner ${JSON.stringify(owner)} would lose every row that it does not see when it moves or alters the table (alter_distributed_table, ` +
            `undistribute_table, citus_move_shard_placement); name the owner in admins, give the table to another role, or set force to false`,
        ]
      : []),
    ...(restrictive.length > 0
      ? [
          `the policy ${[...new Set(restrictive)].join(", ")} is restrictive, and Citus makes it permissive on the shards, where it opens rows ` +
            `instead of closing them; drop it`,
        ]
      : []),
    ...(other === undefined
      ? []
      : [
          `${other.where} has policies of others: ${other.value.map((name) => JSON.stringify(name)).join(", ")}, and each may open the rows of all ` +
            `tenants; list them in otherPolicies or drop them (DROP POLICY IF EXISTS on the coordinator drops one from every shard)`,
        ]),
  ];
}

/** A name that an update would give to a policy, and that is somebody else's already. */
export function takenName(wanted: Wanted, before: Wanted, relations: TableOnNodes["relations"]): string | undefined {
  const names = policyNames(relations);
  const own = [before.policy, before.adminPolicy];
  const renamed = [
    { name: wanted.policy, former: before.policy },
    { name: wanted.adminPolicy, former: before.adminPolicy },
  ];
  // Where the former one is gone, a killed run has renamed it.
  return renamed.find(({ name, former }) => !own.includes(name) && names.includes(name) && names.includes(former))
    ?.name;
}
