"""What processes cost: CPU seconds and memory, from /proc.

A server's memory is what its processes have for themselves, and what they share counted once; Syncline's
is its resident memory.
"""

import os
import threading
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def stat_cpu(path, with_children=False):
    """CPU seconds in a `stat` file; with those of children that ended, if asked."""
    words = Path(path).read_text().rsplit(")", 1)[1].split()
    return sum(map(int, words[11:15] if with_children else words[11:13])) / TICKS


def tree(pid):
    """A process and all that descend from it."""
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        found.append(each)
        try:
            waiting += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
        except OSError:
            pass
    return found


def tree_cpu(pid):
    total = 0.0
    for each in tree(pid):
        try:
            total += stat_cpu(f"/proc/{each}/stat", with_children=True)
        except OSError:
            pass
    return total


def status(pid, *names):
    """Sizes in `status`, in MB."""
    sizes = {}
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in names:
            sizes[name] = int(rest.split()[0]) / 1024
    return [sizes.get(name, 0.0) for name in names]


def tree_memory(pid):
    own, shared = 0.0, 0.0
    for each in tree(pid):
        try:
            anonymous, common = status(each, "RssAnon", "RssShmem")
        except OSError:
            continue
        own, shared = own + anonymous, max(shared, common)
    return own + shared


class Meter:
    """Between entering and leaving: CPU seconds and peak memory of each named process or server.

    `what` gives for each name an object with `cpu()` and `memory()`.
    """

    def __init__(self, what):
        self.what, self.cpu, self.memory = what, {}, dict.fromkeys(what, 0.0)
        self.before, self.began, self.wall = {}, 0.0, 0.0
        self.ended = threading.Event()
        self.sampler = threading.Thread(target=self.sample, daemon=True)

    def __enter__(self):
        self.before = {name: each.cpu() for name, each in self.what.items()}
        self.began = time.monotonic()
        self.sampler.start()
        return self

    def sample(self):
        while True:
            self.look()
            if self.ended.wait(0.25):
                return

    def look(self):
        for name, each in self.what.items():
            try:
                self.memory[name] = max(self.memory[name], each.memory())
            except OSError:
                pass

    def stop(self):
        """What follows is not counted any more. May be said again: the last time counts."""
        self.wall = time.monotonic() - self.began
        self.cpu = {name: each.cpu() - self.before[name] for name, each in self.what.items()}

    def __exit__(self, *_):
        if not self.cpu:
            self.stop()
        self.ended.set()
        self.sampler.join()
