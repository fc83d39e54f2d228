"""A system that calls: a shop of ours tells by signed webhooks what changes, and is asked by REST."""

import base64
import contextlib
import hashlib
import hmac
import http.client
import itertools
import json
import re
import sqlite3
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from result import Bar, Row
from servers import Failure
from streaming import percentile

KEY = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
SECRET = "whsec_" + base64.b64encode(KEY).decode()
RECORDS = 1_000
SENDERS = 4

FILE = """version: 1
systems:
  shop:
    url: {url}
    concurrency: 8
    detect: {{webhook: {{style: standard, secrets: [file:secret]}}, fallback: {{poll: 1h}}}}
    resources:
      customers: {{path: customers, items: $.customers, key: id, absent: "null"}}
  crm: {{url: "sqlite:crm.db"}}
defaults: {{guards: {{updates: {{max_percent: 100}}, deletes: {{max_percent: 100}}}}}}
entities:
  contacts:
    in: {{shop: customers, crm: contacts}}
    match: email
    from: shop
    fields:
      email: {{shop: email, crm: email}}
      name: {{shop: name, crm: name}}
server: {{listen: "127.0.0.1:0"}}
"""


class Shop:
    """Customers in memory, and how often and how long it was asked."""

    def __init__(self, count):
        self.customers = {each: self.customer(each, f"Name {each}") for each in range(1, count + 1)}
        self.items, self.lists, self.busy, self.lock = 0, 0, 0.0, threading.Lock()
        shop = self

        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                began = time.monotonic()
                number = self.path.rpartition("/")[2]
                if number.isdecimal():
                    found, shop.items = shop.customers.get(int(number)), shop.items + 1
                else:
                    found, shop.lists = {"customers": list(shop.customers.values())}, shop.lists + 1
                body = json.dumps(found).encode()
                self.send_response(200 if found else 404)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                with shop.lock:
                    shop.busy += time.monotonic() - began

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @staticmethod
    def customer(number, name):
        return {"id": number, "email": f"c{number}@example.com", "name": name}

    def rename(self, number, name):
        self.customers[number] = self.customer(number, name)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Caller:
    """Tells over one connection which customers changed."""

    numbers = itertools.count()

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(address)

    def tell(self, number):
        body = json.dumps({"type": "customers/updated", "data": {"id": number}}).encode()
        name, at = f"e-{next(self.numbers)}", str(int(time.time()))
        tag = hmac.new(KEY, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
        self.connection.request("POST", "/hooks/shop", body, {
            "webhook-id": name, "webhook-timestamp": at,
            "webhook-signature": "v1," + base64.b64encode(tag).decode()})
        answer = self.connection.getresponse()
        answer.read()
        if answer.status != 202:
            raise Failure(f"a webhook was answered with {answer.status}")


@contextlib.contextmanager
def called(world):
    """A daemon that the shop calls, with what it writes to. Gives the shop, a reader of the CRM, the address."""
    shop = Shop(RECORDS)
    try:
        place = world.place(FILE.format(url=shop.url))
        (place.path / "secret").write_text(SECRET)
        with contextlib.closing(sqlite3.connect(place.path / "crm.db")) as crm:
            crm.executescript("pragma journal_mode = wal;"
                              "create table contacts(id integer primary key, email text unique, name text);")
            place.run()
            asked = shop.lists
            with place.serve() as daemon:
                log = place.path / "serve.log"
                deadline = time.monotonic() + 60
                while shop.lists == asked or '"hear.begins"' not in log.read_text():
                    daemon.check()
                    if time.monotonic() > deadline:
                        raise Failure(f"it does not listen: {place.said('serve.log')}")
                    time.sleep(0.05)
                time.sleep(1)
                address = re.search(r'"address":"([^"]+)"', log.read_text()).group(1)
                yield shop, crm, address, daemon
                daemon.stop()
    finally:
        shop.stop()


def waits(world, crm, number, name, daemon):
    deadline = time.monotonic() + world.options.patience
    wanted = (f"c{number}@example.com", name)
    while not crm.execute("select 1 from contacts where email = ? and name = ?", wanted).fetchone():
        if time.monotonic() > deadline:
            raise Failure(f"what the shop told of {number} does not arrive")
        daemon.check()
        time.sleep(0.0005)


def latency(world):
    """One customer after the other is renamed and told of."""
    times = world.options.commits
    with called(world) as (shop, crm, address, daemon):
        caller, found = Caller(address), []
        for each in range(times + 20):
            number, name = each % RECORDS + 1, f"New {each}"
            shop.rename(number, name)
            busy, began = shop.busy, time.monotonic()
            caller.tell(number)
            waits(world, crm, number, name, daemon)
            found.append(1000 * (time.monotonic() - began - (shop.busy - busy)))
            # No customer is told of again while its last read is recent.
            time.sleep(0.01)
    # The first find connections and caches cold.
    ordered = sorted(found[20:])
    note = f"{times} webhooks, without the time in which the shop itself answers"
    return [Row(f"webhook of a shop -> SQLite, {name}", "-", percentile(ordered, share),
                Bar(1000, 50, "ms", at_most=True), note) for name, share in (("p50", 0.5), ("p99", 0.99))], []


def storm(world):
    """Many webhooks about few customers, from several connections, as fast as they are taken."""
    amount = world.options.hooks
    with called(world) as (shop, crm, address, daemon):
        failures = []

        def send(first):
            try:
                caller = Caller(address)
                for each in range(first, amount, SENDERS):
                    caller.tell(each % RECORDS + 1)
            except (OSError, Failure) as failure:
                failures.append(str(failure))

        before, cpu, began = shop.items, daemon.cpu(), time.monotonic()
        senders = [threading.Thread(target=send, args=(each,)) for each in range(SENDERS)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        took = time.monotonic() - began
        if failures:
            raise Failure(failures[0])
        # The last word on each is told at the very end, and must arrive.
        caller = Caller(address)
        for number in range(1, RECORDS + 1):
            shop.rename(number, "Last")
            caller.tell(number)
        for number in range(1, RECORDS + 1):
            waits(world, crm, number, "Last", daemon)
        used = daemon.cpu() - cpu
        reads, peak = shop.items - before, daemon.peak()
    work = f"storm of {amount:,} webhooks about {RECORDS:,} customers"
    return [
        Row(f"{work}: reads of the shop", "-", reads, Bar(10_000, 5_000, "", at_most=True),
            f"and the last word on each arrives; {used:.1f} s of CPU"),
        Row(f"{work}: taken a second, {SENDERS} connections", "-", amount / took, Bar(1_000, 2_000, ""),
            "signed and durable; the sender shares the machine, and is slower than what it measures"),
        Row(f"{work}: resident memory at most", "-", peak, Bar(200, 100, "MB", at_most=True), ""),
    ], []
