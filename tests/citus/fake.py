"""A stand-in for Citus's catalogue and functions on plain PostgreSQL, for `folkmoot database distribute`.

It is not Citus. It keeps the account that Citus keeps (`pg_dist_partition`), and refuses what the rules found refused
when they were tried on Citus: unique keys without the column, keys between tables that lie apart, triggers, a table
twice. Nothing moves, so it proves the order of the steps and their text, and nothing of how a cluster behaves.
"""

from __future__ import annotations

import psycopg

_CATALOGUE = """
CREATE TABLE pg_dist_node (nodename text, isactive bool, shouldhaveshards bool);
INSERT INTO pg_dist_node VALUES ('worker', true, true);
CREATE TABLE pg_dist_partition (
    logicalrelid oid PRIMARY KEY, partmethod "char", partkey text, colocationid int, repmodel "char"
);
CREATE TABLE said (n serial, what text);
CREATE FUNCTION column_to_column_name(oid, text) RETURNS text LANGUAGE sql AS 'SELECT $2';

CREATE FUNCTION fake_check(which regclass, dist text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE each record;
BEGIN
    IF EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = which) THEN
        RAISE 'table "%" is already distributed', which;
    END IF;
    IF current_setting('citus.multi_shard_modify_mode', true) IS DISTINCT FROM 'sequential' THEN
        RAISE 'cannot create a foreign key in a transaction that ran parallel commands';
    END IF;
    IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = which AND NOT tgisinternal) THEN
        RAISE 'cannot distribute relation "%" because it has triggers', which;
    END IF;
    IF dist <> '' AND EXISTS (
        SELECT FROM pg_index WHERE indrelid = which AND indisunique AND NOT EXISTS (
            SELECT FROM pg_attribute WHERE attrelid = which AND attname = dist AND attnum = ANY (indkey))
    ) THEN
        RAISE 'cannot create constraint on "%": it must include the distribution column', which;
    END IF;
    FOR each IN SELECT * FROM pg_constraint WHERE contype = 'f' AND which IN (conrelid, confrelid) LOOP
        PERFORM fake_key(each.conrelid, each.confrelid, which);
    END LOOP;
END $$;

-- Whether a foreign key may stand while the table `now_being` is made a distributed one.
CREATE FUNCTION fake_key(child oid, parent oid, now_being oid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE there int := (SELECT count(*) FROM pg_dist_partition WHERE logicalrelid IN (child, parent));
BEGIN
    IF there < 2 THEN
        RAISE 'cannot create foreign key constraint since relations are not distributed with each other: % and %',
            child::regclass, parent::regclass;
    END IF;
END $$;

CREATE FUNCTION create_reference_table(which regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM fake_check(which, '');
    INSERT INTO pg_dist_partition VALUES (which, 'n', NULL, 1, 't');
    INSERT INTO said (what) VALUES ('reference ' || which);
END $$;

CREATE FUNCTION create_distributed_table(which regclass, dist text, colocate_with text DEFAULT 'default')
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    colocation int;
BEGIN
    PERFORM fake_check(which, coalesce(dist, ''));
    IF colocate_with = 'none' THEN
        colocation := 10 + (SELECT count(*) FROM pg_dist_partition);
    ELSE
        SELECT colocationid INTO STRICT colocation FROM pg_dist_partition WHERE logicalrelid = colocate_with::regclass;
    END IF;
    INSERT INTO pg_dist_partition
    VALUES (which, CASE WHEN dist IS NULL THEN 'n' ELSE 'h' END, dist, colocation, 's');
    INSERT INTO said (what) VALUES ('distributed ' || which || ' ' || coalesce(dist, '-') || ' ' || colocate_with);
END $$;
"""

# `ADD CONSTRAINT` on distributed tables: both in parts, side by side.
_KEYS = """
CREATE FUNCTION fake_altered() RETURNS event_trigger LANGUAGE plpgsql AS $$
DECLARE each record;
BEGIN
    FOR each IN SELECT * FROM pg_constraint WHERE contype = 'f' LOOP
        IF (SELECT count(*) FROM pg_dist_partition WHERE logicalrelid IN (each.conrelid, each.confrelid)) = 1
        OR (SELECT count(DISTINCT colocationid) FROM pg_dist_partition
            WHERE logicalrelid IN (each.conrelid, each.confrelid)) > 1 THEN
            RAISE 'cannot create foreign key constraint %: the tables are not colocated', each.conname;
        END IF;
        IF each.condeferrable OR each.confdeltype IN ('n', 'd') THEN
            RAISE 'cannot create foreign key constraint %: SET NULL, SET DEFAULT or deferrable', each.conname;
        END IF;
    END LOOP;
END $$;
CREATE EVENT TRIGGER fake_altered ON ddl_command_end WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION fake_altered();
"""


def install(url: str) -> None:
    """Let a database look as if it had Citus."""
    with psycopg.connect(url) as connection:
        connection.execute(_CATALOGUE.encode())
        connection.execute(_KEYS.encode())
        # What `CREATE EXTENSION citus` leaves in the catalogue; there are no files of it here.
        connection.execute(
            "INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion) "
            "SELECT 4000000000, 'citus', oid, 'public'::regnamespace, false, '13.2' FROM pg_roles "
            "WHERE rolname = current_user"
        )


def said(url: str) -> list[str]:
    """What the functions were asked for, in order."""
    with psycopg.connect(url) as connection:
        return [row[0] for row in connection.execute("SELECT what FROM said ORDER BY n")]
