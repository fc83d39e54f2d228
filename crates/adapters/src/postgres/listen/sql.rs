//! The statements of listening that do not depend on the tables.

/// What matters of the server: version, `wal_level`, standby, our user, how many slots there may be,
/// for whom commits wait.
pub(super) const SERVER: &str = "\
select current_setting('server_version_num')::int4, current_setting('wal_level'),
       pg_is_in_recovery(), current_user::text,
       current_setting('max_replication_slots'), current_setting('synchronous_standby_names')";

/// How far the log is written.
pub(super) const WRITTEN: &str = "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::int8";

/// Which transactions are over.
pub(super) const SNAPSHOT: &str = "select pg_current_snapshot()::text";

/// Who runs these transactions.
pub(super) const RUNNING: &str = "\
select 'process ' || pid from pg_stat_activity where backend_xid::text::int8 = any ($1)
union all
select 'prepared transaction ' || gid from pg_prepared_xacts where transaction::text::int8 = any ($1)
order by 1";

/// Which tables these names mean now, as the sessions that read them understand names.
pub(super) const MEANT: &str = "\
select (select c.oid
          from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p', 'v', 'm', 'f')
           and ((c.relname = u.name and pg_table_is_visible(c.oid))
                or n.nspname || '.' || c.relname = u.name)
         order by pg_table_is_visible(c.oid) desc
         limit 1)
from unnest($1::text[]) with ordinality as u(name, place)
order by u.place";

/// A table with everything that it consists of: partitions and descendants. By what an old row of
/// each is told (`relreplident`), and the columns of that. Where its rows are stored, which changes
/// when all of them are written anew; and the columns of the whole.
pub(super) const PARTS: &str = "\
with recursive parts as (
  select r.oid as whole, r.oid as part from unnest($1::oid[]) as r(oid)
  union
  select p.whole, i.inhrelid from parts p join pg_inherits i on i.inhparent = p.part
)
select p.whole, c.oid, c.relkind::text, c.relpersistence::text, c.relreplident::text,
       n.nspname::text, c.relname::text,
       array(select a.attname::text
               from pg_index x
               join pg_attribute a on a.attrelid = c.oid and a.attnum = any (x.indkey::int2[])
              where x.indrelid = c.oid and x.indisvalid and x.indimmediate
                and ((c.relreplident = 'd' and x.indisprimary)
                     or (c.relreplident = 'i' and x.indisreplident))
              order by a.attnum),
       c.relfilenode,
       case when c.oid = p.whole then
         array(select a.attname::text from pg_attribute a
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum)
       else '{}' end,
       case when c.oid = p.whole then
         array(select a.attnum || ' ' || a.atttypid from pg_attribute a
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum)
       else '{}' end
from parts p
join pg_class c on c.oid = p.part
join pg_namespace n on n.oid = c.relnamespace
order by p.whole, c.oid";

/// The publication: whether it tells of everything, whether it is ours to change.
pub(super) const PUBLICATION: &str = "\
select pubinsert and pubupdate and pubdelete and pubtruncate,
       pg_has_role(current_user, pubowner, 'usage')
from pg_publication where pubname = $1";

/// The tables that a publication has, in whatever way.
pub(super) const PUBLISHED: &str = "\
select c.oid
from pg_publication_tables p
join pg_namespace n on n.nspname = p.schemaname
join pg_class c on c.relnamespace = n.oid and c.relname = p.tablename
where p.pubname = $1";

/// The tables that a publication names.
pub(super) const NAMED: &str = "\
select c.oid, n.nspname::text, c.relname::text
from pg_publication_rel r
join pg_publication p on p.oid = r.prpubid
join pg_class c on c.oid = r.prrelid
join pg_namespace n on n.oid = c.relnamespace
where p.pubname = $1
order by n.nspname, c.relname";

/// Tables of which only some rows or columns are told (since version 15), by this publication or by any that may be
/// for us: whether rows are left out, and the columns, all if none is named.
pub(super) const FILTERED: &str = "\
select r.prrelid, c.relname::text, p.pubname::text, r.prqual is not null,
       array(select a.attname::text from pg_attribute a
              where a.attrelid = r.prrelid and a.attnum = any (r.prattrs::int2[])
              order by a.attnum)
from pg_publication_rel r
join pg_publication p on p.oid = r.prpubid
join pg_class c on c.oid = r.prrelid
where p.pubname like $1 and (r.prqual is not null or r.prattrs is not null)
order by 3, 2";

/// Whether publications may leave out rows and columns.
pub(super) const MAY_FILTER: &str = "select current_setting('server_version_num')::int4 >= 150000";

/// The slot: whether it is one of ours, what it still has, who uses it, how much it keeps.
pub(super) const SLOT: &str = "\
select coalesce(plugin = 'pgoutput' and database = current_database() and not temporary, false),
       coalesce(wal_status = 'lost', false),
       active_pid,
       (confirmed_flush_lsn - '0/0'::pg_lsn)::int8,
       greatest((pg_current_wal_lsn() - restart_lsn)::int8, 0),
       current_setting('max_slot_wal_keep_size') <> '-1'
from pg_replication_slots where slot_name = $1";

/// Makes the slot.
pub(super) const MAKE_SLOT: &str =
    "select pg_create_logical_replication_slot($1, 'pgoutput')::text";

/// Removes the slot.
pub(super) const DROP_SLOT: &str = "select pg_drop_replication_slot($1)::text";

/// What listening needs of the server and of our user.
pub(super) const NEEDS: &str = "\
select current_setting('wal_level'),
       coalesce(current_setting('max_slot_wal_keep_size', true), '-1') <> '-1',
       r.rolreplication or r.rolsuper
       or exists (select from pg_roles g
                   where g.rolname = 'rds_replication' and pg_has_role(g.oid, 'member')),
       current_user::text
from pg_roles r where r.rolname = current_user";

/// Those of these tables that are neither our user's nor published for us.
pub(super) const NOT_OURS: &str = "\
select c.relname::text
from unnest($1::oid[]) as u(oid)
join pg_class c on c.oid = u.oid
join pg_namespace n on n.oid = c.relnamespace
where not pg_has_role(c.relowner, 'usage')
  and not exists (select from pg_publication_tables p
                   where p.pubname like 'syncline%' and p.schemaname = n.nspname
                     and p.tablename = c.relname)
order by 1";
