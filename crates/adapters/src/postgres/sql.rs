//! The statements that do not depend on the tables, and how names are quoted.

/// Finds a table by the name that the file uses: a name of the search path, or `schema.table`,
/// both exactly as they are spelled.
pub(crate) const FIND_TABLE: &str = "\
select c.oid, n.nspname::text, c.relname::text, c.relkind::text, pg_table_is_visible(c.oid),
       c.reltuples::float8, pg_relation_size(c.oid),
       has_table_privilege(c.oid, 'select'), has_table_privilege(c.oid, 'insert'),
       has_table_privilege(c.oid, 'update'), has_table_privilege(c.oid, 'delete'),
       exists (select from pg_trigger g where g.tgrelid = c.oid and not g.tgisinternal
                 and g.tgenabled in ('O', 'A'))
       or (c.relkind in ('r', 'p') and exists (select from pg_rewrite w where w.ev_class = c.oid)),
       c.relrowsecurity and not (select rolsuper or rolbypassrls from pg_roles
                                  where rolname = current_user),
       c.relkind = 'r' and not c.relhassubclass
       and exists (select from pg_am a where a.oid = c.relam and a.amname = 'heap')
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f')
  and ((c.relname = $1 and pg_table_is_visible(c.oid)) or n.nspname || '.' || c.relname = $1)
order by pg_table_is_visible(c.oid) desc
limit 1";

/// About how many rows a table has, as it was last analysed.
pub(crate) const ESTIMATE: &str = "select reltuples::float8 from pg_class where oid = $1";

/// The columns of a table, domains taken down to what they are made of.
pub(crate) const COLUMNS: &str = "\
with recursive base as (
  select a.attnum, t.oid as typ, a.atttypmod as typmod, t.typtype, t.typbasetype, t.typtypmod,
         a.attnotnull as filled, false as defaulted
  from pg_attribute a join pg_type t on t.oid = a.atttypid
  where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
  union all
  select b.attnum, t.oid, b.typtypmod, t.typtype, t.typbasetype, t.typtypmod,
         b.filled or d.typnotnull, b.defaulted or d.typdefault is not null
  from base b join pg_type d on d.oid = b.typ join pg_type t on t.oid = b.typbasetype
  where b.typtype = 'd'
)
select a.attname::text, format_type(a.atttypid, a.atttypmod), b.typmod,
       n.nspname::text, t.typname::text, t.typtype::text,
       en.nspname::text, coalesce(ed.typname, e.typname)::text, coalesce(ed.typtype, e.typtype)::text,
       array(select l.enumlabel::text from pg_enum l
              where l.enumtypid = t.oid order by l.enumsortorder),
       b.filled,
       b.defaulted or d.adbin is not null or a.attidentity <> '',
       a.attidentity <> '' or coalesce(pg_get_expr(d.adbin, d.adrelid) like 'nextval(%', false),
       a.attgenerated <> '',
       a.attidentity = 'a',
       coalesce(not c.collisdeterministic, false)
from base b
join pg_attribute a on a.attrelid = $1 and a.attnum = b.attnum
join pg_type t on t.oid = b.typ
join pg_namespace n on n.oid = t.typnamespace
left join pg_type e on e.oid = t.typelem and e.typarray = t.oid
left join pg_type ed on ed.oid = e.typbasetype and e.typtype = 'd'
left join pg_namespace en on en.oid = coalesce(ed.typnamespace, e.typnamespace)
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
left join pg_collation c on c.oid = a.attcollation
where b.typtype <> 'd'
order by b.attnum";

/// Unique indices of a table: name, columns, plain, primary, deferrable.
pub(crate) const UNIQUE: &str = "\
select coalesce(k.conname, c.relname)::text,
       case when 0 = any (i.indkey::int2[]) then
         array(select distinct a.attname::text from pg_depend p
                 join pg_attribute a on a.attrelid = i.indrelid and a.attnum = p.refobjsubid
                where p.classid = 'pg_class'::regclass and p.objid = i.indexrelid
                  and p.refobjid = i.indrelid and p.refobjsubid > 0)
       else
         array(select a.attname::text
                 from unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) with ordinality as u(num, ord)
                 join pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.num
                order by u.ord)
       end,
       not (0 = any (i.indkey::int2[])) and i.indpred is null,
       i.indisprimary, coalesce(k.condeferrable, false)
