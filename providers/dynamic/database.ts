/** Database: one database with the citus extension on every node, made by direct connections, before Nodes joins the nodes.
 *  Calls CREATE DATABASE and CREATE EXTENSION citus; reads pg_database and pg_extension. Citus 13.0 or newer.
 *  Source: https://docs.citusdata.com/en/stable/admin_guide/cluster_management.html */
import type * as pulumi from "@pulumi/pulumi";
import { checkDatabaseName, checkRoleName } from "../../sizing/names";
import type { Kind, Resolved } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import { onEach, type ServerMap } from "./engine/server";
import type { Connection } from "./engine/session";
import { sameAddress, type FormerServer } from "./nodes/plan";
import { ident, literal, sql } from "./engine/sql";

/** What a database is. */
export interface DatabaseArgs {
  /** The coordinator, as a superuser, in a database that is always there (`postgres`). Changing it runs no statement. */
  connection: pulumi.Input<Connection>;
  /**
   * Every node that carries the database, the coordinator included, by its stable key. Each is dialled directly with the same user.
   * Adding one creates the database there; taking one out leaves its copy alone.
   */
  nodes: pulumi.Input<ServerMap>;
  /** Name, 1 to 63 bytes, not reserved. Changing it replaces the resource; the old database is kept unless `onDelete` is "drop". */
  name: pulumi.Input<string>;
  /** Role that owns it; it must exist on every node. Changing it updates the database on every node. @default - the connecting role */
  owner?: pulumi.Input<string>;
  /** Character encoding, such as "UTF8". Changing it replaces the resource. @default - the server's, from `template0` */
  encoding?: pulumi.Input<string>;
  /** Collation and character classification (LC_COLLATE and LC_CTYPE), such as "C.UTF-8". Changing it replaces the resource. @default - the server's, from `template0` */
  locale?: pulumi.Input<string>;
  /** What a delete does: leave the database with its data on every node, or drop it on every node. @default "keep" */
  onDelete?: pulumi.Input<"keep" | "drop">;
}

/** What is read back. */
export interface DatabaseState {
  /** Version of the citus extension in it, such as "13.2-1"; the same on every node. */
  readonly citusVersion: string;
  /** Servers that carried it once and are not in `nodes` any more. `Nodes` takes this list, so that no killed run leaves a node behind that nobody drains. */
  readonly former: readonly FormerServer[];
}

type Inputs = Resolved<DatabaseArgs>;

/** The database's row, if there is one. */
// An encoding has several spellings ("utf8", "UTF-8"); the one that was asked for is no difference.
export const readSql = (i: Pick<Inputs, "name" | "encoding">) => sql`
  SELECT pg_get_userbyid(datdba) AS owner, datcollate AS locale,
         CASE WHEN pg_char_to_encoding(${i.encoding ?? ""}) = encoding THEN ${i.encoding ?? ""} ELSE pg_encoding_to_char(encoding) END AS encoding
    FROM pg_database WHERE datname = ${i.name}`;

/** Version of citus in the database that runs it. */
export const citusSql = sql`SELECT extversion FROM pg_extension WHERE extname = 'citus'`;

// template0, so that every node gets the same database whatever somebody put into its template1.
export const createSql = (i: Inputs) => sql`CREATE DATABASE ${ident(i.name)} TEMPLATE template0
  ${i.owner === undefined ? sql`` : sql`OWNER ${ident(i.owner)}`}
  ${i.encoding === undefined ? sql`` : sql`ENCODING ${literal(i.encoding)}`}
  ${i.locale === undefined ? sql`` : sql`LOCALE ${literal(i.locale)}`}`;

export const createCitusSql = sql`CREATE EXTENSION IF NOT EXISTS citus`;
export const ownerSql = (i: Pick<Inputs, "name">, owner: string) =>
  sql`ALTER DATABASE ${ident(i.name)} OWNER TO ${ident(owner)}`;
export const deleteSql = (i: Pick<Inputs, "name">) => sql`DROP DATABASE IF EXISTS ${ident(i.name)} WITH (FORCE)`;

// Each node is changed by a direct connection to this database, so that nothing is propagated twice.
const maintenance = "postgres";
const createSeconds = 300;

interface Row {
  readonly owner: string;
  readonly encoding: string;
  readonly locale: string;
}

/** A node that was added may have a database of that name from before. */
function refuseOther(i: Inputs, row: Row, server: string): void {
  const different = (["encoding", "locale"] as const).filter((name) => i[name] !== undefined && i[name] !== row[name]);
  if (different.length === 0) return;
  const lines = different.map(
    (name) => `${name} is ${JSON.stringify(row[name])}, asked for ${JSON.stringify(i[name])}`,
  );
  throw new Error(
    `it exists already on ${server} and differs: ${lines.join("; ")}. Ask for what is there, or rename it there first`,
  );
}

