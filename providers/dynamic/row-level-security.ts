/** RowLevelSecurity: of one distributed table each role sees and writes the rows of its own tenant only, on the table and on every shard.
 *  Calls CREATE and DROP POLICY and ALTER TABLE, which Citus carries to the shards in one transaction; reads every node. Citus 13.0 or newer.
 *  Sources: https://www.postgresql.org/docs/current/ddl-rowsecurity.html and
 *  https://docs.citusdata.com/en/stable/admin_guide/cluster_management.html#row-level-security */
import type * as pulumi from "@pulumi/pulumi";
import { checkExistingRoleName, checkObjectName } from "../../sizing/names";
import type { Problem } from "../../sizing/problem";
import type { Context, Kind, Resolved } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import { checkOnDelete } from "./engine/rules";
import { onAllNodes, valueOnNodes } from "./engine/server";
import type { Connection, Session } from "./engine/session";
import { ident, literal, sql, type Sql } from "./engine/sql";
import { asked, dangers, oddities, policyNames, takenName, type Wanted } from "./row-level-security/comparison";
import { nodeSql, tableOnNodes, type TableOnNodes } from "./row-level-security/relations";

/**
 * Whose rows are whose. Two policies on one table: one lets a role see and write the rows of its tenant, the other lets administrators see and
 * write all of them. Superusers and roles with BYPASSRLS are bound by no policy. A partition is a table of its own: grant rights on the
 * partitioned table only.
 */
export interface RowLevelSecurityArgs {
  /** The coordinator, in the database of the table, as the table's owner or a superuser. Changing it runs no statement. */
  connection: pulumi.Input<Connection>;
  /** Schema of the table. Changing it replaces the resource. @default "public" */
  schema?: pulumi.Input<string>;
  /** Name of a table that is distributed by a column, whose value is the tenant. Changing it replaces the resource. */
  table: pulumi.Input<string>;
  /**
   * The role `<rolePrefix><tenant>` sees the rows of the tenant: with "tenant_", role tenant_1 those whose distribution column is 1. The column
   * must be an integer, text, uuid or enum. Range: 0 to 62 bytes. Changing it updates the policy. @default - `setting` says it
   */
  rolePrefix?: pulumi.Input<string>;
  /**
   * The session's own setting that names the tenant, such as "app.tenant"; without it a session sees nothing. Any session may set it, so it guards
   * against mistakes of an application that is trusted. Citus carries it to workers only within a transaction: `SET citus.propagate_set_commands =
   * 'local'`, then per transaction `SET LOCAL app.tenant = '1'` (never set_config, which stays on the coordinator), or `ALTER ROLE … SET` for a role
   * of one tenant. Changing it updates the policy. @default - `rolePrefix` says it
   */
  setting?: pulumi.Input<string>;
  /** Roles that the tenant policy is for. Roles that neither policy is for see nothing. Changing it updates the policy. @default ["public"]: every role */
  roles?: pulumi.Input<readonly string[]>;
  /** Roles that see and write the rows of all tenants. Changing it updates the policy. @default - none */
  admins?: pulumi.Input<readonly string[]>;
  /**
   * Is the table's owner bound, too? An owner that is bound and then moves or alters the table (alter_distributed_table, undistribute_table,
   * citus_move_shard_placement) loses every row that it does not see, so it must be one of `admins`, a superuser or have BYPASSRLS. Changing
   * it updates the table. @default true
   */
  force?: pulumi.Input<boolean>;
  /** Name of the tenant policy. Changing it makes it anew. @default "tenant" */
  policy?: pulumi.Input<string>;
  /** Name of the administrators' policy. Changing it makes it anew. @default "admin" */
  adminPolicy?: pulumi.Input<string>;
  /** Policies of others that are meant to be on the table. One that is not listed is refused, since each may open the rows of all tenants. @default - none */
  otherPolicies?: pulumi.Input<readonly string[]>;
  /** What a delete does: leave the table protected, or drop both policies and switch row-level security off where no other policy is left. @default "keep" */
  onDelete?: pulumi.Input<"keep" | "drop">;
}

/** What is read back. */
export interface RowLevelSecurityState {
  /** The distribution column, whose value is the tenant. */
  readonly column: string;
  /** The condition of the tenant policy, as the server writes it. */
  readonly condition: string;
}

type Inputs = Resolved<RowLevelSecurityArgs>;
type Named = Pick<Inputs, "schema" | "table">;

const defaults = {
  schema: "public",
  roles: ["public"],
  admins: [],
  force: true,
  policy: "tenant",
  adminPolicy: "admin",
  otherPolicies: [],
};
type Whole = Inputs & Required<Pick<Inputs, keyof typeof defaults>>;
const whole = (i: Inputs): Whole => ({ ...defaults, ...i });