from pg_index i
join pg_class c on c.oid = i.indexrelid
left join pg_constraint k on k.conindid = i.indexrelid and k.conrelid = i.indrelid
                         and k.contype in ('p', 'u')
where i.indrelid = $1 and i.indisunique and i.indisvalid
order by not i.indisprimary, 1";

/// Foreign keys of a table: name, columns, the table referred to, its columns, cascades, deferrable.
pub(crate) const FOREIGN: &str = "\
select k.conname::text,
       array(select a.attname::text from unnest(k.conkey) with ordinality as u(num, ord)
               join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.num order by u.ord),
       case when pg_table_is_visible(f.oid) then f.relname::text
            else n.nspname || '.' || f.relname end,
       array(select a.attname::text from unnest(k.confkey) with ordinality as u(num, ord)
               join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.num order by u.ord),
       k.confdeltype = 'c', k.condeferrable
from pg_constraint k
join pg_class f on f.oid = k.confrelid
join pg_namespace n on n.oid = f.relnamespace
where k.conrelid = $1 and k.contype = 'f'
order by 1";

/// Whether anything that refers to the table, or is unique in it, can wait for the commit.
pub(crate) const DEFERRABLE: &str = "\
select exists (select from pg_constraint
                where condeferrable and (conrelid = $1 or confrelid = $1))";

/// All tables that we can see.
pub(crate) const TABLES: &str = "\
select case when pg_table_is_visible(c.oid) then c.relname::text
            else n.nspname || '.' || c.relname end
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
  and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
  and c.relname <> 'syncline_applied'
  and has_schema_privilege(n.oid, 'usage')
  and (has_table_privilege(c.oid, 'select') or has_any_column_privilege(c.oid, 'select'))
order by not pg_table_is_visible(c.oid), n.nspname, c.relname";

/// What the server is.
pub(crate) const SERVER: &str = "\
select current_setting('server_version'), current_setting('server_version_num')::int4,
       pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool,
       current_setting('server_encoding'), current_user::text,
       coalesce((select ssl from pg_stat_ssl where pid = pg_backend_pid()), false),
       coalesce(current_schema()::text, '')";

/// The time, in microseconds since 1970.
pub(crate) const CLOCK: &str = "select (extract(epoch from clock_timestamp()) * 1000000)::int8";

/// How far the log of this server is on the disk, under the name of the server.
pub(crate) const LOG_END: &str = "\
select 'log of server ' || s.system_identifier::text, (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::int8 \
from pg_control_system() s where not pg_is_in_recovery()";

/// Leaves a heartbeat in the place of the one that was found: locks the one row of this hub.
pub(crate) const BEAT: &str = "\
insert into syncline_applied as m (intent_id, state, at, row_key) values ($1, $2, $3, $4) \
on conflict (intent_id) do update set row_key = excluded.row_key \
where m.row_key::text is not distinct from $5";

/// The heartbeat of a hub.
pub(crate) const HEARTBEAT: &str =
    "select row_key::text from syncline_applied where intent_id = $1 and state = 'beat'";

/// Whether the table of marks is there, and whether we may use it.
pub(crate) const MARKS: &str = "\
select m.oid is not null,
       coalesce(has_table_privilege(m.oid, 'select') and has_table_privilege(m.oid, 'insert')
                and has_table_privilege(m.oid, 'update')
                and exists (select from pg_attribute a
                            where a.attrelid = m.oid and a.attname = 'row_key'), false),
       coalesce(has_schema_privilege(current_schema(), 'create'), false)
from (select to_regclass('syncline_applied') as oid) m";

/// When the oldest transaction that may still write began, as far as we are allowed to see it, and
/// the oldest that is not over.
pub(crate) const OLDEST_WRITER: &str = "\
select (extract(epoch from least(clock_timestamp(),
             (select min(xact_start) from pg_stat_activity
               where backend_xid is not null and pid <> pg_backend_pid()))) * 1000000)::int8,
       txid_snapshot_xmin(txid_current_snapshot())";

/// The oldest transaction that is not over in the snapshot of a scan.
pub(crate) const HORIZON: &str = "select txid_snapshot_xmin(txid_current_snapshot())";

/// A name between quotes, whatever it holds.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A schema and a name between quotes.
pub(crate) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}
