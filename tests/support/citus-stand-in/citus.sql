-- The control plane of Citus 13.2 in SQL, for machines without Citus: nodes, their metadata and extensions on them; no shards.
-- Nodes are dialled for real, through dblink with citus.node_conninfo, so a wrong certificate fails for real.
-- What it answers is held to real Citus by tests/support/citus-stand-in/behaviour.test.ts. Commands on other nodes are not part of the
-- transaction that sends them: after a rollback they may have been done on some nodes; running again mends that.

DO $$
BEGIN
  IF NOT 'citus' = ANY (string_to_array(replace(current_setting('shared_preload_libraries'), ' ', ''), ',')) THEN
    RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = 'Citus can only be loaded via shared_preload_libraries',
      HINT = 'Add citus to shared_preload_libraries configuration variable in postgresql.conf in master and workers. '
        'Note that citus should be at the beginning of shared_preload_libraries.';
  END IF;
END
$$;

CREATE SCHEMA citus;
CREATE SCHEMA citus_internal;
GRANT USAGE ON SCHEMA citus TO PUBLIC;

CREATE TYPE noderole AS ENUM ('primary', 'secondary', 'unavailable');
CREATE TYPE citus.shard_transfer_mode AS ENUM ('auto', 'force_logical', 'block_writes');
CREATE TYPE citus_job_status AS ENUM ('scheduled', 'running', 'finished', 'cancelling', 'cancelled', 'failing', 'failed');
CREATE TYPE citus_task_status AS ENUM ('blocked', 'runnable', 'running', 'done', 'cancelling', 'error', 'unscheduled', 'cancelled');

-- Catalogs. Tables cannot be created in pg_catalog, but moved there.
CREATE SEQUENCE citus.pg_dist_node_nodeid_seq MAXVALUE 4294967296;
CREATE SEQUENCE citus.pg_dist_groupid_seq MAXVALUE 4294967296;
CREATE TABLE citus.pg_dist_node (
  nodeid int NOT NULL DEFAULT nextval('citus.pg_dist_node_nodeid_seq') PRIMARY KEY,
  groupid int NOT NULL DEFAULT nextval('citus.pg_dist_groupid_seq'),
  nodename text NOT NULL,
  nodeport int NOT NULL DEFAULT 5432,
  noderack text NOT NULL DEFAULT 'default',
  hasmetadata bool NOT NULL DEFAULT false,
  isactive bool NOT NULL DEFAULT true,
  noderole noderole NOT NULL DEFAULT 'primary',
  nodecluster name NOT NULL DEFAULT 'default',
  metadatasynced bool NOT NULL DEFAULT false,
  shouldhaveshards bool NOT NULL DEFAULT true,
  nodeisclone bool NOT NULL DEFAULT false,
  nodeprimarynodeid int NOT NULL DEFAULT 0,
  CONSTRAINT pg_dist_node_nodename_nodeport_key UNIQUE (nodename, nodeport)
);
CREATE TABLE citus.pg_dist_local_group (groupid int NOT NULL PRIMARY KEY, logical_relid regclass);
CREATE TABLE citus.pg_dist_node_metadata (metadata jsonb NOT NULL);
CREATE TABLE citus.pg_dist_object (
  classid oid NOT NULL, objid oid NOT NULL, objsubid int NOT NULL, distribution_argument_index int, colocationid int, force_delegation bool,
  PRIMARY KEY (classid, objid, objsubid)
);
CREATE TABLE citus.pg_dist_schema (schemaid oid NOT NULL PRIMARY KEY, colocationid int NOT NULL);
CREATE TABLE citus.pg_dist_authinfo (nodeid int NOT NULL, rolename name NOT NULL, authinfo text NOT NULL, PRIMARY KEY (rolename, nodeid));
CREATE TABLE citus.pg_dist_partition (
  logicalrelid regclass NOT NULL PRIMARY KEY, partmethod "char" NOT NULL, partkey text, colocationid int NOT NULL DEFAULT 0,
  repmodel "char" NOT NULL DEFAULT 's', autoconverted bool NOT NULL DEFAULT false
);
CREATE TABLE citus.pg_dist_shard (
  logicalrelid regclass NOT NULL, shardid bigint NOT NULL PRIMARY KEY, shardstorage "char" NOT NULL, shardminvalue text, shardmaxvalue text
);
CREATE TABLE citus.pg_dist_placement (
  placementid bigint NOT NULL PRIMARY KEY, shardid bigint NOT NULL, shardstate int NOT NULL, shardlength bigint NOT NULL, groupid int NOT NULL
);
CREATE TABLE citus.pg_dist_colocation (
  colocationid int NOT NULL PRIMARY KEY, shardcount int NOT NULL, replicationfactor int NOT NULL,
  distributioncolumntype oid NOT NULL, distributioncolumncollation oid NOT NULL
);
CREATE TABLE citus.pg_dist_cleanup (
  record_id bigint NOT NULL PRIMARY KEY, operation_id bigint NOT NULL, object_type int NOT NULL, object_name text NOT NULL,
  node_group_id int NOT NULL, policy_type int NOT NULL
);
CREATE TABLE citus.pg_dist_background_job (
  job_id bigint NOT NULL PRIMARY KEY, state citus_job_status NOT NULL DEFAULT 'scheduled', job_type name NOT NULL, description text NOT NULL,
  started_at timestamptz, finished_at timestamptz
);
CREATE TABLE citus.pg_dist_background_task (
  job_id bigint NOT NULL, task_id bigint NOT NULL PRIMARY KEY, owner regrole NOT NULL, pid int, status citus_task_status NOT NULL DEFAULT 'runnable',
  command text NOT NULL, retry_count int, not_before timestamptz, message text, nodes_involved int[]
);

