/** A session on one PostgreSQL server: connect with verified TLS, settle the session's settings, query, always close. */
import { setTimeout as delay } from "node:timers/promises";
import { checkServerIdentity } from "node:tls";
import { Client, DatabaseError, escapeLiteral } from "pg";
import { describeProblems } from "../../../sizing/problem";
import { checkConnection } from "./connection-check";
import { SqlError, sqlError } from "./errors";
import { compile, sql, type Sql } from "./sql";
import { loginName, type SshAddress } from "./ssh";
import { openStream, type TunnelStream } from "./tunnel";

declare module "pg" {
  // Left out of its types.
  interface ClientBase {
    ref(): void;
    unref(): void;
  }
}

/**
 * Where and as whom to run SQL. TLS with a verified server name is always on. Resources register it as one secret text and keep it once: transforms and
 * policies see that text, and `ignoreChanges` takes the whole of it or nothing; a resource that is ignored so goes on with the connection of its last
 * change, and its checks across arguments wait until it changes.
 */
export interface Connection {
  /** DNS name or IP address of the server. */
  readonly host: string;
  /** TCP port, 1 to 65535. */
  readonly port: number;
  /** Database to connect to. */
  readonly database: string;
  /** Role to connect as; node operations need a superuser. */
  readonly user: string;
  /** Password, for SCRAM. Secret. @default - none: a certificate is enough */
  readonly password?: string;
  /** Certificates, PEM. */
  readonly tls: ConnectionTls;
  /**
   * Where to log in over SSH, to dial `host` and `port` from there: the coordinator's machine, or any other that reaches every node. Kinds
   * that act on several nodes dial each from there, under the address that nodes use. TLS goes on to the server inside, so that `tls` is
   * the same with and without it. One login serves everything; it ends seconds after its last use. For a cluster of other making:
   * `tunnel: { host: "db1.example.com", user: "deploy", agent: true, hostKey: "ssh-ed25519 AAAA…" }`, where sshd lets `deploy` forward
   * (AllowTcpForwarding) and `pg_hba.conf` takes the role from that machine. @default - servers are dialled directly
   */
  readonly tunnel?: SshAddress;
}

/** TLS side of a connection. PEM texts, not file names. */
export interface ConnectionTls {
  /** Authorities that the server's certificate must come from. */
  readonly ca: string;
  /** Client certificate, PEM, where the server asks for one. @default - none */
  readonly cert?: string;
  /** Private key of the client certificate, PEM. Secret. @default - none */
  readonly key?: string;
  /** Name that the server's certificate must carry. @default - the host */
  readonly serverName?: string;
}

/** One open session. */
export interface Session {
  /** `host:port`, for messages. */
  readonly server: string;
  /**
   * Rows of one statement. Conditions that pass by themselves (locks, metadata catching up) are tried again for 30 seconds.
   * @throws SqlError with the server's message
   */
  readonly query: <Row extends object>(statement: Sql, limits?: { readonly timeoutSeconds?: number }) => Promise<Row[]>;
  /** Runs `use` in one transaction; an error rolls back. Statements inside are not tried again. */
  readonly transaction: <T>(use: () => Promise<T>) => Promise<T>;
  /**
   * The same for statements that carry secrets: the server writes neither them nor their values nor their errors to its log or its
   * statistics, as far as the session's role may say so (a superuser may).
   */
  readonly unlogged: <T>(use: () => Promise<T>) => Promise<T>;
}

const connectTimeoutSeconds = 10;
const statementTimeoutSeconds = 60;
const retrySeconds = 30;
const sessionsPerServer = 2;
const idleMilliseconds = 1_000;
const closeMilliseconds = 2_000;

// An empty search_path, so that nothing a user created can stand in for a function of PostgreSQL or Citus.
// Sent again when a session is reused, so that no setting of its last user is left.
const prologue = [
  "RESET ALL",
  // A lock's session waits in silence for as long as the work takes.
  "SET idle_session_timeout = 0",
  // The statement of a killed provider ends with it, instead of running into the next run's.
  "SET client_connection_check_interval = '2s'",
  "SET search_path = ''",
  // The texts that are known, where the role may ask for them.
  "SELECT set_config('lc_messages', 'C', false) WHERE has_parameter_privilege('lc_messages', 'SET')",
  "SET client_min_messages = 'notice'",
  "SET lock_timeout = '10s'",
  `SET statement_timeout = '${String(statementTimeoutSeconds)}s'`,
  "SET citus.node_connection_timeout = '5s'",
].join(";");

// What would show a statement or its values, and the value that stops it. A failing INSERT prints the row in its error's detail, so errors go, too.
/** Settings under which a server writes no statement down. `unlogged` sets them where the session is; Citus passes on only what SET LOCAL says. */
export const silence: Readonly<Record<string, string>> = {
  log_statement: "none",
  log_min_messages: "fatal",
  log_min_error_statement: "panic",
  log_min_duration_statement: "-1",
  log_min_duration_sample: "-1",
  log_transaction_sample_rate: "0",
  "auto_explain.log_min_duration": "-1",
  "pg_stat_statements.track_utility": "off",
  "pgaudit.log": "none",
};

