/** Database: one database with the citus extension on every node, made by direct connections, before Nodes joins the nodes.
 *  Calls CREATE DATABASE and CREATE EXTENSION citus; reads pg_database and pg_extension. Citus 13.0 or newer.
 *  Source: https://docs.citusdata.com/en/stable/admin_guide/cluster_management.html */
import type * as pulumi from "@pulumi/pulumi";
import { checkDatabaseName, checkExistingDatabaseName, checkRoleName } from "../../sizing/names";
import type { Context, Kind, Resolved } from "./engine/kind";
import { DynamicResource } from "./engine/resource";
import { checkOnDelete } from "./engine/rules";
import { oddOne, onEach, tellNobodySql, type ServerMap } from "./engine/server";
import { bringCitus, citusOnNodes, wantedCitus } from "./database/citus";
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
  /**
   * Database that it is copied from on each node; it must have no citus and no session in it. It counts when the database is made: changing it
   * later changes nothing. @default "template0"
   */
  template?: pulumi.Input<string>;
  /** Character encoding, such as "UTF8". Changing it replaces the resource. @default - the template's */
  encoding?: pulumi.Input<string>;
  /** Collation and character classification (LC_COLLATE and LC_CTYPE), such as "C.UTF-8". Changing it replaces the resource. @default - the template's */
  locale?: pulumi.Input<string>;
  /**
   * Language tag of an ICU collation as the database's default, such as "de-AT" or "und-u-ks-level2", in its canonical form. The encoding must be
   * one that ICU has (UTF8). Changing it replaces the resource. @default - none: `locale` sorts
   */
  icuLocale?: pulumi.Input<string>;
  /**
   * Version of the citus extension, such as "13.2-1". Changing it updates the extension on every node, before `Nodes` touches one: with a
   * library of another version Citus writes wrong metadata. @default - the one that the nodes' installed packages bring, when all bring the same:
   * after an update of the packages, a refresh shows the nodes that are behind, and the next change brings them along
   */
  extensionVersion?: pulumi.Input<string>;
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
// The column of the ICU locale is called differently from 17 on.
export const readSql = (i: Pick<Inputs, "name" | "encoding">) => sql`
  SELECT pg_get_userbyid(datdba) AS owner, datcollate AS locale,
         CASE datlocprovider WHEN 'i' THEN coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') END AS "icuLocale",
         CASE WHEN pg_char_to_encoding(${i.encoding ?? ""}) = encoding THEN ${i.encoding ?? ""} ELSE pg_encoding_to_char(encoding) END AS encoding
    FROM pg_database d WHERE datname = ${i.name}`;

// template0, so that every node gets the same database whatever somebody put into its template1.
export const createSql = (i: Inputs) => sql`CREATE DATABASE ${ident(i.name)} TEMPLATE ${ident(i.template ?? template0)}
  ${i.owner === undefined ? sql`` : sql`OWNER ${ident(i.owner)}`}
  ${i.encoding === undefined ? sql`` : sql`ENCODING ${literal(i.encoding)}`}
  ${i.locale === undefined ? sql`` : sql`LOCALE ${literal(i.locale)}`}
  ${i.icuLocale === undefined ? sql`` : sql`LOCALE_PROVIDER icu ICU_LOCALE ${literal(i.icuLocale)}`}`;

export const ownerSql = (i: Pick<Inputs, "name">, owner: string) =>
  sql`ALTER DATABASE ${ident(i.name)} OWNER TO ${ident(owner)}`;
export const deleteSql = (i: Pick<Inputs, "name">) => sql`DROP DATABASE IF EXISTS ${ident(i.name)} WITH (FORCE)`;

// Each node is changed by a direct connection to this database, so that nothing is propagated twice.
const maintenance = "postgres";
const template0 = "template0";
const createSeconds = 300;

interface Row {
  readonly owner: string;
  readonly encoding: string;
  readonly locale: string;
  readonly icuLocale: string | null;
}

/** The canonical form is what the server gives back, so that nothing differs. */
function icuLocaleProblem(tag: string): string | undefined {
  const canonical = canonicalTag(tag);
  return canonical === tag
    ? undefined
    : `must be a language tag in its canonical form${canonical === undefined ? ', such as "de-AT"' : `: ${JSON.stringify(canonical)}`}, got ${JSON.stringify(tag)}`;
}

function canonicalTag(tag: string): string | undefined {
  try {
    return Intl.getCanonicalLocales(tag)[0];
  } catch {
    // What is no tag at all has no canonical form.
    return undefined;
  }
}

