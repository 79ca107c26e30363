/** Extension: one extension in one database, on every node through the coordinator, which replays it on nodes added later.
 *  Calls CREATE, ALTER and DROP EXTENSION; reads pg_extension by run_command_on_all_nodes. Citus 13.0 or newer.
 *  Source: https://docs.citusdata.com/en/stable/develop/reference_ddl.html */
import type * as pulumi from "@pulumi/pulumi";
import { checkExtensionName } from "../../sizing/names";
import type { Context, Kind, Resolved } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import { checkOnDelete } from "./engine/rules";
import type { Connection, Session } from "./engine/session";
import { ident, literal, sql } from "./engine/sql";

/** What an extension is. */
export interface ExtensionArgs {
  /** The coordinator, in the database that gets the extension, as a role that may create it. Changing it runs no statement. */
  connection: pulumi.Input<Connection>;
  /** Name in `pg_available_extensions`; its package must be installed on every node. Not "citus": `Database` creates that. Changing it replaces the resource. */
  name: pulumi.Input<string>;
  /** Schema for its objects. Changing it moves them (ALTER EXTENSION … SET SCHEMA). @default - the extension's own, else public */
  schema?: pulumi.Input<string>;
  /** Version. Changing it updates the extension on every node (ALTER EXTENSION … UPDATE TO). @default - the one its control file names */
  version?: pulumi.Input<string>;
  /** What a delete does: leave the extension, or drop it where nothing depends on it (never CASCADE). @default "keep" */
  onDelete?: pulumi.Input<"keep" | "drop">;
}

/** What is read back. */
export interface ExtensionState {
  /** Version on the coordinator. */
  readonly installedVersion: string;
}

type Inputs = Resolved<ExtensionArgs>;
type Named = Pick<Inputs, "name">;

/** Version and schema on the coordinator. */
export const readSql = (i: Named) => sql`
  SELECT extversion AS version, nspname AS schema
    FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = ${i.name}`;

/** Version per registered node; an empty result where it is missing. */
export const readNodesSql = (i: Named) => sql`
  SELECT nodename || ':' || nodeport AS node, success, result
    FROM run_command_on_all_nodes(format('SELECT extversion FROM pg_extension WHERE extname = %L', ${i.name}::text))
    JOIN pg_dist_node USING (nodeid)`;

export const createSql = (i: Inputs) => sql`CREATE EXTENSION IF NOT EXISTS ${ident(i.name)}
  ${i.schema === undefined ? sql`` : sql`SCHEMA ${ident(i.schema)}`}
  ${i.version === undefined ? sql`` : sql`VERSION ${literal(i.version)}`}`;
export const versionSql = (i: Named, version: string) =>
  sql`ALTER EXTENSION ${ident(i.name)} UPDATE TO ${literal(version)}`;
export const schemaSql = (i: Named, schema: string) =>
  sql`ALTER EXTENSION ${ident(i.name)} SET SCHEMA ${ident(schema)}`;
export const deleteSql = (i: Named) => sql`DROP EXTENSION IF EXISTS ${ident(i.name)}`;

const statementSeconds = 300;

async function read(i: Inputs, context: Context) {
  return await context.connect(i.connection, async (session) => {
    const [there] = await session.query<{ version: string; schema: string }>(readSql(i));
    if (there === undefined) return undefined;
    const nodes = await session.query<{ node: string; success: boolean; result: string }>(readNodesSql(i));
    const silent = nodes.find(({ success }) => !success);
    if (silent !== undefined) throw new Error(`${silent.node} does not answer: ${silent.result}`);
    // A node that differs from the coordinator is the one worth showing.
    const odd = nodes.find(({ result }) => result !== there.version);
    return {
      inputs: {
        ...(i.schema === undefined ? {} : { schema: there.schema }),
        version: odd === undefined ? there.version : `${odd.result === "" ? "none" : odd.result} on ${odd.node}`,
      },
      state: { installedVersion: there.version },
      complete: odd === undefined,
    };
  });
}

/** Makes it where it is missing, and of one version everywhere: nodes that were away may lack either. */
async function complete(i: Inputs, session: Session): Promise<void> {
  await session.transaction(async () => {
    // Without SCHEMA an extension that is free to choose goes to the first schema of the path.
    await session.query(sql`SELECT set_config('search_path', 'public', true)`);
    await session.query(createSql(i), { timeoutSeconds: statementSeconds });
  });
  const [there] = await session.query<{ version: string }>(readSql(i));
  const version = i.version ?? there?.version;
  if (version !== undefined) await session.query(versionSql(i, version), { timeoutSeconds: statementSeconds });
}

export const extension: Kind<Inputs, ExtensionState> = {
  type: "Extension",
  fields: {
    connection: { onChange: "store", secret: true },
    name: {
      onChange: "replace",
      check: (value) =>
        value === "citus" ? "is created by Database on every node; leave it out here" : checkExtensionName(value),
    },
    schema: { onChange: "update" },
    version: { onChange: "update" },
    onDelete: {
      onChange: "store",
      check: checkOnDelete,
    },
  },
  outputs: ["installedVersion"],
  hints: {
    "58P01": "install its package on every node (Debian: postgresql-<major>-<name>)",
    "0A000": "install its package on every node (Debian: postgresql-<major>-<name>)",
    "2BP01": "drop what depends on it first; nothing is dropped by cascade",
    "22023": "ask for a version that SELECT * FROM pg_available_extension_versions lists on every node",
    "3F000": "create the schema first and list it in dependsOn",
  },
  id: (i) => `${i.connection.database}.${i.name}`,
  lock: (i) => i.connection,
  read,
  create: async (i, context) => {
    await context.connect(i.connection, (session) => complete(i, session));
    return undefined;
  },
  update: async (i, context) => {
    const { schema } = i;
    await context.connect(i.connection, async (session) => {
      const [there] = await session.query<{ schema: string }>(readSql(i));
      if (there !== undefined && schema !== undefined && schema !== there.schema) {
        await session.query(schemaSql(i, schema), { timeoutSeconds: statementSeconds });
      }
      await complete(i, session);
    });
    return undefined;
  },
  keeps: (i) =>
    i.onDelete === "drop"
      ? undefined
      : `kept the extension "${i.name}" in the database "${i.connection.database}"; onDelete: "drop" drops it`,
  delete: async (i, context) => {
    await context.connect(i.connection, (session) => session.query(deleteSql(i), { timeoutSeconds: statementSeconds }));
  },
};

/** One extension on every node. See {@link ExtensionArgs}. */
export class Extension extends DynamicResource {
  /** What the provider serves. */
  static readonly kind = extension;
  declare readonly name: pulumi.Output<string>;
  declare readonly installedVersion: pulumi.Output<string>;

  constructor(name: string, args: ExtensionArgs, opts?: pulumi.CustomResourceOptions) {
    super(extension, name, args, opts);
  }
}