// A statement of its own: the server decides before it runs one whether to log it.
const silenceSql = sql`
  SELECT set_config(name, value, true) FROM unnest(${Object.keys(silence)}::text[], ${Object.values(silence)}::text[]) AS s (name, value)
   WHERE has_parameter_privilege(name, 'SET')`;

interface Pooled {
  readonly client: Client;
  readonly tunnelled?: TunnelStream;
  readonly target: string;
  readonly notices: string[];
  usable: boolean;
  idleTimer?: NodeJS.Timeout;
}

/** The sessions of one server. Two at most, whatever their database: a small coordinator must not run out of connections because of us. */
class ServerPool {
  private open = 0;
  private readonly idle: Pooled[] = [];
  private readonly waiting: (() => void)[] = [];

  async use<T>(connection: Connection, applicationName: string, use: (session: Session) => Promise<T>): Promise<T> {
    await this.enter();
    try {
      const pooled = await this.take(connection, applicationName);
      try {
        return await use(session(pooled, serverOf(connection)));
      } catch (error) {
        pooled.usable = false;
        throw error;
      } finally {
        await this.give(pooled);
      }
    } finally {
      this.leave();
    }
  }

  private async enter(): Promise<void> {
    if (this.open >= sessionsPerServer) await new Promise<void>((resolve) => this.waiting.push(resolve));
    else this.open += 1;
  }

  private leave(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.open -= 1;
    else next();
  }

  private async take(connection: Connection, applicationName: string): Promise<Pooled> {
    const target = JSON.stringify(connection);
    // The one that was used last, so that the others come of age.
    const index = this.idle.map((pooled) => pooled.target).lastIndexOf(target);
    const [found] = index < 0 ? [] : this.idle.splice(index, 1);
    if (found !== undefined) {
      clearTimeout(found.idleTimer);
      found.client.ref();
      if (found.usable && (await settle(found, applicationName))) return found;
      await close(found);
    }
    // Idle sessions of other databases count as well: with one entered per place, closing one makes room.
    while (this.idle.length > 0 && this.idle.length + this.open > sessionsPerServer) {
      const surplus = this.idle.shift();
      if (surplus !== undefined) await close(surplus);
    }
    return await connect(connection, applicationName, target);
  }

  private async give(pooled: Pooled): Promise<void> {
    if (!pooled.usable || this.idle.length + this.open > sessionsPerServer) {
      await close(pooled);
      return;
    }
    this.idle.push(pooled);
    // A program that has nothing else to do ends, and does not wait for what it will not use again.
    pooled.client.unref();
    pooled.idleTimer = setTimeout(() => void this.release(pooled), idleMilliseconds).unref();
  }

  /** Closes every idle session. */
  async drain(): Promise<void> {
    await Promise.all(this.idle.map((pooled) => this.release(pooled)));
  }

  private async release(pooled: Pooled): Promise<void> {
    // It counts until the server has let it go.
    await close(pooled);
    const index = this.idle.indexOf(pooled);
    if (index >= 0) this.idle.splice(index, 1);
  }
}

const serverOf = ({ host, port }: Connection) => `${host}:${String(port)}`;

/** Which server it is: behind two SSH servers, one address can be two. */
export const placeOf = (connection: Connection) =>
  [connection.tunnel?.bastion, connection.tunnel]
    .flatMap((login) => (login === undefined ? [] : [loginName(login)]))
    .concat(serverOf(connection))
    .join(" ");

const pools = new Map<string, ServerPool>();

// Called when nothing is left to do; servers get a goodbye instead of a line in their log.
process.on("beforeExit", () => {
  for (const pool of pools.values()) void pool.drain();
});

/** Runs `use` with a session on the server. @throws SqlError when the server cannot be reached, with host and port */
export async function connectTo<T>(
  connection: Connection,
  applicationName: string,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  const problems = checkConnection(connection);
  // node-postgres would end the process seconds later, for some of them.
  if (problems.length > 0) throw new Error(describeProblems(problems));
  const place = placeOf(connection);
  const pool = pools.get(place) ?? new ServerPool();
  pools.set(place, pool);
  return await pool.use(connection, applicationName, use);
}

