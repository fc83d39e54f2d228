"""What every case works with: servers that start when a case asks for them, databases with equal contacts,
and the replication that the databases offer themselves.
"""

import contextlib
import time

import data
import program
from measure import Meter
from result import PRODUCTS
from servers import Conversation, Failure, Server


class World:
    """The servers of one run: of each product one that is the source and one that is the target."""

    def __init__(self, options, home):
        self.options, self.home = options, home
        self.servers, self.count, self.remembered = {}, 0, {}
        self.pairs = []

    def server(self, product, number):
        if (product, number) not in self.servers:
            self.servers[product, number] = Server(product, number, self.home)
        return self.servers[product, number]

    def number(self):
        self.count += 1
        return self.count

    def place(self, text, binary=None):
        return program.Place(binary or self.options.program, self.home / f"place{self.number()}", text)

    def clear(self):
        """A case failed: what it left is not to weigh on those that follow."""
        for pair in list(self.pairs):
            with contextlib.suppress(Failure):
                pair.drop()
        self.pairs.clear()

    def stop(self):
        for server in self.servers.values():
            server.stop()


class Table:
    """A database with contacts, somebody who looks at them, and others who change them."""

    def __init__(self, server, name):
        self.server, self.product, self.name = server, server.product, name
        server.sql(f"create database {name};")
        server.sql(data.TABLES[self.product], name)
        self.watcher, self.others = None, []

    def fill(self, rows, began="2026-01-01"):
        self.server.sql(data.fill(self.product, rows, began), self.name)
        return self

    def procedures(self, *texts):
        for text in texts:
            self.server.sql(text, self.name)

    def look(self, text, patience=600):
        """What it costs to look is not counted."""
        if self.watcher is None:
            self.watcher = Conversation(self.server, self.name, watcher=True)
        return self.watcher.ask(text, patience)

    def checksum(self):
        return self.look(data.checksum(self.product))

    def has(self, email):
        return self.look(data.present(self.product, email)) == "1"

    def conversation(self, watcher=False):
        talk = Conversation(self.server, self.name, watcher)
        self.others.append(talk)
        return talk

    def drop(self):
        for talk in [self.watcher, *self.others]:
            if talk is not None:
                talk.close()
        force = " with (force)" if self.product == "postgres" else ""
        self.server.watchers.clear()
        if self.product == "postgres":
            # A slot of who listened to it would keep its log.
            self.server.sql(f"""select pg_terminate_backend(active_pid) from pg_replication_slots
                where database = '{self.name}' and active_pid is not null;""")
            deadline = time.monotonic() + 30
            while self.server.sql("select count(*) from pg_replication_slots where active "
                                  f"and database = '{self.name}';") != "0" and time.monotonic() < deadline:
                time.sleep(0.1)
            self.server.sql("select pg_drop_replication_slot(slot_name) from pg_replication_slots "
                            f"where database = '{self.name}' and not active;")
        self.server.sql(f"drop database {self.name}{force};")


def equal(world, left, right, emails=(), meter=None, alive=None):
    """Waits until both hold the same. `emails` are contacts that come last: the whole is compared only when
    each is where it has to be. Stops the meter at the moment of the comparison that found them equal.
    """
    deadline = time.monotonic() + world.options.patience
    for table, email in emails:
        while not table.has(email):
            check(world, deadline, left, right, alive)
            time.sleep(0.05)
    while True:
        if meter is not None:
            meter.stop()
        began = time.monotonic()
        if left.checksum() == right.checksum():
            return
        check(world, deadline, left, right, alive)
        time.sleep(max(0.1, time.monotonic() - began))


def check(world, deadline, left, right, alive):
    if alive is not None:
        alive.check()
    if time.monotonic() > deadline:
        log = f"; {alive.place.said('serve.log')}" if alive is not None else ""
        raise Failure(f"the contents still differ after {world.options.patience} s: "
                      f"{left.checksum()} and {right.checksum()}{log}")


