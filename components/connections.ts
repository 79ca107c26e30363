/** Connections: connection strings for psql and node-postgres, and the client files that they name. Last stage of the flow.
 *  The files are written on the machine that runs the `up` that issues them, and nowhere else. */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { Certificates, KeyPair } from "./certificates";
import { clientFileName, nodePostgresUrl, psqlCommand } from "./connections/strings";
import type { Hosts } from "./hosts/host";
import { localShell, type Shell } from "./hosts/shell";

/** Arguments of {@link Connections}. */
export interface ConnectionsArgs {
  /** The hosts; connections lead to the coordinator. */
  readonly hosts: Hosts;
  /** The cluster's certificates: connections are for the operator, as postgres, and for each login role. */
  readonly certificates: Pick<Certificates, "authority" | "operator" | "loginRoles">;
  /** Names of the databases. */
  readonly databases: readonly string[];
  /**
   * Folder of the client files: `ca.crt`, and `.crt` and `.key` per role. Absolute. Changing it writes them there and leaves the former ones.
   * The default depends on the home folder: name one where several machines or users run the same stack.
   * @default - `~/.pulumi-citus/<project>-<stack>-<name>`
   */
  readonly folder?: string;
}

/** Texts by role ("postgres" is the operator), then by database. */
export type ConnectionStrings = Record<string, Record<string, string>>;

/** Connection strings, and the files that they name. */
export class Connections extends pulumi.ComponentResource {
  static readonly type = "citus:index:Connections";
  /** Folder of the client files. */
  readonly folder: string;
  /** A complete shell command, `psql "host=… sslmode=verify-full …"`, per role and database. Resolved once the files are there. */
  readonly psql: pulumi.Output<ConnectionStrings>;
  /**
   * A `postgres://` URL for node-postgres per role and database. Resolved once the files are there.
   * Databases whose names it cannot read from a URL (with "?" or "#") are left out.
   */
  readonly nodePostgres: pulumi.Output<ConnectionStrings>;

  /** @throws pulumi.RunError when the folder is relative or no host is the coordinator */
  constructor(name: string, args: ConnectionsArgs, opts?: pulumi.ComponentResourceOptions) {
    const folder =
      args.folder ?? join(homedir(), ".pulumi-citus", `${pulumi.getProject()}-${pulumi.getStack()}-${name}`);
    const coordinator = Object.values(args.hosts).find(({ role }) => role === "coordinator");
    if (coordinator === undefined)
      throw new pulumi.RunError(`${Connections.type} "${name}": hosts: no host is the coordinator`);
    if (!isAbsolute(folder))
      throw new pulumi.RunError(
        `${Connections.type} "${name}": folder: "${folder}" is relative; name it from the root`,
      );
    super(Connections.type, name, { folder, databases: [...args.databases] }, opts);
    this.folder = folder;

    const clients: Readonly<Record<string, KeyPair>> = {
      ...args.certificates.loginRoles,
      postgres: args.certificates.operator,
    };
    const written = writeFiles(name, folder, args.certificates.authority, clients, this);
    const { port } = coordinator;
    const strings = (text: (host: string, user: string, database: string) => string | undefined) =>
      pulumi
        .all([coordinator.address, written])
        .apply(([host]) =>
          byRoleAndDatabase(Object.keys(clients), args.databases, (user, database) => text(host, user, database)),
        );
    const target = (host: string, user: string, database: string) => ({
      host,
      port,
      user,
      database,
      ...filesOf(folder, user),
    });
    this.psql = strings((host, user, database) => psqlCommand(target(host, user, database)));
    this.nodePostgres = strings((host, user, database) => nodePostgresUrl(target(host, user, database)));
    this.registerOutputs({ folder, psql: this.psql, nodePostgres: this.nodePostgres });
  }
}

const filesOf = (folder: string, role: string) => ({
  authorityFile: join(folder, "ca.crt"),
  certificateFile: join(folder, `${clientFileName(role)}.crt`),
  keyFile: join(folder, `${clientFileName(role)}.key`),
});

/** Writes all files; resolved once they are there. */
function writeFiles(
  name: string,
  folder: string,
  authority: pulumi.Input<string>,
  clients: Readonly<Record<string, KeyPair>>,
  parent: pulumi.Resource,
): pulumi.Output<unknown> {
  const shell = localShell({ files: ["components/connections/client-files.sh"], values: { CLIENT_FOLDER: folder } });
  const step = (
    child: string,
    file: string,
    values: Parameters<Shell["run"]>[1]["values"],
    kept: Record<string, string>,
    dependsOn: pulumi.Resource[],
  ) =>
    shell.run(
      `${name}-${child}`,
      {
        files: [`components/connections/write-${file}.sh`],
        values,
        onDelete: { files: [`components/connections/delete-${file}.sh`], values: kept },
      },
      { parent, dependsOn },
    );
  const first = step("authority", "authority", { CA: authority }, {}, []);
  const others = Object.entries(clients).map(([role, { certificate, privateKey }]) => {
    const CLIENT = clientFileName(role);
    return step(`client-${role}`, "client", { CLIENT, CERTIFICATE: certificate, PRIVATE_KEY: privateKey }, { CLIENT }, [
      first.resource,
    ]);
  });
  return pulumi.all([first, ...others].map(({ outcome }) => outcome));
}

function byRoleAndDatabase(
  roles: readonly string[],
  databases: readonly string[],
  text: (role: string, database: string) => string | undefined,
): ConnectionStrings {
  return Object.fromEntries(
    roles.map((role) => [
      role,
      Object.fromEntries(
        databases.flatMap((database) => {
          const value = text(role, database);
          return value === undefined ? [] : [[database, value]];
        }),
      ),
    ]),
  );
}