INSERT INTO citus.pg_dist_local_group (groupid) VALUES (0);
INSERT INTO citus.pg_dist_node_metadata VALUES (jsonb_build_object('server_id', gen_random_uuid()));

CREATE VIEW citus.citus_nodes AS
  SELECT nodename, nodeport, CASE WHEN groupid = 0 THEN 'coordinator' ELSE 'worker' END AS role, isactive AS active FROM citus.pg_dist_node;
CREATE VIEW citus.citus_shards AS
  SELECT s.logicalrelid AS table_name, s.shardid, ''::text AS shard_name, ''::text AS citus_table_type, 0 AS colocation_id, n.nodename, n.nodeport,
         0::bigint AS shard_size
    FROM citus.pg_dist_shard s JOIN citus.pg_dist_placement p USING (shardid) JOIN citus.pg_dist_node n USING (groupid);
CREATE VIEW public.citus_tables AS
  SELECT logicalrelid AS table_name, ''::text AS citus_table_type, ''::text AS distribution_column, colocationid AS colocation_id,
         '0 bytes'::text AS table_size, 0::bigint AS shard_count, ''::name AS table_owner, ''::name AS access_method
    FROM citus.pg_dist_partition;
CREATE VIEW public.citus_schemas AS
  SELECT NULL::regnamespace AS schema_name, 0 AS colocation_id, '0 bytes'::text AS schema_size, ''::name AS schema_owner WHERE false;

DO $$
DECLARE
  relation record;
BEGIN
  FOR relation IN SELECT relname, relkind FROM pg_class WHERE relnamespace = 'citus'::regnamespace AND relkind IN ('r', 'v', 'S') LOOP
    EXECUTE format('GRANT SELECT ON citus.%I TO PUBLIC', relation.relname);
    EXECUTE format('ALTER %s citus.%I SET SCHEMA pg_catalog',
      CASE relation.relkind WHEN 'r' THEN 'TABLE' WHEN 'v' THEN 'VIEW' ELSE 'SEQUENCE' END, relation.relname);
  END LOOP;
  -- Holds passwords.
  REVOKE ALL ON pg_dist_authinfo FROM PUBLIC;
  GRANT SELECT ON public.citus_tables, public.citus_schemas TO PUBLIC;
END
$$;

-- Other nodes.
CREATE FUNCTION citus_internal.dblink_connect(text, text) RETURNS text LANGUAGE c STRICT AS '$libdir/dblink', 'dblink_connect';
CREATE FUNCTION citus_internal.dblink_disconnect(text) RETURNS text LANGUAGE c STRICT AS '$libdir/dblink', 'dblink_disconnect';
CREATE FUNCTION citus_internal.dblink(text, text) RETURNS SETOF record LANGUAGE c STRICT AS '$libdir/dblink', 'dblink_record';

CREATE FUNCTION citus_internal.flag(setting text) RETURNS bool LANGUAGE sql STABLE
  RETURN coalesce(nullif(current_setting(setting, true), '')::bool, true);

