import type { DataSource } from 'typeorm';

/**
 * Fills an empty database with `count` tasks as they are after years: nearly all reported, with sample, guest and dates; one
 * in a hundred still pending. One statement a table, so that a million takes seconds.
 */
export async function seedTasks(db: DataSource, count: number): Promise<void> {
  const sqlite = db.options.type === 'better-sqlite3';
  const numbers = sqlite
    ? `WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${count})`
    : `WITH numbers AS (SELECT n FROM generate_series(1, ${count}) AS n)`;
  const seconds = (start: string) =>
    sqlite
      ? `strftime('%Y-%m-%d %H:%M:%S', '${start}', '+' || n || ' seconds') || '.000'`
      : `to_char(timestamp '${start}' + n * interval '1 second', 'YYYY-MM-DD HH24:MI:SS') || '.000'`;
  const hex = (digits: number) => (sqlite ? `printf('%0${digits}x', n)` : `lpad(to_hex(n), ${digits}, '0')`);
  const pending = 'n % 100 = 0';
  await db.query(
    `${numbers} INSERT INTO samples (file_size, file_type, md5, crc32, sha1, sha256, sha512, ssdeep)
     SELECT 4096, 'data', ${hex(32)}, ${hex(8)}, ${hex(40)}, ${hex(64)}, ${hex(128)}, NULL FROM numbers`,
  );
  // A million changes of one counter in one transaction take PostgreSQL hours: each must step over all before it.
  if (!sqlite) await db.query('ALTER TABLE tasks DISABLE TRIGGER task_counts');
  await db.query(
    `${numbers} INSERT INTO tasks (target, category, owner, added_on, started_on, completed_on, status, sample_id, route)
     SELECT 'invoice.sh', 'file', 'owner' || (n % 10), ${seconds('2020-01-01 00:00:00')},
       CASE WHEN ${pending} THEN NULL ELSE ${seconds('2020-01-01 00:01:00')} END,
       CASE WHEN ${pending} THEN NULL ELSE ${seconds('2020-01-01 00:02:00')} END,
       CASE WHEN ${pending} THEN 'pending' ELSE 'reported' END, n, 'inetsim' FROM numbers`,
  );
  await db.query(
    `${numbers} INSERT INTO guests (status, name, label, manager, started_on, shutdown_on, task_id)
     SELECT 'stopped', 'linux1', 'linux1', 'qemu', ${seconds('2020-01-01 00:01:00')}, ${seconds('2020-01-01 00:02:00')}, n
     FROM numbers WHERE NOT (${pending})`,
  );
  if (!sqlite) {
    await db.query('ALTER TABLE tasks ENABLE TRIGGER task_counts');
    await db.query('INSERT INTO task_counts SELECT status, 0, COUNT(*) FROM tasks GROUP BY status');
  }
  await db.query(sqlite ? 'ANALYZE' : 'VACUUM ANALYZE');
}
