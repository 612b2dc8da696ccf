import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "pg";

/** The server's activity is only to be asked for; it is asked this often. */
const POLL_MS = 20;

/** Resolves when the backends whose application has this name meet the condition. Given are their states: `active`, `asleep`, `idle`, … */
export async function backends(admin: Client, application: string, met: (states: readonly string[]) => boolean): Promise<void> {
  for (;;) {
    const { rows } = await admin.query<{ state: string }>(
      "select case wait_event when 'PgSleep' then 'asleep' else state end as state from pg_stat_activity where application_name = $1",
      [application],
    );
    if (met(rows.map(({ state }) => state))) return;
    await pause(POLL_MS);
  }
}

/** Its `pg_sleep` runs. Not merely active: the agent asks things of its own before the client hears that it is in. */
export const running = (admin: Client, application: string): Promise<void> => backends(admin, application, (states) => states.includes("asleep"));
export const gone = (admin: Client, application: string): Promise<void> => backends(admin, application, ({ length }) => length === 0);
