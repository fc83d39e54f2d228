"""A large CSV file as a source and as a target: how fast, and how much memory it takes."""

import contextlib
import sqlite3

from result import Bar, Row
from servers import Failure

FILE = """version: 1
systems:
  crm: {{url: "sqlite:crm.db"}}
  folder:
    url: "file:folder/"
    {way}: {{format: csv, name: "{{file}}.csv"{settle}}}
entities:
  contacts:
    in: {{crm: contacts, folder: {{file: contacts}}}}
    match: email
    fields:
      email: {{crm: email, folder: Mail}}
      name: {{crm: name, folder: Name}}
      city: {{crm: city, folder: City}}
      note: {{crm: note, folder: Note}}
"""
TABLE = "create table contacts(id integer primary key, email text unique, name text, city text, note text);"
# Quotes, separators and letters beyond ASCII, as files have them.
NOTE = "said \u201cno\u201d, then \u00fcber; twice"


def row(number):
    return f"c{number}@example.com", f"Name, {number} \u00d6zil", "Sevilla", f"{number} {NOTE}"


def line(cells):
    return ",".join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\n"


def contacts(size):
    """So many contacts make a file of so many bytes."""
    return max(1_000, size // len(line(row(1_000_000)).encode()))


def start(world, way):
    place = world.place(FILE.format(way=way, settle=", settle: 100ms" if way == "read" else ""))
    (place.path / "folder").mkdir()
    return place, sqlite3.connect(place.path / "crm.db")


def bars(work, size, count, ran, note):
    if ran["written"] != count:
        raise Failure(f"{work}: {ran['written']:,} rows were written, not {count:,}")
    return [
        Row(f"{work}, {size / 2**20:.0f} MB, {count:,} rows: rows a second", "-", count / ran["wall"],
            Bar(5_000, 20_000, ""), f"{ran['wall']:.1f} s, {ran['cpu']:.1f} s of CPU"),
        Row(f"{work}, {size / 2**20:.0f} MB: resident memory at most", "-", ran["memory"],
            Bar(300, 150, "MB", at_most=True), note),
    ]


def read(world):
    """A file into an empty table, and once more without a change."""
    place, crm = start(world, "read")
    with contextlib.closing(crm):
        crm.executescript(TABLE)
        count = contacts(world.options.csv * 2**20)
        path = place.path / "folder/contacts.csv"
        with open(path, "w", encoding="utf-8", newline="") as out:
            out.write("Mail,Name,City,Note\n")
            out.writelines(line(row(each)) for each in range(count))
        first, again = place.run(), place.run()
    note = f"again, with nothing new: {again['wall']:.1f} s, {again['memory']:.0f} MB"
    return bars("CSV -> SQLite", path.stat().st_size, count, first, note), []


def write(world):
    """A table into a new file, then one row of it. Each batch replaces the file: a quarter of the size will do."""
    place, crm = start(world, "write")
    with contextlib.closing(crm):
        count = contacts(world.options.csv * 2**18)
        crm.executescript(TABLE)
        with crm:
            crm.executemany("insert into contacts(email, name, city, note) values (?, ?, ?, ?)",
                            (row(each) for each in range(count)))
        first = place.run()
        with crm:
            crm.execute("update contacts set city = 'Lugo' where id = 1")
        again = place.run()
        size = (place.path / "folder/contacts.csv").stat().st_size
    note = f"then one row of it: {again['wall']:.1f} s, {again['memory']:.0f} MB"
    return bars("SQLite -> CSV", size, count, first, note), []
