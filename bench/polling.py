"""One pass of `syncline run`: a first load, equal contacts that only have to be recognised, little or nothing new."""

import subprocess
import time

import data
import program
from result import PRODUCTS, Bar, Cost, Row
from servers import Failure
from world import Table, equal


def copied(source, target):
    """What the databases do alone: COPY or SELECT out, piped into COPY or LOAD DATA. Returns seconds."""
    def words(table, text):
        flag = "-c" if table.product == "postgres" else "-e"
        return [*table.server.client(table.name), flag, text]

    began = time.monotonic()
    out = subprocess.Popen(words(source, data.copy_out(source.product)), stdout=subprocess.PIPE)
    done = subprocess.run(words(target, data.copy_in(source.product, target.product)), stdin=out.stdout,
                          stdout=subprocess.DEVNULL)
    out.stdout.close()
    if out.wait() != 0 or done.returncode != 0:
        raise Failure("the databases' own copy failed: see what they say above")
    return time.monotonic() - began


def place(world, source, target, binary=None):
    systems = {name: (table.server, table.name) for name, table in (("here", source), ("there", target))}
    return world.place(program.configuration(systems, cursors=True, live=False), binary)


def first(world, source, target):
    """Into an empty table."""
    rows, number = world.options.rows, world.number()
    here = Table(world.server(source, 0), f"bench{number}").fill(rows)
    alone = Table(world.server(target, 1), f"alone{number}")
    seconds = copied(here, alone)
    equal(world, here, alone)
    alone.drop()
    there = Table(world.server(target, 1), f"bench{number}")
    run = place(world, here, there).run()
    equal(world, here, there)
    title = f"{PRODUCTS[source]} -> {PRODUCTS[target]}"
    here.drop()
    there.drop()
    row = Row(f"first load of {rows:,} contacts, {title}", f"COPY / LOAD DATA, {seconds:.2f} s",
              seconds / run["wall"], Bar(0.4 if target == "mariadb" else 0.5, 0.8),
              f"{run['wall']:.2f} s, {rows / run['wall']:,.0f} rows/s, hub {run['hub']:.0f} MB")
    cost = Cost(f"first load, {title}", "Syncline", rows, run["wall"], {"syncline": run["cpu"]},
                {"syncline": run["memory"]})
    return [row], [cost]


def link(world, source, target):
    """Equal contacts on both sides; then a pass with nothing new, and one with one contact in a hundred changed."""
    rows, number = world.options.rows, world.number()
    # Rows that were written long ago, as in a system that lives: not within what the last poll reads twice.
    here = Table(world.server(source, 0), f"bench{number}").fill(rows)
    there = Table(world.server(target, 1), f"bench{number}").fill(rows)
    work, title = place(world, here, there), f"{PRODUCTS[source]} and {PRODUCTS[target]}"
    linked = work.run()
    found = [Row(f"equal contacts linked, {title}: rows read for a CPU second", "-",
                 linked["checked"] / linked["cpu"], Bar(200_000, 200_000, ""),
                 f"{linked['wall']:.2f} s, {linked['memory']:.0f} MB")]
    quiet = work.run()
    found.append(Row(f"a pass with nothing new, {title}: rows read", "-", quiet["checked"],
                     Bar(0, 0, "", at_most=True), f"{quiet['wall']:.2f} s"))
    phone, key = data.COLUMNS[source][3], data.KEYS[source]
    moved = ", updated_at = clock_timestamp()" if source == "postgres" else ""
    here.server.sql(f"update contacts set {phone} = concat('+49 ', {key}){moved} where {key} % 100 = 7;", here.name)
    changed, share = work.run(), max(1, len(range(7, rows + 1, 100)))
    equal(world, here, there)
    found.append(Row(f"one contact in a hundred changed, {title}: rows read for a change", "-",
                     changed["checked"] / share, Bar(2, 1, "", at_most=True),
                     f"{changed['written'] / share:.2f} written, {changed['wall']:.2f} s"))
    here.drop()
    there.drop()
    cost = Cost(f"equal contacts linked, {title}", "Syncline", 2 * rows, linked["wall"],
                {"syncline": linked["cpu"]}, {"syncline": linked["memory"]})
    return found, [cost]
