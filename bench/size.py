"""How large the daemon is while much passes through it, and what it costs when nothing happens."""

import time

import data
import program
from result import PRODUCTS, Bar, Row
from servers import Failure
from streaming import LAST, finished, write
from world import Pair, equal

ENTITIES = 100
GREAT = "great@example.com"


def memory(world, rows):
    """Small transactions, then a great one that changes every tenth contact."""
    amount = world.options.changes
    pair = Pair(world, "postgres", "postgres", rows).link()
    with pair.place.serve() as daemon:
        daemon.listens()
        before = daemon.memory()
        with pair.meter(daemon) as meter:
            write(pair, amount)
            equal(world, pair.here, pair.there, [(pair.there, LAST)], alive=daemon)
            small = daemon.peak()
            pair.here.server.sql("update contacts set note = 'great', updated_at = clock_timestamp() "
                                 f"where id % 10 = 3; {data.insert('postgres', GREAT)}", pair.here.name)
            equal(world, pair.here, pair.there, [(pair.there, GREAT)], meter, daemon)
        great = len(range(3, rows + 1, 10))
        cost = finished(pair, f"memory, {rows:,} contacts", amount + great, meter, daemon)
        daemon.stop()
    pair.drop()
    row = Row(f"resident memory at most, {rows:,} contacts: {amount:,} small changes, then {great:,} in one "
              "transaction", "-", cost.memory["syncline"], Bar(200, 100, "MB", at_most=True),
              f"{before:.0f} MB before, {small:.0f} MB after the small ones")
    return [row], [cost]


def idle(world, source, target):
    """A hundred entities between two systems, and nobody changes anything."""
    number, seconds = world.number(), world.options.idle_seconds
    names = [f"contacts{each}" for each in range(1, ENTITIES + 1)]
    systems = {}
    for system, server in (("here", world.server(source, 0)), ("there", world.server(target, 1))):
        name = f"idle{number}"
        server.sql(f"create database {name};")
        email = data.COLUMNS[server.product][0]
        people = ", ".join(f"('person{each}@example.com')" for each in range(20))
        for table in names:
            server.sql(data.TABLES[server.product].replace("contacts", table)
                       + f"insert into {table} ({email}) values {people};", name)
        systems[system] = (server, name)
    place = world.place(program.configuration(systems, names))
    if place.run()["written"]:
        raise Failure("equal contacts were to be linked, but some were written")
    with place.serve() as daemon:
        daemon.listens()
        time.sleep(min(10, seconds))
        servers = [server for server, _ in systems.values()]
        before, began = [each.cpu() for each in (daemon, *servers)], time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - began
        ours, *theirs = (100 * (each.cpu() - was) / passed for each, was in zip((daemon, *servers), before))
        resident = daemon.memory()
        daemon.stop()
    title = f"{ENTITIES} entities, {PRODUCTS[source]} and {PRODUCTS[target]}"
    return [Row(f"idle, {title}: CPU, of one core", "-", ours, Bar(2, 0.5, "%", at_most=True),
                f"the servers {theirs[0]:.2f} and {theirs[1]:.2f} %, over {seconds:.0f} s"),
            Row(f"idle, {title}: resident memory", "-", resident, Bar(60, 40, "MB", at_most=True), "")], []
