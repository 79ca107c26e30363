/** Data of the size that pgbench makes, and a client that writes while shards move. */
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { ask } from "./proof";

const rowsPerBranch = 100_000;

/** pgbench's accounts and branches, distributed by account and copied to every node. */
export async function fill(app: string, rows: number): Promise<void> {
  await ask(
    app,
    `CREATE TABLE pgbench_branches (bid int PRIMARY KEY, bbalance int NOT NULL, filler char(88));
     SELECT create_reference_table('pgbench_branches');
     CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, bid int NOT NULL, abalance int NOT NULL, filler char(84));
     SELECT create_distributed_table('pgbench_accounts', 'aid', shard_count => 16);
     INSERT INTO pgbench_branches SELECT i, 0, '' FROM generate_series(1, ${String(rows / rowsPerBranch)}) i;
     INSERT INTO pgbench_accounts SELECT i, (i - 1) / ${String(rowsPerBranch)} + 1, 0, '' FROM generate_series(1, ${String(rows)}) i;
     CREATE TABLE history (id bigint PRIMARY KEY, written_at timestamptz NOT NULL DEFAULT now());
     SELECT create_distributed_table('history', 'id', colocate_with => 'none', shard_count => 16)`,
  );
}

/** What a {@link Writer} has counted. */
export interface WriterCount {
  readonly acknowledged: number;
  readonly failed: number;
  /** Rows that were acknowledged and are not there. */
  readonly lost: number;
}

const pauseMilliseconds = 5;

/** One client that inserts row after row until it is stopped. */
export class Writer {
  private stopping = false;
  private next = 1;
  private failed = 0;
  private readonly acknowledged: number[] = [];
  private ended: Promise<void> = Promise.resolve();

  private constructor(private readonly connectionString: string) {}

  /** Connects and begins to write. */
  static async start(connectionString: string): Promise<Writer> {
    const writer = new Writer(connectionString);
    const client = new Client({ connectionString });
    await client.connect();
    writer.ended = writer.write(client);
    return writer;
  }

  /** Ends the writing. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.ended;
  }

  /** Compares what was acknowledged with what is there. */
  async count(): Promise<WriterCount> {
    const there = await ask<{ id: string }>(this.connectionString, "SELECT id FROM history");
    const ids = new Set(there.map(({ id }) => Number(id)));
    const lost = this.acknowledged.filter((id) => !ids.has(id)).length;
    return { acknowledged: this.acknowledged.length, failed: this.failed, lost };
  }

  private async write(client: Client): Promise<void> {
    client.on("error", () => (this.failed += 1));
    while (!this.stopping) {
      const id = this.next++;
      try {
        await client.query("INSERT INTO history (id) VALUES ($1)", [id]);
        this.acknowledged.push(id);
      } catch {
        this.failed += 1;
      }
      await delay(pauseMilliseconds);
    }
    await client.end();
  }
}
