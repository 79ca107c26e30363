/** A session on one PostgreSQL server: connect with verified TLS, settle the session's settings, query, always close. */

/** Where and as whom to run SQL. TLS with a verified server name is always on. */
export interface Connection {
  /** DNS name or IP address of the server. */
  readonly host: string;
  /** TCP port, 1 to 65535. */
  readonly port: number;
  /** Database to connect to. */
  readonly database: string;
  /** Role to connect as; node operations need a superuser. */
  readonly user: string;
  /** Password, for SCRAM. Absent where a certificate is enough. */
  readonly password?: string;
  /** Certificates, PEM. */
  readonly tls: ConnectionTls;
}

/** TLS side of a connection. PEM texts, not file names. */
export interface ConnectionTls {
  /** Authorities that the server's certificate must come from. */
  readonly ca: string;
  /** Client certificate, where the server asks for one. */
  readonly cert?: string;
  /** Private key of the client certificate. */
  readonly key?: string;
  /** Name that the server's certificate must carry. @default - the host */
  readonly serverName?: string;
}

/** Rows of one statement. */
export interface Session {
  readonly query: <Row extends object>(statement: unknown) => Promise<Row[]>;
}
