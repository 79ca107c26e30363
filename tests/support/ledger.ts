/** A client that keeps writing and remembers what the server acknowledged: the proof that no row was lost. */
import { Client } from "pg";

/** What happened. */
export interface LedgerBook {
  /** Ids whose insert the server confirmed. */
  readonly acknowledged: readonly number[];
  /** Confirmed ids that the table does not hold, or holds more than once. */
  readonly missing: readonly number[];
  /** Statements that failed, in the server's words. */
  readonly failures: readonly string[];
}

const firstId = 1_000_000_000;

/** Writes into a table (tenant int, id bigint, payload text) until it is stopped. */
export class Ledger {
  private readonly acknowledged: number[] = [];
  private readonly failures: string[] = [];
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
    await ledger.write(firstId);
    ledger.done = ledger.writeOn();
    return ledger;
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
    return { acknowledged: this.acknowledged, missing: [...missing, ...twice], failures: this.failures };
  }

  private async writeOn(): Promise<void> {
    for (let id = firstId + 1; !this.stopping; id += 1) await this.write(id);
  }

  private async write(id: number): Promise<void> {
    try {
      await this.client.query(`INSERT INTO ${this.table} VALUES ($1, $2, 'ledger')`, [id % 997, id]);
      this.acknowledged.push(id);
    } catch (error) {
      this.failures.push(error instanceof Error ? error.message : String(error));
    }
  }
}
