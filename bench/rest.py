"""A REST system: the shop of examples/shop with many customers, and a CRM in an SQLite file.

The shop serves whatever comes (no rate limit), so that what is measured is ours: how long it takes, how large the
program grows, and where a run that was killed goes on.
"""

import contextlib
import json
import signal
import sqlite3
import subprocess
import time
import urllib.request

import program
import servers
from result import Bar, Row

PAGE = 50
CRM = "create table contacts(id integer primary key, email text not null unique, first_name text, last_name text)"
BULK = """
        bulk:
          create: {post: customers/batch, items: $.items, results: $.results, size: 50, status: $.status, item: $.item}
          update: {post: customers/batch, items: $.items, results: $.results, size: 50, status: $.status, by: key}"""
TEXT = """version: 1
systems:
  crm: {{url: "sqlite:crm.db"}}
  shop:
    url: http://{address}/api/
    auth: {{bearer: file:token}}
    concurrency: 8
    resources:
      customers:
        path: customers
        items: $.customers
        key: id
        cursor: updated_at
        since: updated_at_min={{cursor}}
        next: link_header
        size: {{limit: {page}}}
        absent: null
        create: {{find: "email={{email}}"}}{more}
entities:
  contacts:
    in: {{crm: contacts, shop: customers}}
    match: email
    fields:
      email: {{crm: email, shop: email}}
      first_name: {{crm: first_name, shop: first_name}}
      last_name: {{crm: last_name, shop: last_name}}
"""


class Shop:
    """The shop, until the case ends."""

    def __init__(self, world, place):
        self.place = place
        with open(place.path / "shop.log", "w") as log:
            words = [world.options.shop, "shop.db", "127.0.0.1:0", "bench", str(2**31)]
            self.process = subprocess.Popen(words, cwd=place.path, stdout=log, stderr=log)
        self.address = self.wait()

    def wait(self, patience=30):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and self.process.poll() is None:
            said = self.place.said("shop.log")
            if "http://" in said:
                return said.split("http://")[1].split("/")[0]
            time.sleep(0.02)
        raise servers.Failure(f"the shop does not open: {self.place.said('shop.log')}")

    def asked(self):
        with urllib.request.urlopen(f"http://{self.address}/asked", timeout=60) as answer:
            return json.load(answer)

    def close(self):
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def town(world, in_shop=0, in_crm=0, more=""):
    """A shop and a CRM with so many customers each."""
    place = world.place("")
    shop = Shop(world, place)
    try:
        (place.path / "token").write_text("bench\n")
        (place.path / "syncline.yaml").write_text(TEXT.format(address=shop.address, page=PAGE, more=more))
        with contextlib.closing(sqlite3.connect(place.path / "crm.db")) as crm:
            crm.execute("pragma journal_mode = wal")
            crm.execute(CRM)
            rows = ((f"person{each}@example.com", f"First {each}", f"Last {each}") for each in range(in_crm))
            crm.executemany("insert into contacts(email, first_name, last_name) values (?, ?, ?)", rows)
            crm.commit()
        with contextlib.closing(sqlite3.connect(place.path / "shop.db", timeout=60)) as file:
            for each in range(in_shop):
                email = f"person{each}@example.com"
                document = json.dumps({"email": email, "first_name": f"First {each}", "last_name": f"Last {each}"})
                file.execute("insert into items(kind, unique_value, document, updated_at) values ('customers', ?, ?, "
                             "strftime('%Y-%m-%dT%H:%M:%fZ', 1700000000 + ?, 'unixepoch'))", (email, document, each))
            file.execute("delete from news")
            file.commit()
        yield place, shop
    finally:
        shop.close()


def count(place, system, table):
    with contextlib.closing(sqlite3.connect(place.path / f"{system}.db", timeout=60)) as file:
        return file.execute(f"select count(*) from {table}").fetchone()[0]


def rows_of(work, amount, done, note=""):
    speed = f"{amount / done['wall']:,.0f} records/s, {done['cpu']:.1f} s of CPU"
    return [Row(work, "-", done["wall"], None, f"{speed}{note}", unit="s"),
            Row(f"{work}: resident memory at most", "-", done["memory"], Bar(150, 100, "MB", at_most=True), "")]


def read(world):
    """All customers of the shop into an empty CRM; then a run with nothing new."""
    amount = world.options.rows
    with town(world, in_shop=amount) as (place, shop):
        done = place.run()
        if count(place, "crm", "contacts") != amount:
            raise servers.Failure("not all customers are in the CRM")
        lists = shop.asked()["lists"]
        again = place.run()
        rows = rows_of(f"{amount:,} customers of a REST system into SQLite", amount, done, f", {lists:,} pages")
        rows += rows_of("a run with nothing new", amount, again)
        return rows, []


def write(world, bulk):
    """All contacts of the CRM into an empty shop."""
    amount, more = world.options.rows, BULK if bulk else ""
    with town(world, in_crm=amount, more=more) as (place, _):
        done = place.run()
        if count(place, "shop", "items") != amount:
            raise servers.Failure("not all contacts are in the shop")
        how = "50 by one request" if bulk else "one by one"
        return rows_of(f"{amount:,} contacts into a REST system, {how}, each looked for first", amount, done), []


def resume(world):
    """A first run that is killed half-way through the list, and the next one."""
    amount = world.options.rows
    with town(world, in_shop=amount) as (place, shop):
        words = [place.program, "--json", "--yes", "run"]
        with open(place.path / "killed", "w") as log:
            run = subprocess.Popen(words, cwd=place.path, stdout=log, stderr=log)
            while shop.asked()["lists"] < amount // PAGE // 2:
                if run.poll() is not None:
                    raise servers.Failure(f"the run ended before it could be killed: {place.said('killed')}")
                time.sleep(0.005)
            run.send_signal(signal.SIGKILL)
            run.wait()
        before = shop.asked()["begun"]
        done = place.run()
        if count(place, "crm", "contacts") != amount:
            raise servers.Failure("not all customers are in the CRM")
        after = shop.asked()["begun"]
        # Who looks first whether the shop is there asks for its first page.
        places = [each for each in after[len(before):] if each > 0]
        behind = (before[-1] - places[0]) / PAGE
        title = f"killed at page {before[-1] // PAGE + 1:,} of {amount // PAGE:,}"
        rows = [Row(f"{title}: pages that the next run reads again", "-", behind,
                    Bar(100, 50, "pages", at_most=True), f"it goes on at page {places[0] // PAGE + 1:,}")]
        rows += rows_of(f"{title}: the next run", amount, done)
        return rows, []


def build():
    """The release build of the shop."""
    words = ["cargo", "build", "--release", "--locked", "-p", "syncline-shop"]
    if subprocess.run(words, cwd=program.ROOT).returncode != 0:
        raise servers.Failure("the shop does not build: see what cargo says above")
    return str(program.target() / "release/syncline-shop")
