"""What it costs the daemon to be watched: changes stream through it, while somebody asks for its numbers and somebody
listens to what happens.

The share of its samples, by `perf`, that are taken in functions which count, write numbers, and tell what happens: what
else runs on the machine makes all of them slower alike. Such functions count with all that they call. It needs a program
with frame pointers: `--profile-program`, or `--frame-pointers`."""

import contextlib
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.request

import profile
from result import Bar, Row
from servers import Failure

# Whatever is done only so that somebody can look.
WATCHED = re.compile(r"syncline::measure|syncline::traces|engine::measure|prometheus_client|syncline::api|tracing::")
FILE = """version: 1
server: {{listen: "127.0.0.1:{port}"}}
systems:
  crm: {{url: "sqlite:crm.sqlite"}}
  erp: {{url: "sqlite:erp.sqlite"}}
defaults: {{guards: {{updates: {{max_percent: 100}}}}}}
entities:
  contacts:
    in: {{crm: contacts, erp: CUSTOMER}}
    match: email
    fields:
      email: {{crm: email, erp: EMAIL}}
      name: {{crm: name, erp: CNAME}}
      city: {{crm: city, erp: CITY}}
"""
CONTACTS = 20_000
ROUNDS = 5
# Numbers are asked for this often; Prometheus asks every 15 s unless told otherwise.
EVERY = 5.0


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def tables(place):
    with contextlib.closing(sqlite3.connect(place.path / "crm.sqlite")) as crm:
        crm.execute("create table contacts(id integer primary key, email text unique, name text, city text)")
        rows = ((f"c{at}@example.com", f"Name {at}", "Sevilla") for at in range(CONTACTS))
        crm.executemany("insert into contacts(email, name, city) values (?, ?, ?)", rows)
        crm.commit()
    with contextlib.closing(sqlite3.connect(place.path / "erp.sqlite")) as erp:
        erp.execute("create table CUSTOMER(NO integer primary key, EMAIL text unique, CNAME text, CITY text)")
        erp.commit()


class Watchers:
    """One who asks for the numbers, and one who listens."""

    def __init__(self, port):
        self.address, self.over, self.told, self.asked = f"http://127.0.0.1:{port}", threading.Event(), 0, 0
        self.stream = urllib.request.urlopen(f"{self.address}/api/v1/events", timeout=60)
        self.threads = [threading.Thread(target=each, daemon=True) for each in (self.listen, self.ask)]
        for thread in self.threads:
            thread.start()

    def listen(self):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            for line in self.stream:
                self.told += line.startswith(b"event:")

    def ask(self):
        while not self.over.is_set():
            with urllib.request.urlopen(f"{self.address}/metrics", timeout=60) as answer:
                answer.read()
            self.asked += 1
            self.over.wait(EVERY)

    def end(self):
        self.over.set()


def stacks(recording):
    """The functions of each sample."""
    done = subprocess.run([profile.perf(), "script", "-i", str(recording), "-F", "ip,sym"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
    if done.returncode != 0:
        raise Failure(f"`perf script` ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return [block for block in done.stdout.split("\n\n") if block.strip()]


def change(place, daemon, number, count, patience):
    """So many changes, ten in a transaction, until the last is written."""
    with contextlib.closing(sqlite3.connect(place.path / "crm.sqlite", timeout=60)) as crm:
        for first in range(0, count, 10):
            for at in range(first, first + 10):
                crm.execute("update contacts set name = ? where id = ?", (f"Name {at} {number}", 1 + at % CONTACTS))
            crm.commit()
    deadline = time.monotonic() + patience
    with contextlib.closing(sqlite3.connect(f"file:{place.path / 'erp.sqlite'}?mode=ro", uri=True, timeout=60)) as erp:
        while erp.execute("select count(*) from CUSTOMER where CNAME like ?", (f"% {number}",)).fetchone()[0] < count:
            daemon.check()
            if time.monotonic() > deadline:
                raise Failure("the changes do not arrive")
            time.sleep(0.2)


def watched(world):
    options = world.options
    if not options.profile_program:
        raise Failure("it needs a program with frame pointers: --frame-pointers, or --profile-program")
    count, port = min(options.changes, CONTACTS), free_port()
    place = world.place(FILE.format(port=port), binary=options.profile_program)
    tables(place)
    place.run()
    recording = world.home / "watched.data"
    with place.serve() as daemon:
        daemon.listens(2)
        change(place, daemon, "first", count, options.patience)
        watchers, cpu = Watchers(port), daemon.cpu()
        observer = subprocess.Popen(profile.record(recording, "-p", str(daemon.process.pid)),
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        for number in range(ROUNDS):
            change(place, daemon, f"r{number}", count, options.patience)
        observer.send_signal(signal.SIGINT)
        observer.wait(60)
        cpu = daemon.cpu() - cpu
        watchers.end()
        daemon.stop()
    all_of_them = stacks(recording)
    if len(all_of_them) < 500:
        raise Failure(f"{len(all_of_them)} samples are too few to say anything")
    of_it = sum(1 for stack in all_of_them if WATCHED.search(stack))
    changes = count * ROUNDS
    note = (f"{of_it:,} of {len(all_of_them):,} samples, {1e6 * cpu / changes:,.0f} us of CPU a change; asked for the numbers "
            f"{watchers.asked} times, every {EVERY:.0f} s, {watchers.told:,} events told")
    work = f"{changes:,} changes SQLite -> SQLite while it is watched: share of CPU for that"
    return [Row(work, "-", 100 * of_it / len(all_of_them), Bar(3, 1, "%", at_most=True), note)], []
