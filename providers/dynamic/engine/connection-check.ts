/** What is wrong with a connection that a program without a type check hands over: told at once, before a server is dialled. Pure. */
import { checkPort } from "../../../sizing/names";
import type { Problem } from "../../../sizing/problem";
import type { Connection, ConnectionTls } from "./session";
import { checkSshAddress } from "./ssh";

type Loose<T> = { readonly [K in keyof T]?: unknown };

/** Everything wrong with a connection, paths as in `connection.port`. Shows no secret. */
export function checkConnection(connection: Connection): readonly Problem[] {
  const { host, port, database, user, tls }: Loose<Connection> = connection;
  const missing = Object.entries({ host, database, user }).filter(
    ([, text]) => typeof text !== "string" || text === "",
  );
  const portReason = checkPort(port);
  return [
    ...missing.map(([path]) => ({ path, reason: "is missing; connections name host, port, database, user and tls" })),
    ...(portReason === undefined ? [] : [{ path: "port", reason: portReason }]),
    ...checkTls(tls),
    ...(connection.tunnel === undefined
      ? []
      : checkSshAddress(connection.tunnel).map(({ path, reason }) => ({ path: `tunnel.${path}`, reason }))),
  ].map(({ path, reason }) => ({ path: `connection.${path}`, reason }));
}

function checkTls(tls: unknown): readonly Problem[] {
  if (typeof tls !== "object" || tls === null)
    return [{ path: "tls", reason: "is missing; give { ca }, the authority of the server's certificate, as PEM text" }];
  const { cert, key }: Loose<ConnectionTls> = tls;
  if ((cert === undefined) === (key === undefined)) return [];
  const path = cert === undefined ? "tls.cert" : "tls.key";
  return [{ path, reason: "is missing; a client certificate and its key go together" }];
}
