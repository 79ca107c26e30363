/** Reloads that are waited for: a server tells its sessions to read the files only after it has read them itself, some time after it was asked.
 *  Calls pg_reload_conf; reads pg_conf_load_time. */
import { setTimeout as delay } from "node:timers/promises";
import { sql, type Sql } from "../engine/sql";

/** The `result` of a statement without parameters on each server in question, by its name. */
type Ask = (statement: Sql) => Promise<Readonly<Record<string, string>>>;

/** Asks a server to read its files. It does so a little later: see {@link untilLoaded}. */
export const reloadSql = sql`SELECT pg_reload_conf()::text AS result`;

const nowSql = sql`SELECT extract(epoch FROM clock_timestamp())::text AS result`;
const loadedSql = sql`SELECT extract(epoch FROM pg_conf_load_time())::text AS result`;
const reloadSeconds = 20;
const pollMilliseconds = 20;

/** Runs `change`, which asks these servers for a reload, and waits until new sessions see it on each. @throws which one has not read its files */
export async function untilLoaded(ask: Ask, change: () => Promise<unknown>): Promise<void> {
  const began = await ask(nowSql);
  await change();
  const end = Date.now() + reloadSeconds * 1_000;
  for (;;) {
    const loaded = await ask(loadedSql);
    const late = Object.keys(began).filter((server) => Number(loaded[server]) <= Number(began[server]));
    if (late.length === 0) return;
    if (Date.now() > end)
      throw new Error(`${late.join(", ")} has not read its files within ${String(reloadSeconds)} s. Its log says why`);
    await delay(pollMilliseconds);
  }
}
