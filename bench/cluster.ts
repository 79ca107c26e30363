/** The cluster that measurements form: the demo's, with a coordinator and the workers a and b; and what can be seen of one, whoever formed it. */
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { programOf } from "../examples/demo/program";
import { freePorts } from "../tests/support/servers";
import { toolPath } from "../tests/support/tools";
import type { Scene } from "./scene";
import { openStack, type BenchStack } from "./stack";

/** Where one cluster lies. Each node has a folder named by its key; `clients` holds the certificates of the operator and of the role app. */
export interface Place {
  readonly folder: string;
  /** Folder of PostgreSQL's programs. */
  readonly bin: string;
  /** TCP port of each node, the coordinator first. */
  readonly ports: Readonly<Record<"coordinator" | "a" | "b", number>>;
}

/** A new place with free ports. Whatever runs there at the end is stopped and removed. */
export async function newPlace(scene: Scene): Promise<Place> {
  const folder = scene.folder();
  scene.atEnd(() => stopServers(folder));
  const [coordinator = 0, a = 0, b = 0] = await freePorts(3);
  return { folder, bin: toolPath("postgres"), ports: { coordinator, a, b } };
}

/** A stack of the cluster at that place. Not formed yet. */
export async function openCluster(scene: Scene, place: Place): Promise<BenchStack> {
  const { coordinator, ...workers } = place.ports;
  const cluster = { folder: place.folder, bin: place.bin, coordinator, workers };
  return await openStack(scene, programOf(cluster, Object.keys(workers)));
}

/** Stops every server of that place at once and removes its folder. */
export async function clear({ folder }: Place): Promise<void> {
  await stopServers(folder);
  rmSync(folder, { recursive: true, force: true });
}

const stopSeconds = 20;

async function stopServers(folder: string): Promise<void> {
  const files = existsSync(folder) ? readdirSync(folder).map((key) => join(folder, key, "data", "postmaster.pid")) : [];
  for (const file of files.filter((each) => existsSync(each))) {
    const id = Number(readFileSync(file, "utf8").split("\n")[0]);
    const deadline = Date.now() + stopSeconds * 1000;
    // An immediate stop: nobody needs the data any more.
    while (signal(id, "SIGQUIT")) {
      if (Date.now() > deadline) throw new Error(`the server ${id} of ${folder} does not stop`);
      await delay(50);
    }
  }
}

/** False when the process is gone. */
function signal(id: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(id, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

// What must be the same, whoever formed the cluster. Ports and folders differ from place to place.
const factQueries = {
  settings: `SELECT name, setting FROM pg_settings WHERE source = 'configuration file' ORDER BY name`,
  clientAccess:
    "SELECT type, database, user_name, address, auth_method, options FROM pg_hba_file_rules ORDER BY line_number",
  identities: "SELECT map_name, sys_name, pg_username FROM pg_ident_file_mappings ORDER BY line_number",
  databases: `SELECT datname, pg_get_userbyid(datdba) AS owner, datcollate, datctype, pg_encoding_to_char(encoding) AS encoding
                FROM pg_database ORDER BY datname`,
  roles: "SELECT rolname, rolcanlogin, rolsuper FROM pg_roles WHERE oid >= 16384 OR rolsuper ORDER BY rolname",
  extensions: `SELECT extname, extversion, nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace ORDER BY extname`,
  nodes: `SELECT noderole, nodename, nodeport, isactive, hasmetadata, metadatasynced, shouldhaveshards FROM pg_dist_node ORDER BY groupid`,
  connection:
    'SELECT version, client_dn, issuer_dn <> client_dn AS "hasAuthority" FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
} as const;

/** What every node of a cluster says of itself, ports and folders by their names. Connects as the operator and as the role app. */
export async function factsOf(place: Place): Promise<Readonly<Record<string, unknown>>> {
  const facts: Record<string, unknown> = {};
  for (const [key, port] of Object.entries(place.ports)) {
    for (const [name, query] of Object.entries(factQueries))
      facts[`${key}: ${name}`] = placeless(await ask(place, port, "postgres", query), place);
  }
  facts["login of app"] = await ask(place, place.ports.coordinator, "app", "SELECT current_user");
  return facts;
}

/** One of the certificates and keys of clients: "ca.crt", "postgres.key". */
export function clientFile({ folder }: Place, name: string): { readonly path: string; readonly text: string } {
  const path = join(folder, "clients", name);
  return { path, text: readFileSync(path, "utf8") };
}

/** Rows of a query of that role at one node, in the database app. */
export async function ask(place: Place, port: number, user: string, query: string): Promise<unknown[]> {
  const text = (name: string) => clientFile(place, name).text;
  const ssl = { ca: text("ca.crt"), cert: text(`${user}.crt`), key: text(`${user}.key`) };
  const client = new Client({ host: "127.0.0.1", port, user, database: "app", ssl });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(query)).rows;
  } finally {
    await client.end();
  }
}

function placeless(rows: unknown[], { folder, ports }: Place): unknown {
  const text = Object.entries(ports).reduce(
    (so, [key, port]) => so.replaceAll(new RegExp(`\\b${port}\\b`, "g"), `<port of ${key}>`),
    JSON.stringify(rows).replaceAll(folder, "<folder>"),
  );
  return JSON.parse(text.replaceAll(/(?<=:)<port of (\w+)>/g, '"<port of $1>"'));
}
