/** Whether a role can log in, tried: with its password on every node that can be dialled, and through Citus from node to node as the role. */
import { SqlError } from "../engine/errors";
import type { Context } from "../engine/kind";
import { onAllNodes, onEach } from "../engine/server";
import type { Connection } from "../engine/session";
import { ident, sql } from "../engine/sql";
import type { WantedRole } from "./attributes";
import type { Reach } from "./nodes";

// No line of pg_hba.conf lets this machine in as the role: that says nothing about the machines it is meant for.
const noWayIn = "28000";
// Both come after the password was accepted.
const afterLogin = ["42501", "53300"];

/** Could the role log in from here? Where the nodes are named, only with a password: its certificates are with its clients. */
export const mayLogIn = (wanted: WantedRole, hasNodes: boolean): boolean =>
  wanted.login !== false && wanted.connectionLimit !== 0 && (!hasNodes || wanted.password !== undefined);

/** Is its password good no longer? `now` is a moment in milliseconds. */
export const hasExpired = ({ validUntil = "" }: WantedRole, now: number): boolean => Date.parse(validUntil) <= now;

/** Tries it, and says what could not be tried. @throws the nodes that refuse its password */
export async function tryLogin(wanted: WantedRole & Reach, context: Context): Promise<void> {
  const say = (what: string) => {
    context.info(`Role "${wanted.name}": ${what}`);
  };
  if (!mayLogIn(wanted, wanted.nodes !== undefined)) return;
  if (hasExpired(wanted, Date.now())) {
    say("login not tried: its password is not valid any more (validUntil)");
    return;
  }
  if (wanted.password !== undefined) await withPassword(wanted, wanted.password, context, say);
  if (wanted.nodes === undefined) await throughCitus(wanted, context, say);
}

async function withPassword(
  { name, connection, nodes }: Reach,
  password: string,
  context: Context,
  say: (what: string) => void,
): Promise<void> {
  const { ca, serverName } = connection.tls;
  const own: Connection = {
    ...connection,
    user: name,
    password,
    tls: { ca, ...(serverName === undefined ? {} : { serverName }) },
  };
  const attempt = async (use: Promise<unknown>, where: string) => {
    await use.catch((error: unknown) => {
      if (!(error instanceof SqlError) || error.code === undefined) throw error;
      if (afterLogin.includes(error.code)) return;
      if (error.code !== noWayIn)
        throw new SqlError(`it cannot log in with its password: ${error.message}`, error.code, error.server, false, {
          cause: error,
        });
      say(`login with its password not tried on ${where}: ${error.message}`);
    });
  };
  const nothing = () => Promise.resolve();
  if (nodes === undefined) await attempt(context.connect(own, nothing), "the coordinator");
  else
    await Promise.all(
      Object.entries(nodes).map(([key, node]) =>
        attempt(onEach(context, own, { [key]: node }, "postgres", nothing), `node "${key}"`),
      ),
    );
}

/** As distributed queries do: the coordinator dials every node as the role, with what the cluster lets it in by. */
async function throughCitus({ name, connection }: Reach, context: Context, say: (what: string) => void): Promise<void> {
  await context.connect(connection, async (session) => {
    await session.query(sql`SET ROLE ${ident(name)}`);
    await onAllNodes(session, sql`SELECT current_user`).catch((error: unknown) => {
      // Not a failure: what lets a role pass from node to node (pg_ident.conf, AuthInfo) may be made after the role.
      say(
        `it cannot pass from the coordinator to every node yet: ${error instanceof Error ? error.message : String(error)}`,
      );
    });
    await session.query(sql`RESET ROLE`);
  });
}