/** A node that was added may have a database of that name from before. */
function refuseOther(i: Inputs, row: Row, server: string): void {
  const different = (["encoding", "locale", "icuLocale"] as const).filter(
    (name) => i[name] !== undefined && i[name] !== row[name],
  );
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

/** A copy has the identity and the nodes of the cluster that its template belongs to. It was made a moment ago, so that it can go. */
async function refuseCopiedCitus(i: Inputs, context: Context, made: Readonly<Record<string, boolean>>): Promise<void> {
  const nodes = Object.fromEntries(Object.entries(i.nodes).filter(([key]) => made[key] === true));
  const copied = Object.entries(await citusOnNodes({ ...i, nodes }, context)).filter(
    ([, { installed }]) => installed !== null,
  );
  if (copied.length === 0) return;
  await dropOn(i, context, nodes);
  throw new Error(
    `its template "${i.template ?? template0}" has citus on ${copied.map(([key]) => key).join(", ")}, and a copy would pass for that cluster; name a template without it`,
  );
}

async function dropOn(i: Inputs, context: Context, nodes: Inputs["nodes"]): Promise<void> {
  await onEach(context, i.connection, nodes, maintenance, async (session) => {
    await session.query(tellNobodySql(false));
    await session.query(deleteSql(i), { timeoutSeconds: createSeconds });
  });
}

function checkTemplate(name: string): string | undefined {
  return [template0, "template1"].includes(name) ? undefined : checkExistingDatabaseName(name);
}

export const database: Kind<Inputs, DatabaseState> = {
  type: "Database",
  fields: {
    connection: { onChange: "store", secret: true },
    nodes: { onChange: "update" },
    name: { onChange: "replace", check: checkDatabaseName },
    owner: { onChange: "update", check: checkRoleName },
    template: { onChange: "store", check: checkTemplate },
    encoding: { onChange: "replace" },
    locale: { onChange: "replace" },
    icuLocale: { onChange: "replace", check: icuLocaleProblem },
    extensionVersion: {
      onChange: "update",
      check: (value) =>
        /^\d+\.\d+-\d+$/.test(value) ? undefined : `must be a version such as "13.2-1", got ${JSON.stringify(value)}`,
    },
    onDelete: {
      onChange: "store",
      check: checkOnDelete,
    },
  },
  outputs: ["citusVersion", "former"],
  hints: {
    "42704": "create the owner on every node first and list it in dependsOn",
    "58P01": "install the Citus package on that node",
    "55006": "end the sessions that use it, or its template, and run again",
    "22023":
      "ask for what its template has, or take template0; a version of citus must be one that pg_available_extension_versions lists on every node",
  },
  mends: ["nodes"],
  id: (i) => i.name,
  lock: (i) => i.connection,

  read: async (i, context, state) => {
    const found = await onEach(
      context,
      i.connection,
      i.nodes,
      maintenance,
      async (session) => (await session.query<Row>(readSql(i)))[0],
    );
    const rows = Object.fromEntries(
      Object.entries(found).flatMap(([key, row]) => (row === undefined ? [] : [[key, row] as const])),
    );
    const onNodes = (keys: readonly string[]) =>
      Object.fromEntries(Object.entries(i.nodes).filter(([key]) => keys.includes(key)));
    if (Object.keys(rows).length === 0) return undefined;
    const versions = await citusOnNodes({ ...i, nodes: onNodes(Object.keys(rows)) }, context);
    const wanted = wantedCitus(i.extensionVersion, versions);
    const behind = Object.keys(versions).filter((key) => {
      const installed = versions[key]?.installed ?? null;
      if (installed !== null && installed !== wanted && wanted !== undefined)
        context.info(`Database "${i.name}": citus is ${installed} on ${key}, ${wanted} is wanted there`);
      return installed === null || (wanted !== undefined && installed !== wanted);
    });
    const seen = Object.fromEntries(
      (["owner", "encoding", "locale", "icuLocale"] as const).map((name) => [
        name,
        oddOne(
          rows,
          (row) => row[name] ?? undefined,
          (value) => i[name] === undefined || value === i[name],
        ),
      ]),
    );
    const shown = versions[behind[0] ?? Object.keys(versions)[0] ?? ""];
    return {
      inputs: {
        nodes: onNodes(Object.keys(rows).filter((key) => !behind.includes(key))),
        ...Object.fromEntries(Object.entries(seen).map(([name, one]) => [name, one?.value])),
      },
      state: { citusVersion: shown?.installed ?? "", former: state?.former ?? [] },
      where: Object.fromEntries(
        Object.entries(seen).flatMap(([name, one]) => (one?.node === undefined ? [] : [[name, one.node]])),
      ),
    };
  },

  create: async (i, context) => {
    const made = await onEach(context, i.connection, i.nodes, maintenance, async (session) => {
      await session.query(tellNobodySql(false));
      const [row] = await session.query<Row>(readSql(i));
      if (row !== undefined) refuseOther(i, row, session.server);
      else await session.query(createSql(i), { timeoutSeconds: createSeconds });
      return row === undefined;
    });
    if (i.template !== undefined) await refuseCopiedCitus(i, context, made);
    await bringCitus(i, context);
    return undefined;
  },

  update: async (i, context, old) => {
    await database.create(i, context);
    const { owner } = i;
    if (owner !== undefined) {
      await onEach(context, i.connection, i.nodes, maintenance, async (session) => {
        await session.query(tellNobodySql(false));
        await session.query(ownerSql(i, owner));
      });
    }
    const found = await database.read(i, context);
    return found && { ...found.state, former: formerServers(old, i) };
  },

  keeps: (i) =>
    i.onDelete === "drop"
      ? undefined
      : `kept the database "${i.name}" with its data on every node; onDelete: "drop" drops it`,
  delete: (i, context) => dropOn(i, context, i.nodes),
};

/** One database with citus on every node. See {@link DatabaseArgs}. */
export class Database extends DynamicResource {
  /** What the provider serves. */
  static readonly kind = database;
  declare readonly name: pulumi.Output<string>;
  declare readonly citusVersion: pulumi.Output<string>;
  declare readonly former: pulumi.Output<readonly FormerServer[]>;

  constructor(name: string, args: DatabaseArgs, opts?: pulumi.CustomResourceOptions) {
    super(database, name, args, opts);
  }
}