/** The servers of all earlier runs that are not among the present ones, each address once. */
export function formerServers(
  old: Pick<Inputs, "nodes"> & Partial<DatabaseState>,
  i: Pick<Inputs, "nodes">,
): readonly FormerServer[] {
  const before = [
    ...(old.former ?? []),
    ...Object.entries(old.nodes).map(([key, { host, port }]) => ({ key, host, port })),
  ];
  const present = Object.values(i.nodes);
  return before.filter(
    (server, index) =>
      !present.some((node) => sameAddress(node, server)) &&
      before.findIndex((other) => sameAddress(other, server)) === index,
  );
}

export const database: Kind<Inputs, DatabaseState> = {
  type: "Database",
  fields: {
    connection: { onChange: "store", secret: true },
    nodes: { onChange: "update" },
    name: { onChange: "replace", check: checkDatabaseName },
    owner: { onChange: "update", check: checkRoleName },
    encoding: { onChange: "replace" },
    locale: { onChange: "replace" },
    onDelete: {
      onChange: "store",
      check: (value) => (["keep", "drop"].includes(value) ? undefined : `must be "keep" or "drop", got "${value}"`),
    },
  },
  outputs: ["citusVersion", "former"],
  hints: {
    "42704": "create the owner on every node first and list it in dependsOn",
    "58P01": "install the Citus package on that node",
    "55006": "end the sessions that use it, or template0, and run again",
  },
  mends: ["nodes"],
  id: (i) => i.name,
  lock: (i) => i.connection,

  read: async (i, context, state) => {
    const rows = await onEach(
      context,
      i.connection,
      i.nodes,
      maintenance,
      async (session) => (await session.query<Row>(readSql(i)))[0],
    );
    const present = Object.fromEntries(Object.entries(i.nodes).filter(([key]) => rows[key] !== undefined));
    const found = Object.values(rows).filter((row) => row !== undefined);
    if (found.length === 0) return undefined;
    const versions = await onEach(context, i.connection, present, i.name, async (session) => {
      const [row] = await session.query<{ extversion: string }>(citusSql);
      return row?.extversion;
    });
    const carrying = Object.fromEntries(Object.entries(present).filter(([key]) => versions[key] !== undefined));
    // A node that differs from what was asked is the one worth showing.
    const seen = (name: keyof Row, asked: string | undefined) =>
      (found.find((row) => row[name] !== asked) ?? found[0])?.[name];
    return {
      inputs: {
        nodes: carrying,
        owner: seen("owner", i.owner),
        encoding: seen("encoding", i.encoding),
        locale: seen("locale", i.locale),
      },
      state: {
        citusVersion: Object.values(versions).find((version) => version !== undefined) ?? "",
        former: state?.former ?? [],
      },
    };
  },

  create: async (i, context) => {
    await onEach(context, i.connection, i.nodes, maintenance, async (session) => {
      const [row] = await session.query<Row>(readSql(i));
      if (row === undefined) await session.query(createSql(i), { timeoutSeconds: createSeconds });
      else refuseOther(i, row, session.server);
    });
    await onEach(context, i.connection, i.nodes, i.name, (session) =>
      session.query(createCitusSql, { timeoutSeconds: createSeconds }),
    );
    return undefined;
  },

  update: async (i, context, old) => {
    await database.create(i, context);
    const { owner } = i;
    if (owner !== undefined) {
      await onEach(context, i.connection, i.nodes, maintenance, (session) => session.query(ownerSql(i, owner)));
    }
    const found = await database.read(i, context);
    return found && { ...found.state, former: formerServers(old, i) };
  },

  keeps: (i) =>
    i.onDelete === "drop"
      ? undefined
      : `kept the database "${i.name}" with its data on every node; onDelete: "drop" drops it`,
  delete: async (i, context) => {
    await onEach(context, i.connection, i.nodes, maintenance, (session) =>
      session.query(deleteSql(i), { timeoutSeconds: createSeconds }),
    );
  },
};

/** One database with citus on every node. See {@link DatabaseArgs}. */
export class Database extends DynamicResource {
  declare readonly name: pulumi.Output<string>;
  declare readonly citusVersion: pulumi.Output<string>;
  declare readonly former: pulumi.Output<readonly FormerServer[]>;

  constructor(name: string, args: DatabaseArgs, opts?: pulumi.CustomResourceOptions) {
    super(database, name, args, opts);
  }
}
