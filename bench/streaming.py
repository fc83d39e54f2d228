"""Changes that travel while `syncline serve` runs: a backlog, a stream, single commits.

Each is measured beside the replication that the databases offer themselves, with equal contacts and equal
changes, in databases of their own on the same servers.
"""

import contextlib
import math

import data
from result import Bar, Row, cost_of, show
from world import Pair, equal

LAST = "last@example.com"


@contextlib.contextmanager
def running(pair):
    """What carries the changes runs meanwhile: Syncline's daemon, or the databases' own."""
    if pair.own:
        pair.own.start()
        yield None
    else:
        with pair.place.serve() as daemon:
            daemon.listens()
            yield daemon
            daemon.stop()


def write(pair, amount):
    """So many changes at the source, then one contact that comes last."""
    talk = pair.here.conversation()
    talk.ask(f"call churn(1, {amount}, 0, 1);", patience=3600)
    talk.ask(data.insert(pair.here.product, LAST))


def drained(pair, amount, observe=None):
    """Changes came up while nobody carried them: from the start of who does until the contents are equal."""
    write(pair, amount)
    ended = None
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(pair.place.serve()) if not pair.own else None
        with pair.meter(daemon) as meter:
            if pair.own:
                pair.own.start()
            if observe:
                ended = observe(daemon)
            equal(pair.world, pair.here, pair.there, [(pair.there, LAST)], meter, daemon)
        if ended:
            ended()
        cost = finished(pair, f"backlog, {pair.title()}", amount, meter, daemon)
        if daemon:
            daemon.stop()
            pair.place.verify()
    pair.drop()
    return cost


def finished(pair, work, amount, meter, daemon):
    cost = cost_of(work, pair.by(), amount, meter)
    if daemon:
        cost.memory["syncline"] = daemon.peak()
    return cost


def own_backlog(world, product):
    """The reference; measured once in a run."""
    if product not in world.remembered:
        pair = Pair(world, product, product, world.options.rows).replicate()
        world.remembered[product] = drained(pair, world.options.changes)
    return world.remembered[product]


def backlog(world, source, target):
    amount = world.options.changes
    reference = own_backlog(world, source if source == target else "postgres")
    pair = Pair(world, source, target, world.options.rows)
    ours = drained(pair.link().listened(), amount)
    bar = Bar(0.6, 1.0) if source == target else Bar(0.25, 0.5)
    rows = [Row(f"backlog of {amount:,} changes, {pair.title()}", f"{reference.by}, {reference.wall:.2f} s",
                reference.wall / ours.wall, bar, f"{ours.wall:.2f} s, {amount / ours.wall:,.0f} changes/s")]
    if source == target == "postgres":
        rows.append(Row(f"CPU of everything together a change, draining {pair.title()}",
                        f"{reference.by}, {reference.each():.0f} us", ours.each() / reference.each(),
                        Bar(2.5, 1.5, at_most=True), f"{ours.each():.0f} us"))
    return rows, [reference, ours]


def streamed(pair, amount):
    """The source is changed as fast as one session can. Returns the seconds from its last commit until the
    contents are equal, and the cost."""
    with running(pair) as daemon:
        with pair.meter(daemon) as meter:
            write(pair, amount)
            meter.stop()
            written = meter.wall
            equal(pair.world, pair.here, pair.there, [(pair.there, LAST)], meter, daemon)
        cost = finished(pair, f"live stream, {pair.title()}", amount, meter, daemon)
    pair.drop()
    return cost.wall - written, cost


def stream(world, source, target):
    amount, costs, reference = world.options.changes, [], "-"
    if source == target:
        tail, cost = streamed(Pair(world, source, target, world.options.rows).replicate(), amount)
        reference = f"{cost.by}, {tail:.2f} s"
        costs.append(cost)
    pair = Pair(world, source, target, world.options.rows).link()
    tail, cost = streamed(pair, amount)
    row = Row(f"live stream, {pair.title()}: tail after the source's last commit", reference, tail,
              Bar(2, 1, "s", at_most=True), f"{amount / (cost.wall - tail):,.0f} changes/s written")
    return [row], [*costs, cost]


def paced(pair, times):
    """Milliseconds from the answer to each commit at the source until a session at the target can read it."""
    with running(pair) as daemon:
        # The first commits find connections and caches cold.
        for count in (min(20, times), times):
            pair.here.look(data.unsent(pair.here.product))
            equal(pair.world, pair.here, pair.there, alive=daemon)
            watcher, writer = pair.there.conversation(), pair.here.conversation()
            watcher.tell(data.call(pair.there.product, "watch", count))
            writer.tell(data.call(pair.here.product, "pace", count))
            sent = writer.hear(pair.world.options.patience).split()
            seen = watcher.hear(pair.world.options.patience).split()
        equal(pair.world, pair.here, pair.there, alive=daemon)
    pair.drop()
    return sorted(1000 * (float(there) - float(here)) for here, there in zip(sent, seen, strict=True))


def percentile(ordered, share):
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def latency(world, source, target):
    times, own = world.options.commits, None
    rows, procedures = max(world.options.rows, times), (data.pace, data.watch)
    if source == target:
        own = paced(Pair(world, source, target, rows, procedures=procedures).replicate(), times)
    pair = Pair(world, source, target, rows, procedures=procedures).link()
    ours, found = paced(pair, times), []
    for name, share, bar in (("p50", 0.5, Bar(10, 3, "ms", at_most=True)),
                             ("p99", 0.99, Bar(50, 15, "ms", at_most=True))):
        reference = f"the databases' own, {show(percentile(own, share), 'ms')}" if own else "-"
        found.append(Row(f"latency, {pair.title()}, a commit each 50 ms, {name}", reference,
                         percentile(ours, share), bar, f"{times} commits"))
    return found, []
