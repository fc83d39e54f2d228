"""Both sides change at once, and some changes are to the same contacts: equal at the end, and the named winner.

The reference is PostgreSQL's own replication with as much to carry in each direction, but between tables of
their own: it cannot settle conflicts, nor, in versions before 16, replicate one table both ways.
"""

import data
from result import Bar, Row, cost_of
from servers import Failure
from world import Pair, equal

LASTS = ["last0@example.com", "last1@example.com"]
WORDS = {False: "live", True: "after a partition"}


def change(left, right, amount, sides):
    """Both sides at once. `sides` says whether they share contacts (2) or have nothing in common (1)."""
    talks = [table.conversation() for table in (left, right)]
    for side, talk in enumerate(talks):
        talk.tell(f"call churn(1, {amount}, {side if sides == 2 else 0}, {sides});")
    for talk in talks:
        talk.hear(patience=3600)
    for talk, last in zip(talks, LASTS):
        talk.ask(data.insert("postgres", last))


def own(world, partition):
    amount = world.options.both
    there = Pair(world, "postgres", "postgres", world.options.rows).replicate()
    back = Pair(world, "postgres", "postgres", world.options.rows, numbers=(1, 0)).replicate()

    def start():
        there.own.start()
        back.own.start()

    if partition:
        change(there.here, back.here, amount, 1)
    else:
        start()
    with there.meter() as meter:
        if partition:
            start()
        else:
            change(there.here, back.here, amount, 1)
        equal(world, there.here, there.there, [(there.there, LASTS[0])])
        equal(world, back.here, back.there, [(back.there, LASTS[1])], meter)
    there.drop()
    back.drop()
    return cost_of(f"two-way, {WORDS[partition]}", "PostgreSQL's own", 2 * amount, meter)


def last_said(amount):
    """What each side said last in each shared contact."""
    said = {}
    for number in range(20, amount + 1, 20):
        said[f"person{1 + number // 20 % data.SHARED}@example.com"] = {
            f"side {side} change {number}" for side in (0, 1)}
    return said


def check_live(pair, amount):
    """No winner can be foretold, since what is late loses nothing; but it is the last word of one of them."""
    wanted = last_said(amount)
    for line in pair.here.look(data.of_shared("postgres")).splitlines():
        email, city = line.split("|", 1)
        if email in wanted and city not in wanted[email]:
            raise Failure(f"{email} says {city!r} at the end, which is the last word of neither side: "
                          f"{sorted(wanted[email])}")


def check_winner(pair, wanted):
    found = pair.here.look(data.of_shared("postgres"))
    if found != wanted:
        others = [line for line in found.splitlines() if line not in wanted.splitlines()]
        raise Failure(f"the first system was to win all {data.SHARED} conflicts; these say otherwise: {others[:5]}")


def both(world, partition):
    amount = world.options.both
    reference = own(world, partition)
    pair = Pair(world, "postgres", "postgres", world.options.rows).link().listened()
    wanted = None
    if partition:
        change(pair.here, pair.there, amount, 2)
        wanted = pair.here.look(data.of_shared("postgres"))
    with pair.place.serve() as daemon:
        if not partition:
            daemon.listens()
        with pair.meter(daemon) as meter:
            if not partition:
                change(pair.here, pair.there, amount, 2)
            lasts = [(pair.there, LASTS[0]), (pair.here, LASTS[1])]
            equal(world, pair.here, pair.there, lasts, meter, daemon)
        cost = cost_of(reference.work, "Syncline", 2 * amount, meter)
        cost.memory["syncline"] = daemon.peak()
        daemon.stop()
    if partition:
        check_winner(pair, wanted)
    else:
        check_live(pair, amount)
    pair.place.verify()
    pair.drop()
    row = Row(f"two-way PostgreSQL <-> PostgreSQL, 2 x {amount:,} changes, 5 % on {data.SHARED} shared contacts, "
              f"{WORDS[partition]}", f"PostgreSQL's own without conflicts, {reference.wall:.2f} s",
              reference.wall / cost.wall, Bar(0.5, 0.7),
              f"{cost.wall:.2f} s; equal, {'the first system won all' if partition else 'last words stand'}")
    return [row], [reference, cost]
