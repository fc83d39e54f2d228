"""docs/performance.md: what a run found. What people wrote below the last line of ours stays as it is."""

import os
import platform
import subprocess
from datetime import datetime, timezone

from servers import program

HANDWRITTEN = "<!-- Below this line people write; the program keeps it. -->"
HEAD = """# Performance

How fast Syncline is, and at what cost, beside what the databases themselves offer, in one run. `bench/run --write`
(or `just performance`) made this page, but for its last part, which people write;
[bench/README.md](../bench/README.md) says how each case is measured. Only ratios of one run compare from machine to
machine.
"""


def machine():
    """Lines about where this runs."""
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lines = [f"{os.cpu_count()} x {model}, {memory:.0f} GB, Linux {platform.release()}",
             f"load before the run: {os.getloadavg()[0]:.1f}"]
    for name in ("postgres", "mariadbd"):
        said = subprocess.run([program(name), "--version"], capture_output=True, text=True).stdout.strip()
        lines.append(said.replace(program(name), name))
    return lines


def table(head, rows, right=()):
    lines = ["| " + " | ".join(head) + " |",
             "|" + "|".join("--:" if at in right else "---" for at in range(len(head))) + "|"]
    return "\n".join(lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows])


ROW_HEAD = ["work", "reference, this run", "reached", "must", "goal", "verdict", "note"]
COST_HEAD = ["work", "by", "changes", "s", "Syncline CPU s", "source CPU s", "target CPU s",
             "us a change", "Syncline MB", "source MB", "target MB"]


def page(options, lines, began, rows, costs, failures, profiles, version):
    text = [HEAD, f"Measured on {began:%d %B %Y} with {version}:\n", *(f"- {line}" for line in lines),
            f"- {options.rows:,} contacts of twelve fields, {options.changes:,} changes, "
            f"2 x {options.both:,} in two-way cases, {options.commits} commits for latency",
            "", "## Reached", "",
            "`goal` and `must` are reached or not; a ratio is the time of the reference by ours, more is better, "
            "unless it says *at most*.", "", table(ROW_HEAD, [row.cells() for row in rows], {2, 3, 4})]
    if failures:
        text += ["", "These cases came to no end:", ""]
        text += [f"- `{name}`: {' '.join(why.split())[:600]}" for name, why in failures]
    text += ["", "## Costs", "",
             "CPU seconds of each process, of everything together for a change, and peak memory: resident of "
             "Syncline; of a server what its processes have for themselves, and their shared memory once.", "",
             table(COST_HEAD, [cost.cells() for cost in costs], set(range(2, 11)))]
    text += ["", "## Where the time goes", ""]
    if not profiles:
        text.append("Not profiled in this run.")
    for title, cpu, changes, (samples, parts, functions) in profiles:
        text += [f"**{title}**: {cpu:.1f} s of CPU in Syncline, {1e6 * cpu / max(1, changes):,.0f} us each; "
                 f"{samples:,} samples.", "",
                 table(["part", "share", "us each"],
                       [[name, f"{100 * share:.0f} %", f"{1e6 * cpu * share / max(1, changes):,.1f}"]
                        for name, share in parts], {1, 2}),
                 "", "<details><summary>Functions, with all that they call</summary>", "", "```text",
                 *(f"{100 * share:5.1f} %  {name[:150]}" for name, share in functions), "```", "</details>", ""]
    text += ["", "The hub alone and the core alone are no cases: the program has no command that runs one without "
             "the other. The shares above, times the CPU of a change, are what each costs in its place.", ""]
    return "\n".join(text).replace("\n\n\n", "\n\n")


def write(path, text):
    """Keeps what people wrote."""
    kept = ""
    if path.exists():
        kept = path.read_text().partition(HANDWRITTEN)[2]
    path.write_text(f"{text}\n{HANDWRITTEN}\n{kept.lstrip(chr(10)) and chr(10) + kept.lstrip(chr(10))}")


def version_of(binary):
    return subprocess.run([binary, "version"], capture_output=True, text=True).stdout.strip().splitlines()[0]


def now():
    return datetime.now(timezone.utc)