-- One command on one node by a connection of its own, as the session's role in the same database. Gives its one value, or its tag.
CREATE FUNCTION citus_internal.run(host text, port int, command text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  timeout interval := coalesce(nullif(current_setting('citus.node_connection_timeout', true), ''), '30s')::interval;
  name text := 'citus-' || gen_random_uuid();
  problem text;
  detail text;
  state text;
  hint text;
  answer text;
BEGIN
  BEGIN
    PERFORM citus_internal.dblink_connect(name, format('host=%s port=%s dbname=%s user=%s connect_timeout=%s application_name=%s %s',
      citus_internal.quoted(host), port, citus_internal.quoted(current_database()), citus_internal.quoted(session_user),
      greatest(2, ceil(extract(epoch FROM timeout)))::int, 'citus_internal',
      coalesce(nullif(current_setting('citus.node_conninfo', true), ''), 'sslmode=require')));
  EXCEPTION WHEN sqlclient_unable_to_establish_sqlconnection THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RAISE EXCEPTION USING ERRCODE = '08006', MESSAGE = format('connection to the remote node %s@%s:%s failed with the following error: %s',
      session_user, host, port, rtrim(detail, E'\n'));
  END;
  BEGIN
    SELECT result INTO answer FROM citus_internal.dblink(name, command) AS t(result text);
  EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, state = RETURNED_SQLSTATE;
    PERFORM citus_internal.dblink_disconnect(name);
    RAISE EXCEPTION USING ERRCODE = state, MESSAGE = problem, DETAIL = detail, HINT = hint;
  END;
  PERFORM citus_internal.dblink_disconnect(name);
  RETURN answer;
END
$$;

CREATE FUNCTION citus_internal.quoted(value text) RETURNS text LANGUAGE sql IMMUTABLE
  RETURN '''' || replace(replace(value, '\', '\\'), '''', '\''') || '''';

-- The same for what the coordinator needs to succeed: the cause comes as a warning, as in Citus.
CREATE FUNCTION citus_internal.run_essential(host text, port int, command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN citus_internal.run(host, port, command);
EXCEPTION
  WHEN connection_failure THEN RAISE;
  WHEN OTHERS THEN
    RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = SQLERRM;
    RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = format('failure on connection marked as essential: %s:%s', host, port);
END
$$;

CREATE FUNCTION citus_internal.ensure_coordinator() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT groupid FROM pg_dist_local_group) <> 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = 'operation is not allowed on this node', HINT = 'Connect to the coordinator and run it again.';
  END IF;
END
$$;

CREATE FUNCTION citus_internal.node_at(host text, port int) RETURNS pg_dist_node LANGUAGE plpgsql AS $$
DECLARE
  node pg_dist_node;
BEGIN
  SELECT * INTO node FROM pg_dist_node WHERE nodename = host AND nodeport = port;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = format('node at "%s:%s" does not exist', host, port);
  END IF;
  RETURN node;
END
$$;

-- Called first by nodes of Citus on each other; where the extension is missing, so is this.
CREATE FUNCTION assign_distributed_transaction_id(int, bigint, timestamptz) RETURNS void LANGUAGE sql AS '';

-- Metadata: the coordinator tells every active worker all nodes, at the end of each transaction that changed one.
CREATE FUNCTION citus_internal.receive(own_group int, nodes jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE pg_dist_local_group SET groupid = own_group;
  DELETE FROM pg_dist_node;
  INSERT INTO pg_dist_node SELECT * FROM jsonb_populate_recordset(NULL::pg_dist_node, nodes);
END
$$;

CREATE FUNCTION citus_internal.push() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  nodes jsonb;
  node pg_dist_node;
  reached bool;
BEGIN
  -- The first row's trigger sees what all of them have changed. A worker passes nothing on.
  IF current_setting('citus_internal.pushed', true) = pg_current_xact_id()::text OR (SELECT groupid FROM pg_dist_local_group) <> 0 THEN
    RETURN NULL;
  END IF;
  PERFORM set_config('citus_internal.pushed', pg_current_xact_id()::text, true);
  SELECT coalesce(jsonb_agg(to_jsonb(n) || jsonb_build_object('metadatasynced', isactive AND hasmetadata)), '[]') INTO nodes FROM pg_dist_node n;
  FOR node IN SELECT * FROM pg_dist_node WHERE groupid <> 0 AND isactive AND hasmetadata AND noderole = 'primary' ORDER BY nodeid LOOP
    BEGIN
      PERFORM citus_internal.run_essential(node.nodename, node.nodeport,
        format('SELECT citus_internal.receive(%s, %L)', node.groupid, nodes));
      reached := true;
    EXCEPTION WHEN OTHERS THEN
      -- citus_update_node asks nobody; the node is behind until a later change reaches it.
      IF current_setting('citus_internal.asks_nobody', true) IS DISTINCT FROM 'on' THEN RAISE; END IF;
      reached := false;
    END;
    UPDATE pg_dist_node SET metadatasynced = reached WHERE nodeid = node.nodeid AND metadatasynced <> reached;
  END LOOP;
  RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER push AFTER INSERT OR UPDATE OR DELETE ON pg_dist_node DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION citus_internal.push();

-- Schemas and extensions that were made through the coordinator are on every node. This is the command that makes them so on one.
CREATE FUNCTION citus_internal.objects() RETURNS text LANGUAGE sql STABLE AS $$
  SELECT format('DO %L', 'BEGIN PERFORM set_config(''citus.enable_ddl_propagation'', ''off'', true); '
    || coalesce((SELECT string_agg(format('CREATE SCHEMA IF NOT EXISTS %I;', nspname), ' ' ORDER BY objid)
                   FROM pg_dist_object JOIN pg_namespace n ON n.oid = objid WHERE classid = 'pg_namespace'::regclass), '')
    || coalesce((SELECT string_agg(format(
         'CREATE EXTENSION IF NOT EXISTS %1$I SCHEMA %2$I VERSION %3$L; '
         'IF EXISTS (SELECT FROM pg_extension WHERE extname = %1$L AND extversion <> %3$L) THEN ALTER EXTENSION %1$I UPDATE TO %3$L; END IF; '
         'IF EXISTS (SELECT FROM pg_extension WHERE extname = %1$L AND extnamespace <> %2$L::regnamespace) THEN '
         'ALTER EXTENSION %1$I SET SCHEMA %2$I; END IF;', extname, nspname, extversion), ' ' ORDER BY objid)
         FROM pg_dist_object JOIN pg_extension e ON e.oid = objid JOIN pg_namespace n ON n.oid = extnamespace
        WHERE classid = 'pg_extension'::regclass), '') || ' END')
$$;

CREATE FUNCTION citus_internal.on_workers(command text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  node pg_dist_node;
BEGIN
  FOR node IN SELECT * FROM pg_dist_node WHERE groupid <> 0 AND isactive AND noderole = 'primary' ORDER BY nodeid LOOP
    PERFORM citus_internal.run(node.nodename, node.nodeport, command);
  END LOOP;
END
$$;

CREATE FUNCTION citus_internal.object_made() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  named text := substring(current_query() FROM '(?i)^\s*(?:CREATE|ALTER)\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?("(?:[^"]|"")+"|\w+)');
  made record;
BEGIN
  IF NOT citus_internal.flag('citus.enable_ddl_propagation') THEN RETURN; END IF;
  SELECT classid, objid INTO made FROM pg_event_trigger_ddl_commands() WHERE classid IN ('pg_extension'::regclass, 'pg_namespace'::regclass) LIMIT 1;
  -- A statement that found nothing to do here names no object; a node may still need it.
  IF NOT FOUND THEN
    SELECT 'pg_extension'::regclass::oid AS classid, oid AS objid INTO made FROM pg_extension WHERE named IN (extname, '"' || extname || '"');
  END IF;
  -- The citus extension itself is each node's own affair.
  IF NOT FOUND OR EXISTS (SELECT FROM pg_extension WHERE oid = made.objid AND extname = 'citus') THEN RETURN; END IF;
  PERFORM citus_internal.ensure_coordinator();
  INSERT INTO pg_dist_object VALUES (made.classid, made.objid, 0) ON CONFLICT DO NOTHING;
  PERFORM citus_internal.on_workers(citus_internal.objects());
END
$$;
CREATE EVENT TRIGGER citus_object_made ON ddl_command_end WHEN TAG IN ('CREATE EXTENSION', 'ALTER EXTENSION', 'CREATE SCHEMA')
  EXECUTE FUNCTION citus_internal.object_made();

CREATE FUNCTION citus_internal.object_dropped() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
  dropped text;
BEGIN
  IF NOT citus_internal.flag('citus.enable_ddl_propagation') THEN RETURN; END IF;
  DELETE FROM pg_dist_object USING pg_event_trigger_dropped_objects() d
   WHERE pg_dist_object.classid = d.classid AND pg_dist_object.objid = d.objid;
  SELECT string_agg(format('DROP %s IF EXISTS %s;', upper(object_type), object_identity), ' ') INTO dropped
    FROM pg_event_trigger_dropped_objects() WHERE object_type IN ('extension', 'schema') AND original;
  IF dropped IS NULL THEN RETURN; END IF;
  PERFORM citus_internal.ensure_coordinator();
  PERFORM citus_internal.on_workers(format('DO %L', 'BEGIN PERFORM set_config(''citus.enable_ddl_propagation'', ''off'', true); ' || dropped || ' END'));
END
$$;
CREATE EVENT TRIGGER citus_object_dropped ON sql_drop WHEN TAG IN ('DROP EXTENSION', 'DROP SCHEMA') EXECUTE FUNCTION citus_internal.object_dropped();

-- Nodes.
CREATE FUNCTION citus_set_coordinator_host(host text, port int DEFAULT current_setting('port')::int, node_role noderole DEFAULT 'primary',
  node_cluster name DEFAULT 'default') RETURNS void LANGUAGE plpgsql STRICT AS $$
BEGIN
  PERFORM citus_internal.ensure_coordinator();
  LOCK TABLE pg_dist_node IN EXCLUSIVE MODE;
  UPDATE pg_dist_node SET nodename = host, nodeport = port WHERE groupid = 0;
  IF NOT FOUND THEN
    INSERT INTO pg_dist_node (groupid, nodename, nodeport, hasmetadata, metadatasynced, shouldhaveshards) VALUES (0, host, port, true, true, false);
  END IF;
END
$$;

CREATE FUNCTION citus_internal.add_node(host text, port int, group_id int, role noderole, cluster name, activate bool) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  node pg_dist_node;
BEGIN
  PERFORM citus_internal.ensure_coordinator();
  SELECT * INTO node FROM pg_dist_node WHERE nodename = host AND nodeport = port;
  IF FOUND THEN RETURN node.nodeid; END IF;
  LOCK TABLE pg_dist_node IN EXCLUSIVE MODE;
  SELECT * INTO node FROM pg_dist_node WHERE nodename = host AND nodeport = port;
  IF FOUND THEN RETURN node.nodeid; END IF;
  IF host <> 'localhost' AND EXISTS (SELECT FROM pg_dist_node WHERE groupid = 0 AND nodename = 'localhost') THEN
    RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = 'cannot add a worker node when the coordinator hostname is set to localhost',
      DETAIL = 'Worker nodes need to be able to connect to the coordinator to transfer data.',
      HINT = 'Use SELECT citus_set_coordinator_host(''<hostname>'') to configure the coordinator hostname';
  END IF;
  IF role = 'primary' AND cluster <> 'default' THEN
    RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = 'primaries must be added to the default cluster';
  END IF;
  IF group_id = -1 THEN group_id := nextval('pg_dist_groupid_seq'); END IF;
  IF role = 'primary' AND EXISTS (SELECT FROM pg_dist_node WHERE groupid = group_id AND noderole = 'primary') THEN
    RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = format('group %s already has a primary node', group_id);
  END IF;
  INSERT INTO pg_dist_node (groupid, nodename, nodeport, isactive, noderole, nodecluster, shouldhaveshards)
    VALUES (group_id, host, port, false, role, cluster, group_id <> 0) RETURNING * INTO node;
  IF activate AND group_id = 0 THEN
    UPDATE pg_dist_node SET isactive = true, hasmetadata = true, metadatasynced = true WHERE nodeid = node.nodeid;
  ELSIF activate THEN
    PERFORM citus_activate_node(host, port);
  END IF;
  RETURN node.nodeid;
END
$$;

CREATE FUNCTION citus_add_node(nodename text, nodeport int, groupid int DEFAULT -1, noderole noderole DEFAULT 'primary', nodecluster name DEFAULT 'default')
  RETURNS int LANGUAGE sql STRICT RETURN citus_internal.add_node($1, $2, $3, $4, $5, true);
CREATE FUNCTION citus_add_inactive_node(nodename text, nodeport int, groupid int DEFAULT -1, noderole noderole DEFAULT 'primary', nodecluster name DEFAULT 'default')
  RETURNS int LANGUAGE sql STRICT RETURN citus_internal.add_node($1, $2, $3, $4, $5, false);

CREATE FUNCTION citus_activate_node(nodename text, nodeport int) RETURNS int LANGUAGE plpgsql STRICT AS $$
DECLARE
  node pg_dist_node;
BEGIN
  PERFORM citus_internal.ensure_coordinator();
  LOCK TABLE pg_dist_node IN EXCLUSIVE MODE;
  node := citus_internal.node_at($1, $2);
  IF node.noderole = 'primary' AND node.groupid <> 0 THEN
    PERFORM citus_internal.run_essential($1, $2, 'SELECT assign_distributed_transaction_id(0, 0, ''2000-01-01'')');
    IF citus_internal.run_essential($1, $2, 'SELECT metadata->>''server_id'' FROM pg_dist_node_metadata')
      = (SELECT metadata->>'server_id' FROM pg_dist_node_metadata) THEN
      RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = 'Node cannot add itself as a worker.',
        HINT = format('Add the node as a coordinator by using: SELECT citus_set_coordinator_host(''%s'', %s);', $1, $2);
    END IF;
    PERFORM citus_internal.run_essential($1, $2, citus_internal.objects());
  END IF;
  UPDATE pg_dist_node n SET isactive = true, hasmetadata = n.noderole = 'primary', metadatasynced = n.noderole = 'primary'
   WHERE n.nodeid = node.nodeid;
  RETURN node.nodeid;
END
$$;
CREATE FUNCTION start_metadata_sync_to_node(nodename text, nodeport int) RETURNS void LANGUAGE plpgsql STRICT AS $$
BEGIN
  PERFORM citus_activate_node($1, $2);
END
$$;

CREATE FUNCTION citus_disable_node(nodename text, nodeport int, synchronous bool DEFAULT false) RETURNS void LANGUAGE plpgsql STRICT AS $$
DECLARE
  node pg_dist_node := citus_internal.node_at($1, $2);
BEGIN
  PERFORM citus_internal.ensure_coordinator();
  LOCK TABLE pg_dist_node IN EXCLUSIVE MODE;
  IF node.groupid = 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = 'cannot change "isactive" field of the coordinator node';
  END IF;
  IF NOT synchronous AND node.nodeid = (SELECT n.nodeid FROM pg_dist_node n WHERE n.groupid <> 0 ORDER BY n.nodename, n.nodeport LIMIT 1) THEN
    RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'disabling the first worker node in the metadata is not allowed',
      HINT = format('You can force disabling node, SELECT citus_disable_node(''%s'', %s, synchronous:=true);', $1, $2);
  END IF;
  UPDATE pg_dist_node n SET isactive = false, metadatasynced = false WHERE n.nodeid = node.nodeid;
END
$$;

CREATE FUNCTION citus_set_node_property(nodename text, nodeport int, property text, value bool) RETURNS void LANGUAGE plpgsql STRICT AS $$
DECLARE
  node pg_dist_node := citus_internal.node_at($1, $2);
BEGIN
  IF property <> 'shouldhaveshards' THEN
    RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = 'only the ''shouldhaveshards'' property can be set using this function';
  END IF;
  PERFORM citus_internal.ensure_coordinator();
  UPDATE pg_dist_node n SET shouldhaveshards = value WHERE n.nodeid = node.nodeid;
END
$$;

CREATE FUNCTION citus_update_node(node_id int, new_node_name text, new_node_port int, force bool DEFAULT false, lock_cooldown int DEFAULT 10000)
  RETURNS void LANGUAGE plpgsql STRICT AS $$
BEGIN
  PERFORM citus_internal.ensure_coordinator();
  LOCK TABLE pg_dist_node IN EXCLUSIVE MODE;
  IF EXISTS (SELECT FROM pg_dist_node WHERE nodename = new_node_name AND nodeport = new_node_port AND nodeid <> node_id) THEN
    RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = 'there is already another node with the specified hostname and port';
  END IF;
  PERFORM set_config('citus_internal.asks_nobody', 'on', true);
  UPDATE pg_dist_node SET nodename = new_node_name, nodeport = new_node_port WHERE nodeid = node_id;
  IF NOT FOUND THEN RAISE EXCEPTION USING ERRCODE = 'P0002', MESSAGE = format('node %s not found', node_id); END IF;
END
$$;

CREATE FUNCTION citus_remove_node(nodename text, nodeport int) RETURNS void LANGUAGE plpgsql STRICT AS $$
DECLARE
  node pg_dist_node := citus_internal.node_at($1, $2);
BEGIN
  PERFORM citus_internal.ensure_coordinator();
  LOCK TABLE pg_dist_node IN EXCLUSIVE MODE;
  DELETE FROM pg_dist_node n WHERE n.nodeid = node.nodeid;
END
$$;

CREATE FUNCTION stop_metadata_sync_to_node(nodename text, nodeport int, clear_metadata bool DEFAULT true) RETURNS void LANGUAGE plpgsql STRICT AS $$
DECLARE
  node pg_dist_node;
BEGIN
  PERFORM citus_internal.ensure_coordinator();
  LOCK TABLE pg_dist_node IN EXCLUSIVE MODE;
  SELECT * INTO node FROM pg_dist_node n WHERE n.nodename = $1 AND n.nodeport = $2;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('node (%s,%s) does not exist', $1, $2);
  END IF;
  IF clear_metadata AND node.hasmetadata AND node.groupid <> 0 THEN
    PERFORM citus_internal.run($1, $2, 'SELECT citus_internal.receive(0, ''[]'')');
  END IF;
  UPDATE pg_dist_node n SET hasmetadata = false, metadatasynced = false WHERE n.nodeid = node.nodeid AND n.groupid <> 0;
END
$$;

-- Questions.
CREATE FUNCTION citus_is_coordinator() RETURNS bool LANGUAGE sql STABLE
  RETURN (SELECT groupid FROM pg_dist_local_group) = 0 AND EXISTS (SELECT FROM pg_dist_node WHERE isactive AND noderole = 'primary');
CREATE FUNCTION citus_coordinator_nodeid() RETURNS int LANGUAGE sql STABLE
  RETURN coalesce((SELECT nodeid FROM pg_dist_node WHERE groupid = 0 AND noderole = 'primary'), 0);
CREATE FUNCTION citus_version() RETURNS text LANGUAGE sql IMMUTABLE RETURN 'Citus 13.2.2 (stand-in: control plane only)';
CREATE FUNCTION citus_get_active_worker_nodes(OUT node_name text, OUT node_port bigint) RETURNS SETOF record LANGUAGE sql STABLE AS
  'SELECT nodename, nodeport FROM pg_dist_node WHERE groupid <> 0 AND isactive AND noderole = ''primary''';

CREATE FUNCTION citus_check_connection_to_node(nodename text, nodeport int DEFAULT 5432) RETURNS bool LANGUAGE plpgsql STRICT AS $$
BEGIN
  PERFORM citus_internal.run($1, $2, 'SELECT 1');
  RETURN true;
EXCEPTION WHEN connection_failure THEN
  RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = SQLERRM;
  RETURN false;
END
$$;

CREATE FUNCTION citus_check_cluster_node_health(OUT from_nodename text, OUT from_nodeport int, OUT to_nodename text, OUT to_nodeport int, OUT result bool)
  RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
  FOR from_nodename, from_nodeport, to_nodename, to_nodeport IN
    SELECT f.nodename, f.nodeport, t.nodename, t.nodeport FROM pg_dist_node f CROSS JOIN pg_dist_node t
     WHERE f.isactive AND t.isactive AND f.noderole = 'primary' AND t.noderole = 'primary' ORDER BY f.nodeid, t.nodeid
  LOOP
    BEGIN
      result := citus_internal.run(from_nodename, from_nodeport, format('SELECT citus_check_connection_to_node(%L, %s)', to_nodename, to_nodeport))::bool;
    EXCEPTION WHEN connection_failure THEN
      RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = SQLERRM;
      result := NULL;
    END;
    RETURN NEXT;
  END LOOP;
END
$$;

CREATE FUNCTION citus_internal.answer(host text, port int, command text, OUT success bool, OUT result text) LANGUAGE plpgsql AS $$
BEGIN
  result := coalesce(citus_internal.run(host, port, command), '');
  success := true;
EXCEPTION
  WHEN connection_failure THEN
    success := false;
    result := format('failed to connect to %s:%s', host, port);
  WHEN OTHERS THEN
    success := false;
    result := 'ERROR:  ' || SQLERRM;
END
$$;

CREATE FUNCTION run_command_on_workers(command text, parallel bool DEFAULT true, OUT nodename text, OUT nodeport int, OUT success bool, OUT result text)
  RETURNS SETOF record LANGUAGE sql AS $$
  SELECT n.nodename, n.nodeport, a.success, a.result FROM pg_dist_node n, LATERAL citus_internal.answer(n.nodename, n.nodeport, $1) a
   WHERE n.groupid <> 0 AND n.isactive AND n.noderole = 'primary' ORDER BY n.nodename, n.nodeport
$$;
-- A coordinator that is not registered answers for itself.
CREATE FUNCTION run_command_on_all_nodes(command text, parallel bool DEFAULT true, give_warning_for_connection_errors bool DEFAULT false,
  OUT nodeid int, OUT success bool, OUT result text) RETURNS SETOF record LANGUAGE sql AS $$
  SELECT n.nodeid, a.success, a.result
    FROM (SELECT nodeid, nodename, nodeport FROM pg_dist_node WHERE isactive AND noderole = 'primary'
          UNION ALL SELECT 0, coalesce(nullif(current_setting('citus.local_hostname', true), ''), 'localhost'), current_setting('port')::int
           WHERE (SELECT groupid FROM pg_dist_local_group) = 0 AND NOT EXISTS (SELECT FROM pg_dist_node WHERE groupid = 0)) n,
         LATERAL citus_internal.answer(n.nodename, n.nodeport, $1) a ORDER BY n.nodeid
$$;

CREATE FUNCTION shard_name(object_name regclass, shard_id bigint, skip_qualify_public bool DEFAULT true) RETURNS text LANGUAGE sql STABLE STRICT
  RETURN (SELECT CASE WHEN skip_qualify_public AND nspname = 'public' THEN '' ELSE quote_ident(nspname) || '.' END || quote_ident(relname || '_' || shard_id)
            FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE pg_class.oid = object_name);

-- Jobs: there is nothing to move.
CREATE FUNCTION get_rebalance_table_shards_plan(relation regclass DEFAULT NULL, threshold real DEFAULT NULL, max_shard_moves int DEFAULT 1000000,
  excluded_shard_list bigint[] DEFAULT '{}', drain_only bool DEFAULT false, rebalance_strategy name DEFAULT NULL, improvement_threshold real DEFAULT NULL)
  RETURNS TABLE (table_name regclass, shardid bigint, shard_size bigint, sourcename text, sourceport int, targetname text, targetport int)
  LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_dist_node WHERE isactive AND noderole = 'primary' AND shouldhaveshards) THEN
    RAISE EXCEPTION USING ERRCODE = 'XX000',
      MESSAGE = 'Shard replication factor (1) cannot be greater than number of nodes with should_have_shards=true (0).';
  END IF;
END
$$;
CREATE FUNCTION citus_rebalance_start(rebalance_strategy name DEFAULT NULL, drain_only bool DEFAULT false,
  shard_transfer_mode citus.shard_transfer_mode DEFAULT 'auto', parallel_transfer_reference_tables bool DEFAULT false,
  parallel_transfer_colocated_shards bool DEFAULT false) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  RAISE NOTICE 'No tables to rebalance';
  RETURN NULL;
END
$$;
CREATE FUNCTION citus_rebalance_stop() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = 'no ongoing rebalance that can be stopped';
END
$$;
CREATE FUNCTION citus_job_status(job_id bigint, raw bool DEFAULT false) RETURNS TABLE (job_id bigint, state citus_job_status, job_type name,
  description text, started_at timestamptz, finished_at timestamptz, details jsonb)
  LANGUAGE sql AS 'SELECT j.*, NULL::jsonb FROM pg_dist_background_job j WHERE j.job_id = $1';
CREATE FUNCTION citus_rebalance_status(raw bool DEFAULT false) RETURNS TABLE (job_id bigint, state citus_job_status, job_type name,
  description text, started_at timestamptz, finished_at timestamptz, details jsonb)
  LANGUAGE sql AS 'SELECT j.*, NULL::jsonb FROM pg_dist_background_job j WHERE j.job_type = ''rebalance'' ORDER BY j.job_id DESC LIMIT 1';
CREATE FUNCTION citus_job_wait(jobid bigint, desired_status citus_job_status DEFAULT NULL) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = format('no job found for job with jobid: %s', jobid);
END
$$;
CREATE FUNCTION citus_job_cancel(jobid bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'XX000', MESSAGE = format('could not find background jobs entry for job_id: %s', jobid);
END
$$;
CREATE FUNCTION replicate_reference_tables(shard_transfer_mode citus.shard_transfer_mode DEFAULT 'auto') RETURNS void LANGUAGE sql AS '';
CREATE PROCEDURE citus_cleanup_orphaned_resources() LANGUAGE sql AS '';

-- Data: not here.
CREATE FUNCTION citus_internal.no_shards() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = 'stand-in: control plane only, it has no shards', HINT = 'Use real Citus.';
END
$$;
CREATE FUNCTION create_distributed_table(table_name regclass, distribution_column text, distribution_type text DEFAULT 'hash',
  colocate_with text DEFAULT 'default', shard_count int DEFAULT NULL) RETURNS void LANGUAGE sql AS 'SELECT citus_internal.no_shards()';
CREATE FUNCTION create_reference_table(table_name regclass) RETURNS void LANGUAGE sql AS 'SELECT citus_internal.no_shards()';

-- Readings: of what has no shards, nothing.
CREATE FUNCTION citus_shard_sizes(OUT shard_id int, OUT size bigint) RETURNS SETOF record LANGUAGE sql AS 'SELECT 0, 0::bigint WHERE false';
CREATE FUNCTION column_to_column_name(table_name regclass, column_var_text text) RETURNS text LANGUAGE sql AS 'SELECT citus_internal.no_shards()::text';
CREATE FUNCTION citus_executor_name(executor_type int) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT NULL';
CREATE FUNCTION citus_query_stats(OUT queryid bigint, OUT userid oid, OUT dbid oid, OUT executor bigint, OUT partition_key text, OUT calls bigint)
  RETURNS SETOF record LANGUAGE sql AS 'SELECT 0::bigint, 0::oid, 0::oid, 0::bigint, NULL, 0::bigint WHERE false';
CREATE FUNCTION citus_stat_tenants(return_all_tenants bool DEFAULT false, OUT nodeid int, OUT colocation_id int, OUT tenant_attribute text,
  OUT read_count_in_this_period int, OUT read_count_in_last_period int, OUT query_count_in_this_period int, OUT query_count_in_last_period int,
  OUT cpu_usage_in_this_period float8, OUT cpu_usage_in_last_period float8, OUT score bigint) RETURNS SETOF record
  LANGUAGE sql AS 'SELECT 0, 0, NULL, 0, 0, 0, 0, 0::float8, 0::float8, 0::bigint WHERE false';
CREATE FUNCTION get_rebalance_progress() RETURNS TABLE (sessionid int, table_name regclass, shardid bigint, shard_size bigint, sourcename text,
  sourceport int, targetname text, targetport int, progress bigint, source_shard_size bigint, target_shard_size bigint, operation_type text,
  source_lsn pg_lsn, target_lsn pg_lsn, status text) LANGUAGE plpgsql AS 'BEGIN END';

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA citus_internal FROM PUBLIC;
REVOKE ALL ON FUNCTION citus_set_coordinator_host, citus_add_inactive_node, citus_disable_node, citus_remove_node, citus_update_node,
  citus_set_node_property, stop_metadata_sync_to_node, get_rebalance_table_shards_plan FROM PUBLIC;
-- What everybody may ask runs on other nodes as the session's own role.
REVOKE ALL ON FUNCTION citus_stat_tenants FROM PUBLIC;
GRANT EXECUTE ON FUNCTION citus_stat_tenants TO pg_monitor;
GRANT USAGE ON SCHEMA citus_internal TO PUBLIC;
GRANT EXECUTE ON FUNCTION citus_internal.run, citus_internal.answer, citus_internal.quoted, citus_internal.flag, citus_internal.no_shards TO PUBLIC;
