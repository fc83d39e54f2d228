"""What a case found: rows that are held to something, and costs."""

from dataclasses import dataclass, field

PRODUCTS = {"postgres": "PostgreSQL", "mariadb": "MariaDB"}


@dataclass
class Bar:
    """What must be reached, and the goal. With `at_most`, less is better."""

    must: float
    goal: float
    unit: str = "x"
    at_most: bool = False

    def verdict(self, value):
        def reaches(bound):
            return value <= bound if self.at_most else value >= bound
        return "goal" if reaches(self.goal) else "must" if reaches(self.must) else "below"


def show(value, unit):
    if value is None:
        return "-"
    digits = 2 if unit in ("x", "s", "%") else 1 if unit == "ms" else 0
    return f"{value:,.{digits}f}{'x' if unit == 'x' else f' {unit}' if unit else ''}"


@dataclass
class Row:
    """One line of the table. `ratio` to the bar is above 1 where the bar is passed."""

    work: str
    reference: str
    value: float
    bar: Bar | None
    note: str = ""
    unit: str = ""

    def verdict(self):
        return self.bar.verdict(self.value) if self.bar else "-"

    def cells(self):
        unit = self.bar.unit if self.bar else self.unit
        bound = "at most " if self.bar and self.bar.at_most else ""
        must = bound + show(self.bar.must, unit) if self.bar else "-"
        goal = bound + show(self.bar.goal, unit) if self.bar else "-"
        return [self.work, self.reference, show(self.value, unit), must, goal, self.verdict(), self.note]


@dataclass
class Cost:
    """What a piece of work cost: seconds, CPU seconds and peak memory of each process."""

    work: str
    by: str
    changes: int
    wall: float
    cpu: dict = field(default_factory=dict)
    memory: dict = field(default_factory=dict)

    def each(self):
        """CPU microseconds of everything together for a change."""
        return 1e6 * sum(self.cpu.values()) / max(1, self.changes)

    def cells(self):
        def of(what, name, digits):
            return f"{what[name]:,.{digits}f}" if name in what else "-"
        names = ("syncline", "source", "target")
        return [self.work, self.by, f"{self.changes:,}", f"{self.wall:.2f}",
                *(of(self.cpu, name, 2) for name in names), f"{self.each():,.0f}",
                *(of(self.memory, name, 0) for name in names)]


def cost_of(work, by, changes, meter):
    return Cost(work, by, changes, meter.wall, dict(meter.cpu), dict(meter.memory))
