"""Syncline as a user runs it: a configuration, `run`, and `serve`; and a build of it if none is given."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import data
import measure
from servers import Failure

ROOT = Path(__file__).resolve().parent.parent


def target():
    """Where cargo builds."""
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def build(frame_pointers=False):
    """The release build of this tree. With frame pointers it has a directory of its own."""
    environment, target = dict(os.environ), ROOT / "target"
    if frame_pointers:
        target = ROOT / "target/frame-pointers"
        environment |= {
            "RUSTFLAGS": f"{environment.get('RUSTFLAGS', '')} -C force-frame-pointers=yes".strip(),
            "CFLAGS": f"{environment.get('CFLAGS', '')} -fno-omit-frame-pointer".strip(),
            "CARGO_TARGET_DIR": str(target),
        }
    words = ["cargo", "build", "--release", "--locked", "-p", "syncline"]
    if subprocess.run(words, cwd=ROOT, env=environment).returncode != 0:
        raise Failure("the program does not build: see what cargo says above")
    target = Path(environment.get("CARGO_TARGET_DIR", target))
    return str(target / "release/syncline")


def configuration(systems, entities=("contacts",), cursors=False, live=True):
    """The file for two systems, each a (server, database). The first wins every conflict."""
    lines = ["version: 1", "systems:"]
    for name, (server, database) in systems.items():
        lines.append(f'  {name}: {{url: "{server.url(database)}"}}')
    if live:
        # A mass change is what this measures; nobody is to be asked about it.
        lines.append("defaults: {guards: {updates: {max_percent: 100}, deletes: {max_percent: 100}}}")
    lines.append("entities:")
    for entity in entities:
        lines += [f"  {entity}:", "    in:"]
        for name, (server, _) in systems.items():
            cursor = f", changed_at: {data.CURSORS[server.product]}" if cursors else ""
            lines.append(f"      {name}: {{table: {entity}{cursor}}}")
        lines += ["    match: email", "    fields:"]
        for at, field in enumerate(data.FIELDS):
            cells = [f"type: {data.TYPES[field]}"] if field in data.TYPES else []
            cells += [f"{name}: {data.COLUMNS[server.product][at]}" for name, (server, _) in systems.items()]
            lines.append(f"      {field}: {{{', '.join(cells)}}}")
    return "\n".join(lines) + "\n"


class Place:
    """A directory with a configuration and, once it ran, a hub."""

    def __init__(self, program, path, text):
        self.program, self.path = program, path
        path.mkdir()
        (path / "syncline.yaml").write_text(text)

    def run(self, wrap=()):
        """One pass. Returns what it did, seconds, CPU seconds and peak memory. `wrap`: what it runs under."""
        words = [*wrap, self.program, "--json", "--yes", "run"]
        began = time.monotonic()
        with open(self.path / "answer.json", "wb") as answer, open(self.path / "messages", "wb") as messages:
            child = subprocess.Popen(words, cwd=self.path, stdout=answer, stderr=messages)
            _, status, used = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - began
        if child.returncode != 0:
            raise Failure(f"`syncline run` ended with {child.returncode}: {self.said('answer.json')}"
                          f"{self.said('messages')}")
        result = json.loads((self.path / "answer.json").read_text())["result"]
        return {
            "wall": wall, "cpu": used.ru_utime + used.ru_stime, "memory": used.ru_maxrss / 1024,
            "checked": sum(entity["checked"] for entity in result),
            "written": sum(counts[kind] for entity in result for counts in entity["written"].values()
                           for kind in ("creates", "updates", "deletes")),
            "hub": sum(path.stat().st_size for path in self.path.rglob("*.db*")) / 2**20,
        }

    def verify(self):
        """Syncline's own comparison of everything must find nothing."""
        done = subprocess.run([self.program, "verify"], cwd=self.path, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace")
        if done.returncode != 0:
            raise Failure(f"`syncline verify` ended with {done.returncode}: {done.stdout.strip()[-2000:]}")

    def serve(self):
        return Daemon(self)

    def said(self, name):
        path = self.path / name
        return path.read_text(errors="replace")[-2000:].strip() if path.exists() else ""


class Daemon:
    """`syncline serve`, until it is stopped."""

    def __init__(self, place):
        self.place = place
        with open(place.path / "serve.log", "w") as log:
            self.process = subprocess.Popen([place.program, "serve"], cwd=place.path, stdout=log, stderr=log)
        self.last_cpu = 0.0

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def check(self):
        if self.process.poll() is not None:
            raise Failure(f"`syncline serve` ended with {self.process.returncode}: {self.place.said('serve.log')}")

    def listens(self, systems=2, patience=300):
        """Waits until it listens to so many systems, and has compared what came before that."""
        deadline = time.monotonic() + patience
        log = self.place.path / "serve.log"
        while log.read_text().count('"hear.begins"') < systems or self.is_comparing():
            self.check()
            if time.monotonic() > deadline:
                raise Failure(f"`syncline serve` does not listen after {patience} s: {self.place.said('serve.log')}")
            time.sleep(0.05)

    def is_comparing(self):
        """Whether something that came before it listened is still to be compared, as a daemon does once."""
        hub = next(self.place.path.rglob("*.db"))
        with contextlib.closing(sqlite3.connect(f"file:{hub}?mode=ro", uri=True)) as opened:
            due = "select exists (select 1 from note where name like 'complete:%' and value = '')"
            return opened.execute(due).fetchone()[0]

    def cpu(self):
        # Once it has ended, `check` says why.
        with contextlib.suppress(OSError):
            self.last_cpu = measure.stat_cpu(f"/proc/{self.process.pid}/stat")
        return self.last_cpu

    def memory(self):
        return measure.status(self.process.pid, "VmRSS")[0]

    def peak(self):
        return measure.status(self.process.pid, "VmHWM")[0]

    def stop(self, patience=120):
        """Asks it to stop, as a service manager does."""
        self.check()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired as slow:
            self.process.kill()
            self.process.wait()
            raise Failure(f"`syncline serve` does not stop within {patience} s: {self.place.said('serve.log')}") from slow
        if self.process.returncode != 128 + signal.SIGTERM:
            raise Failure(f"`syncline serve` ended with {self.process.returncode}: {self.place.said('serve.log')}")
