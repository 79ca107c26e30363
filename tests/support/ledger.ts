/** A client that keeps writing and remembers what the server acknowledged: the proof that no row was lost. */
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";

/** What happened. */
export interface LedgerBook {
  /** Ids whose insert the server confirmed. */
  readonly acknowledged: readonly number[];
  /** Confirmed ids that the table does not hold, or holds more than once. */
  readonly missing: readonly number[];
  /** Statements that failed, in the server's words. */
  readonly failures: readonly string[];
  /** The same in windows that were announced. */
  readonly announced: readonly string[];
}

const firstId = 1_000_000_000;
const tenants = 97;

/** Writes into a table (tenant int, id bigint, payload text) until it is stopped. */
export class Ledger {
  private readonly acknowledged: number[] = [];
  private readonly failures: string[] = [];
  private readonly announced: string[] = [];
  private windows = 0;
  private stopping = false;
  private done: Promise<void> = Promise.resolve();

  private constructor(
    private readonly client: Client,
    private readonly table: string,
  ) {}

  /** Returns once the first row is confirmed. */
  static async start(connectionString: string, table: string): Promise<Ledger> {
    const client = new Client({ connectionString });
    await client.connect();
    const ledger = new Ledger(client, table);
    // Said beside the failing statements, and also where none is under way.
    client.on("error", (error) => ledger.fail(error));
    await ledger.write(firstId);
    ledger.done = ledger.writeOn();
    return ledger;
  }

  /** Does something that ends servers for a while: until every shard takes rows again, failures are announced ones. */
  async window<T>(work: () => Promise<T>): Promise<T> {
    this.windows += 1;
    try {
      const result = await work();
      await this.succeedsEverywhere();
      return result;
    } finally {
      this.windows -= 1;
    }
  }

  /** Ends the writing and compares with what the table holds. */
  async stop(): Promise<LedgerBook> {
    this.stopping = true;
    await this.done;
    const { rows }: { rows: { id: string }[] } = await this.client.query(
      `SELECT id FROM ${this.table} WHERE id >= ${String(firstId)}`,
    );
    await this.client.end();
    const stored = rows.map(({ id }) => Number(id));
    const once = new Set(stored);
    const missing = this.acknowledged.filter((id) => !once.has(id));
    const twice = stored.length === once.size ? [] : stored.filter((id, index) => stored.indexOf(id) !== index);
    const { acknowledged, failures, announced } = this;
    return { acknowledged, missing: [...missing, ...twice], failures, announced };
  }

  /** Ends the writing whatever the server is like: for a test that has failed. After {@link stop} it does nothing. */
  async abandon(): Promise<void> {
    this.stopping = true;
    await this.client.end().catch(() => undefined);
    await this.done;
  }

  // Rows go to the tenants in turn: after so many in a row without a failure every shard has had one.
  private async succeedsEverywhere(): Promise<void> {
    const deadline = Date.now() + 120_000;
    let failed = this.announced.length;
    let written = this.acknowledged.length;
    while (this.acknowledged.length - written < tenants) {
      if (Date.now() > deadline) throw new Error(`rows are still refused: ${this.announced.at(-1) ?? "no answer"}`);
      await delay(100);
      if (this.announced.length > failed) [failed, written] = [this.announced.length, this.acknowledged.length];
    }
  }

  private async writeOn(): Promise<void> {
    for (let id = firstId + 1; !this.stopping; id += 1) await this.write(id);
  }

  private async write(id: number): Promise<void> {
    try {
      await this.client.query(`INSERT INTO ${this.table} VALUES ($1, $2, 'ledger')`, [id % tenants, id]);
      this.acknowledged.push(id);
    } catch (error) {
      this.fail(error);
      // Without a pause a dead connection would leave no time for anything else.
      await delay(50);
    }
  }

  private fail(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    (this.windows > 0 ? this.announced : this.failures).push(reason);
  }
}
