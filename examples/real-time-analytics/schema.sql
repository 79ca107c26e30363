-- Run at every change of this file, so each statement may run again.
CREATE TABLE IF NOT EXISTS pages (page_id int PRIMARY KEY, path text NOT NULL);

CREATE TABLE IF NOT EXISTS events (
  site_id int NOT NULL,
  at timestamptz NOT NULL,
  event_id bigint GENERATED ALWAYS AS IDENTITY,
  page_id int NOT NULL,
  milliseconds int NOT NULL,
  PRIMARY KEY (site_id, event_id)
);
CREATE INDEX IF NOT EXISTS events_at ON events (site_id, at);

CREATE TABLE IF NOT EXISTS minutes (
  site_id int NOT NULL,
  minute timestamptz NOT NULL,
  views bigint NOT NULL,
  milliseconds bigint NOT NULL,
  PRIMARY KEY (site_id, minute)
);

-- What every shard needs lies on every node; the roll-up lies beside its events, so that it is made without the network.
SELECT create_reference_table('pages')
 WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'pages'::regclass);
SELECT create_distributed_table('events', 'site_id', shard_count => :shards)
 WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'events'::regclass);
SELECT create_distributed_table('minutes', 'site_id', colocate_with => 'events')
 WHERE NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'minutes'::regclass);

-- Whole minutes before `until`, again and again: the same events give the same rows. Run it once a minute.
-- PL/pgSQL, since Citus plans no parameters of SQL functions.
CREATE OR REPLACE PROCEDURE roll_up(since timestamptz, until timestamptz) LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO minutes
  SELECT site_id, date_trunc('minute', at), count(*), sum(milliseconds) FROM events
   WHERE at >= date_trunc('minute', since) AND at < date_trunc('minute', until) GROUP BY 1, 2
  ON CONFLICT (site_id, minute) DO UPDATE SET views = excluded.views, milliseconds = excluded.milliseconds;
END
$$;