const tableName = (i: Named) => sql`${ident(i.schema ?? defaults.schema)}.${ident(i.table)}`;
const shown = (i: Named) => `${i.schema ?? defaults.schema}.${i.table}`;
const roleList = (roles: readonly string[]): Sql => ({
  parts: roles.flatMap((role, index) => [
    index === 0 ? "" : ", ",
    ...(role === "public" ? ["PUBLIC"] : ident(role).parts),
  ]),
});

/** Which rows a role may see and write. `type` is written by the server. */
export const conditionSql = (
  i: Pick<Inputs, "rolePrefix" | "setting">,
  { column, type }: { readonly column: string; readonly type: string },
): Sql =>
  i.setting === undefined
    ? sql`current_user = (${literal(i.rolePrefix ?? "")} || ${ident(column)}::text)`
    : // An expired SET LOCAL leaves an empty text behind, which must not be anybody's tenant. The type has no length, since a cast would cut.
      sql`${ident(column)} = nullif(current_setting(${literal(i.setting)}, true), '')::${{ parts: [type] }}`;

export const policySql = (i: Named, name: string, roles: readonly string[], condition: Sql) =>
  sql`CREATE POLICY ${ident(name)} ON ${tableName(i)} TO ${roleList(roles)} USING (${condition}) WITH CHECK (${condition})`;
// Citus carries IF EXISTS to every shard, also where the coordinator has no such policy.
export const dropPolicySql = (i: Named, name: string) => sql`DROP POLICY IF EXISTS ${ident(name)} ON ${tableName(i)}`;
export const enableSql = (i: Named, enabled: boolean) =>
  sql`ALTER TABLE ${tableName(i)} ${enabled ? sql`ENABLE` : sql`DISABLE`} ROW LEVEL SECURITY`;
export const forceSql = (i: Named, forced: boolean) =>
  sql`ALTER TABLE ${tableName(i)} ${forced ? sql`FORCE` : sql`NO FORCE`} ROW LEVEL SECURITY`;

// A table of the same columns that ends with its transaction: the server writes the condition there as it would on the table itself.
export const scratchSql = (i: Named) => sql`CREATE TEMP TABLE wanted_policy (LIKE ${tableName(i)}) ON COMMIT DROP`;
export const scratchPolicySql = (condition: Sql) =>
  sql`CREATE POLICY wanted ON pg_temp.wanted_policy USING (${condition})`;
export const textSql = (relation: Sql, policy: string) => sql`
  SELECT pg_get_expr(polqual, polrelid) AS condition FROM pg_policy WHERE polrelid = (${relation})::regclass AND polname = ${policy}`;

interface Distributed extends TableOnNodes {
  readonly column: string;
  readonly type: string;
}

/** @throws where there is no tenant to compare with */
function distributed(i: Pick<Inputs, "rolePrefix">, table: TableOnNodes | undefined): Distributed {
  if (table === undefined)
    throw new Error("there is no such table; create and distribute it first, and list it in dependsOn");
  const { column, type } = table;
  if (column === null || type === null) {
    throw new Error(
      "the table is not distributed by a column, so no row of it has a tenant; distribute it first (create_distributed_table)",
    );
  }
  if (i.rolePrefix !== undefined && !table.steadyText) {
    throw new Error(
      `rolePrefix: its distribution column "${column}" is of type ${type}, whose text is not the same in every session, so it names no role; use setting`,
    );
  }
  return { ...table, column, type };
}

async function conditionText(session: Session, relation: Sql, policy: string): Promise<string> {
  const [row] = await session.query<{ condition: string }>(textSql(relation, policy));
  return row?.condition ?? "";
}

/** The condition as the server would write it. */
async function wantedCondition(session: Session, i: Inputs, table: Distributed): Promise<string> {
  return await session.transaction(async () => {
    await session.query(scratchSql(i));
    await session.query(scratchPolicySql(conditionSql(i, table)));
    return await conditionText(session, sql`'pg_temp.wanted_policy'`, "wanted");
  });
}

const ruleName = (i: Inputs) => (i.setting === undefined ? "rolePrefix" : "setting");

const isOurs = (i: Inputs, { relations }: TableOnNodes) => {
  const { policy, adminPolicy } = whole(i);
  return policyNames(relations).some((name) => name === policy || name === adminPolicy);
};

const ask = async (session: Session, i: Inputs) => tableOnNodes(await onAllNodes(session, nodeSql(whole(i))));