async function connect(connection: Connection, applicationName: string, target: string): Promise<Pooled> {
  const server = serverOf(connection);
  const { ca, cert, key, serverName } = connection.tls;
  return await retrying(connectTimeoutSeconds, async () => {
    const tunnelled = connection.tunnel && (await throughTunnel(connection.tunnel, connection));
    const client = new Client({
      ...(tunnelled && { stream: () => tunnelled.stream }),
      host: connection.host,
      port: connection.port,
      database: connection.database,
      user: connection.user,
      // Without one, node-postgres would look for PGPASSWORD and a password file.
      password: connection.password ?? "",
      ssl: {
        ca,
        cert,
        key,
        rejectUnauthorized: true,
        minVersion: "TLSv1.2",
        // node-postgres puts the host over a `servername` of ours.
        ...(serverName === undefined
          ? {}
          : { checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate) }),
      },
      connectionTimeoutMillis: connectTimeoutSeconds * 1_000,
      keepAlive: true,
      // Before a firewall forgets the session of a lock.
      keepAliveInitialDelayMillis: 30_000,
    });
    const pooled: Pooled = { client, ...(tunnelled && { tunnelled }), target, notices: [], usable: true };
    client.on("notice", ({ severity, message }) => {
      if (severity === "WARNING" && message !== undefined) pooled.notices.push(message);
    });
    client.on("error", () => (pooled.usable = false));
    client.on("end", () => (pooled.usable = false));
    try {
      await client.connect();
      await client.query(settlement(applicationName));
      return pooled;
    } catch (cause) {
      await close(pooled);
      throw sqlError(cause, server);
    }
  });
}

const throughTunnel = (tunnel: SshAddress, connection: Connection): Promise<TunnelStream> =>
  openStream(tunnel, connection).catch((cause: unknown) => {
    throw sqlError(cause, serverOf(connection));
  });

const settlement = (applicationName: string) => ({
  text: `${prologue};SET application_name = ${escapeLiteral(applicationName.slice(0, 63))}`,
  query_timeout: connectTimeoutSeconds * 1_000,
});

async function settle({ client }: Pooled, applicationName: string): Promise<boolean> {
  return await client.query(settlement(applicationName)).then(
    () => true,
    // The server ended it while it was idle; a new one is opened instead.
    () => false,
  );
}

async function close(pooled: Pooled): Promise<void> {
  clearTimeout(pooled.idleTimer);
  pooled.usable = false;
  // A broken connection may refuse to close, and a server that hangs never says goodbye; it is gone either way.
  const patience = new AbortController();
  await Promise.race([
    pooled.client.end().catch(() => undefined),
    delay(closeMilliseconds, undefined, { signal: patience.signal }).catch(() => undefined),
  ]);
  patience.abort();
  pooled.tunnelled?.close();
}

function session(pooled: Pooled, server: string): Session {
  let inTransaction = false;
  const run = async <Row extends object>(statement: Sql, timeoutSeconds: number): Promise<Row[]> => {
    pooled.notices.length = 0;
    // A server that hangs never comes to its own timeout.
    const limit = { query_timeout: (timeoutSeconds + 10) * 1_000 };
    const setTimeLimit = (seconds: number) =>
      pooled.client.query({ text: `SET statement_timeout = '${String(seconds)}s'`, ...limit });
    try {
      if (timeoutSeconds !== statementTimeoutSeconds) await setTimeLimit(timeoutSeconds);
      const { rows }: { rows: Row[] } = await pooled.client.query({ ...compile(statement), ...limit });
      if (timeoutSeconds !== statementTimeoutSeconds) await setTimeLimit(statementTimeoutSeconds);
      return rows;
    } catch (cause) {
      // Without an answer the session is of no use, and each further statement would wait for its own deadline.
      if (!(cause instanceof DatabaseError)) await close(pooled);
      throw sqlError(cause, server, pooled.notices);
    }
  };
  const transaction = async <T>(use: () => Promise<T>): Promise<T> => {
    await run({ parts: ["BEGIN"] }, statementTimeoutSeconds);
    inTransaction = true;
    try {
      const result = await use();
      await run({ parts: ["COMMIT"] }, statementTimeoutSeconds);
      return result;
    } catch (error) {
      // The error is the news; a failing rollback means that the connection, and with it the transaction, is gone.
      await run({ parts: ["ROLLBACK"] }, statementTimeoutSeconds).catch(() => undefined);
      throw error;
    } finally {
      inTransaction = false;
    }
  };
  return {
    server,
    query: async <Row extends object>(statement: Sql, limits: { readonly timeoutSeconds?: number } = {}) => {
      const timeoutSeconds = limits.timeoutSeconds ?? statementTimeoutSeconds;
      const attempt = () => run<Row>(statement, timeoutSeconds);
      // Without an answer nobody knows whether the statement ran, so only a server's refusal is tried again.
      return inTransaction
        ? await attempt()
        : await retrying(retrySeconds, attempt, (error) => error.code !== undefined);
    },
    transaction,
    unlogged: (use) =>
      transaction(async () => {
        await run(silenceSql, statementTimeoutSeconds);
        return await use();
      }),
  };
}

async function retrying<T>(
  seconds: number,
  attempt: () => Promise<T>,
  allowed: (error: SqlError) => boolean = () => true,
): Promise<T> {
  const deadline = Date.now() + seconds * 1_000;
  for (let pause = 100; ; pause = Math.min(pause * 2, 3_000)) {
    try {
      return await attempt();
    } catch (error) {
      const wait = pause * (0.5 + Math.random() / 2);
      if (!(error instanceof SqlError) || !error.retry || !allowed(error) || Date.now() + wait > deadline) throw error;
      await delay(wait);
    }
  }
}