class Subscription:
    """PostgreSQL's own logical replication of a table of contacts, from now on."""

    def __init__(self, source, target, table="contacts"):
        self.source, self.target, self.name = source, target, f"native_{source.name}"
        source.server.sql(f"create publication {self.name} for table {table};", source.name)
        source.server.sql(f"select pg_create_logical_replication_slot('{self.name}', 'pgoutput');", source.name)
        target.server.sql(f"""create subscription {self.name}
            connection 'host=127.0.0.1 port={source.server.port} user=postgres dbname={source.name}'
            publication {self.name} with (create_slot = false, slot_name = '{self.name}', copy_data = false,
            enabled = false);""", target.name)

    def start(self):
        self.target.server.sql(f"alter subscription {self.name} enable;", self.target.name)

    def end(self):
        self.target.server.sql(f"""alter subscription {self.name} disable;
            alter subscription {self.name} set (slot_name = none);
            drop subscription {self.name};""", self.target.name)
        for _ in range(100):
            active = self.source.server.sql(
                f"select active from pg_replication_slots where slot_name = '{self.name}';", self.source.name)
            if active != "t":
                break
            time.sleep(0.1)
        self.source.server.sql(f"select pg_drop_replication_slot('{self.name}');", self.source.name)


class Replica:
    """MariaDB's own replication of one database, from now on."""

    def __init__(self, source, target):
        self.target = target
        file, position = source.server.sql("show master status;").split("\t")[:2]
        target.server.sql(f"""set global replicate_do_db = '{source.name}';
            change master to master_host = '127.0.0.1', master_port = {source.server.port},
            master_user = 'root', master_password = '', master_log_file = '{file}',
            master_log_pos = {position}, master_use_gtid = no;""")

    def start(self):
        self.target.server.sql("start slave;")

    def end(self):
        self.target.server.sql("stop slave; reset slave all; set global replicate_do_db = '';")


NATIVE = {"postgres": Subscription, "mariadb": Replica}


class Pair:
    """A source and a target with equal contacts.

    Between them stands Syncline, or, as the reference, the replication that the databases offer themselves.
    """

    def __init__(self, world, source, target, rows, binary=None, procedures=(data.churn,), numbers=(0, 1)):
        self.world, number = world, world.number()
        here, there = world.server(source, numbers[0]), world.server(target, numbers[1])
        # One name for both: MariaDB's own replication keeps the name of the database.
        self.here, self.there = (Table(server, f"bench{number}").fill(rows) for server in (here, there))
        for table in (self.here, self.there):
            table.procedures(*(make(table.product, rows) for make in procedures))
        self.place, self.binary, self.own = None, binary, None
        world.pairs.append(self)

    def title(self):
        return f"{PRODUCTS[self.here.product]} -> {PRODUCTS[self.there.product]}"

    def link(self):
        """Syncline recognises the equal contacts, and begins to listen."""
        systems = {name: (table.server, table.name) for name, table in (("here", self.here), ("there", self.there))}
        self.place = self.world.place(program.configuration(systems), self.binary)
        linked = self.place.run()
        if linked["written"]:
            raise Failure(f"equal contacts were to be linked, but {linked['written']} rows were written")
        return self

    def listened(self):
        """The daemon has been there, so that what follows waits for it in the logs."""
        with self.place.serve() as daemon:
            daemon.listens()
            daemon.stop()
        return self

    def replicate(self):
        """The databases' own replication, from now on; it is not started yet."""
        self.own = {"postgres": Subscription, "mariadb": Replica}[self.here.product](self.here, self.there)
        return self

    def by(self):
        return f"{PRODUCTS[self.here.product]}'s own" if self.own else "Syncline"

    def meter(self, daemon=None):
        what = {"source": self.here.server, "target": self.there.server}
        return Meter(what | ({"syncline": daemon} if daemon else {}))

    def drop(self):
        if self.own:
            self.own.end()
        for table in (self.there, self.here):
            table.drop()
        self.world.pairs.remove(self)