async function conditionOf(
  i: Inputs,
  context: Context,
  table: TableOnNodes,
  state?: RowLevelSecurityState,
): Promise<string> {
  const { policy } = whole(i);
  const texts = table.relations.map(
    ({ definition }) => definition?.policies.find(({ name }) => name === policy)?.using,
  );
  // Asking costs a table that lives for a moment, so only where the texts are not those of the last run.
  if (state !== undefined && (table.column === null || texts.every((text) => text === state.condition)))
    return state.condition;
  return await context.connect(i.connection, (session) => wantedCondition(session, i, distributed(i, table)));
}

async function read(i: Inputs, context: Context, state?: RowLevelSecurityState) {
  const table = tableOnNodes(await valueOnNodes(context, { connection: i.connection }, nodeSql(whole(i))));
  if (table === undefined || !isOurs(i, table)) return undefined;
  const condition = await conditionOf(i, context, table, state);
  const { condition: rule, ...others } = oddities(whole(i), condition, table.relations);
  const odd = Object.entries({ [ruleName(i)]: rule, ...others }).filter(([, one]) => one !== undefined);
  if (state !== undefined) {
    for (const danger of dangers(whole(i), table)) context.info(`RowLevelSecurity of ${shown(i)}: ${danger}`);
  }
  return {
    inputs: {
      [ruleName(i)]: i[ruleName(i)],
      roles: i.roles,
      admins: i.admins,
      force: i.force,
      otherPolicies: i.otherPolicies,
      ...Object.fromEntries(odd.map(([name, one]) => [name, one?.value])),
    },
    state: { column: table.column ?? state?.column ?? "", condition },
    complete: odd.length === 0,
    where: Object.fromEntries(odd.map(([name, one]) => [name, one?.where])),
  };
}

/** @throws what stands in the way, all of it */
function refuse(wanted: Wanted, table: TableOnNodes): void {
  const found = dangers(wanted, table);
  if (found.length > 0) throw new Error(found.join("; "));
}

/** Both policies anew and row-level security on, in one transaction: nobody ever meets the table with one but without the other. */
async function protect(
  session: Session,
  i: Inputs,
  table: Distributed,
  oldNames: readonly string[],
): Promise<RowLevelSecurityState> {
  const { roles, admins, force, policy, adminPolicy } = whole(i);
  const condition = conditionSql(i, table);
  return await session.transaction(async () => {
    for (const name of new Set([...oldNames, policy, adminPolicy])) await session.query(dropPolicySql(i, name));
    await session.query(policySql(i, policy, roles, condition));
    if (admins.length > 0) await session.query(policySql(i, adminPolicy, admins, sql`true`));
    await session.query(forceSql(i, force));
    await session.query(enableSql(i, true));
    const { schema, table: name } = whole(i);
    return {
      column: table.column,
      condition: await conditionText(session, sql`format('%I.%I', ${schema}::text, ${name}::text)`, policy),
    };
  });
}

const namesProblems = (names: readonly string[], check: (name: string) => string | undefined): readonly Problem[] =>
  names.flatMap((name, index) => {
    const reason = names.indexOf(name) === index ? check(name) : `${JSON.stringify(name)} is there twice`;
    return reason === undefined ? [] : [{ path: `[${String(index)}]`, reason }];
  });

function rolesProblems(roles: readonly string[]): string | readonly Problem[] {
  if (roles.length === 0) return 'must not be empty; leave it out, or write ["public"], for every role';
  return roles.length === 1 && roles[0] === "public" ? [] : namesProblems(roles, checkExistingRoleName);
}

// With an empty tenant left over, the longest role name.
const longestPrefixBytes = 62;

function prefixProblem(prefix: string): string | undefined {
  if (prefix === "") return undefined;
  if (Buffer.byteLength(prefix) > longestPrefixBytes)
    return `must leave room for the tenant in the 63 bytes of a role's name`;
  return checkObjectName(prefix);
}

const settingProblem = (setting: string): string | undefined =>
  /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$/.test(setting)
    ? undefined
    : `must be a setting of the application's own: two or more words of letters, digits and "_" with a dot between, such as "app.tenant", got ${JSON.stringify(setting)}`;

function checkInputs(i: Inputs): readonly Problem[] {
  const { policy, adminPolicy, otherPolicies } = whole(i);
  const rules = [i.rolePrefix, i.setting].filter((rule) => rule !== undefined).length;
  return [
    ...(rules === 1
      ? []
      : [{ path: "rolePrefix", reason: `give either this or setting, got ${rules === 0 ? "neither" : "both"}` }]),
    ...(policy === adminPolicy
      ? [{ path: "adminPolicy", reason: `must not be ${JSON.stringify(policy)}, the name of the tenant policy` }]
      : []),
    ...otherPolicies
      .filter((name) => name === policy || name === adminPolicy)
      .map((name) => ({ path: "otherPolicies", reason: `${JSON.stringify(name)} is a policy of this resource` })),
  ];
}

