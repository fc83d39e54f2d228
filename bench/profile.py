"""Where Syncline's CPU time goes, by `perf`: a first load, and the draining of a backlog.

Each sample counts once, for the innermost function that a part is known by, with all that it calls. It needs a
program with frame pointers (release builds have function names, but none of these), made by `program.build`.
"""

import re
import shutil
import signal
import subprocess

import polling
import streaming
from servers import Failure
from world import Pair, Table

# The first pattern that fits a function, from the innermost outwards, says whose the sample is.
PARTS = [
    ("hub: commit", r"hub::sqlite::(commit|index|matches|audit::write|queues)|SqliteHub>::commit|hub::codec.*(encode|Writer)"),
    ("hub: load", r"hub::sqlite::load|SqliteHub>::(load|behind|must_read|unanswered)|hub::codec.*(decode|read)"),
    ("hub: other", r"syncline_adapters::hub"),
    ("core: step", r"syncline_core::"),
    ("listening", r"syncline_adapters::\w+::listen|listener::Listener"),
    ("reading rows", r"syncline_adapters::\w+::(source|scan)|source::Source"),
    ("writing rows", r"syncline_adapters::\w+::target|target::Target"),
    ("engine", r"syncline_engine::"),
    ("daemon", r"syncline::"),
    ("drivers", r"tokio_postgres|postgres_(types|protocol)|mysql_async|mysql_common|rustls"),
]
PARTS = [(name, re.compile(pattern)) for name, pattern in PARTS]
REST = "runtime and the rest"
FREQUENCY = "499"


def perf():
    found = shutil.which("perf")
    if not found:
        raise Failure("perf is not installed: leave out the profiles, or install linux-perf")
    return found


def part_of(thread, functions):
    for function in functions:
        for name, pattern in PARTS:
            if pattern.search(function):
                return name
    # SQLite's own frames hide who called them where it was built without frame pointers.
    return "hub: other" if thread == "hub" else REST


def shares(recording):
    """Samples by part, and by function with all that it calls."""
    done = subprocess.run([perf(), "script", "-i", str(recording), "-F", "comm,ip,sym"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
    if done.returncode != 0:
        raise Failure(f"`perf script` ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    parts, functions, samples = {}, {}, 0
    for block in done.stdout.split("\n\n"):
        thread, _, stack = block.strip("\n").partition("\n")
        if not thread.strip():
            continue
        names = [re.sub(r"\+0x[0-9a-f]+$", "", line.strip().partition(" ")[2]) for line in stack.splitlines()]
        samples += 1
        part = part_of(thread.split()[0], names)
        parts[part] = parts.get(part, 0) + 1
        for name in {name for name in names if "syncline" in name}:
            functions[name] = functions.get(name, 0) + 1
    if not samples:
        raise Failure("the profile has no sample: may this user run `perf record`?")
    names = [name for name, _ in PARTS] + [REST]
    by_part = [(name, parts[name] / samples) for name in names if name in parts]
    most = sorted(functions.items(), key=lambda found: -found[1])[:25]
    return samples, by_part, [(name, count / samples) for name, count in most]


def record(recording, *words):
    return [perf(), "record", "-q", "-F", FREQUENCY, "--call-graph", "fp", "-o", str(recording), *words]


def of_first_load(world):
    rows, number = world.options.rows, world.number()
    here = Table(world.server("postgres", 0), f"bench{number}").fill(rows)
    there = Table(world.server("postgres", 1), f"bench{number}")
    recording = world.home / "first.data"
    work = polling.place(world, here, there, world.options.profile_program)
    used = work.run(wrap=record(recording, "--"))
    here.drop()
    there.drop()
    return f"first load of {rows:,} contacts, PostgreSQL -> PostgreSQL", used["cpu"], rows, shares(recording)


def of_backlog(world):
    recording, amount = world.home / "backlog.data", world.options.changes

    def observe(daemon):
        observer = subprocess.Popen(record(recording, "-p", str(daemon.process.pid)),
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def ended():
            observer.send_signal(signal.SIGINT)
            observer.wait(60)
        return ended

    pair = Pair(world, "postgres", "postgres", world.options.rows, binary=world.options.profile_program)
    cost = streaming.drained(pair.link().listened(), amount, observe)
    return (f"backlog of {amount:,} changes, PostgreSQL -> PostgreSQL", cost.cpu["syncline"], amount,
            shares(recording))


def all_of_it(world):
    return [of_first_load(world), of_backlog(world)]