export const rowLevelSecurity: Kind<Inputs, RowLevelSecurityState> = {
  type: "RowLevelSecurity",
  fields: {
    connection: { onChange: "store", secret: true },
    schema: { onChange: "replace", check: checkObjectName },
    table: { onChange: "replace", check: checkObjectName },
    rolePrefix: { onChange: "update", check: prefixProblem },
    setting: { onChange: "update", check: settingProblem },
    roles: { onChange: "update", check: rolesProblems },
    admins: { onChange: "update", check: (names) => namesProblems(names, checkExistingRoleName) },
    force: { onChange: "update" },
    policy: { onChange: "update", check: checkObjectName },
    adminPolicy: { onChange: "update", check: checkObjectName },
    otherPolicies: { onChange: "update", check: (names) => namesProblems(names, checkObjectName) },
    onDelete: {
      onChange: "store",
      check: checkOnDelete,
    },
  },
  outputs: ["column", "condition"],
  check: checkInputs,
  checkFrom: ["rolePrefix", "setting", "policy", "adminPolicy", "otherPolicies"],
  hints: {
    "42704": "create the roles first, on every node, and list them in dependsOn",
    "42501": "connect as the owner of the table or as a superuser",
    "55P03": "a session holds the table; let its transaction end, then run again",
  },
  id: (i) => `${i.connection.database}.${shown(i)}`,
  lock: (i) => i.connection,
  read,
  create: async (i, context) =>
    await context.connect(i.connection, async (session) => {
      const table = distributed(i, await ask(session, i));
      refuse(whole(i), table);
      // What the user left out differs from its default; what was asked for has been compared before.
      if (isOurs(i, table)) {
        const condition = await wantedCondition(session, i, table);
        const wanted = new Map<string, unknown>(Object.entries(asked(whole(i), condition)));
        const lines = Object.entries(oddities(whole(i), condition, table.relations)).flatMap(([name, one]) =>
          one === undefined
            ? []
            : [
                `${name} on ${one.where} is ${JSON.stringify(one.value)}, asked for ${JSON.stringify(wanted.get(name))}`,
              ],
        );
        throw new Error(
          `it exists already and differs: ${lines.join("; ")}. Ask for what is there, or change it there first`,
        );
      }
      return await protect(session, i, table, []);
    }),
  update: async (i, context, old) =>
    await context.connect(i.connection, async (session) => {
      const table = distributed(i, await ask(session, i));
      const { policy, adminPolicy } = whole(old);
      const taken = takenName(whole(i), whole(old), table.relations);
      if (taken !== undefined) {
        throw new Error(
          `there is a policy ${JSON.stringify(taken)} on the table already; choose another name or drop it first`,
        );
      }
      refuse({ ...whole(i), otherPolicies: [...whole(i).otherPolicies, policy, adminPolicy] }, table);
      return await protect(session, i, table, [policy, adminPolicy]);
    }),
  keeps: (i) =>
    i.onDelete === "drop"
      ? undefined
      : `kept row-level security of ${shown(i)}: without it every role with rights on the table would see the rows of all tenants; onDelete: "drop" drops it`,
  delete: async (i, context) => {
    await context.connect(i.connection, async (session) => {
      const table = await ask(session, i);
      if (table === undefined || !isOurs(i, table)) return;
      const { policy, adminPolicy } = whole(i);
      const own = [policy, adminPolicy];
      const isAlone = policyNames(table.relations).every((name) => own.includes(name));
      await session.transaction(async () => {
        for (const name of own) await session.query(dropPolicySql(i, name));
        if (!isAlone) return;
        await session.query(forceSql(i, false));
        await session.query(enableSql(i, false));
      });
    });
  },
};

/** Row-level security of one distributed table. See {@link RowLevelSecurityArgs}. */
export class RowLevelSecurity extends DynamicResource {
  /** What the provider serves. */
  static readonly kind = rowLevelSecurity;
  declare readonly table: pulumi.Output<string>;
  declare readonly column: pulumi.Output<string>;
  declare readonly condition: pulumi.Output<string>;

  constructor(name: string, args: RowLevelSecurityArgs, opts?: pulumi.CustomResourceOptions) {
    super(rowLevelSecurity, name, args, opts);
  }
}
