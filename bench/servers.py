"""Private servers of a run, conversations with them, and what they cost.

Knows PostgreSQL and MariaDB as programs to start and clients to speak with; knows no table and no case.
Servers listen on free loopback ports, keep their usual durability, and vanish with the run.
"""

import contextlib
import glob
import os
import pwd
import select
import socket
import subprocess
import time

import measure

USERS = {"postgres": "postgres", "mariadb": "mysql"}
SUPERUSERS = {"postgres": "postgres", "mariadb": "root"}
PROGRAMS = {
    "postgres": ("initdb", "postgres", "psql"),
    "mariadb": ("mariadb-install-db", "mariadbd", "mariadb"),
}


class Failure(Exception):
    """A case cannot go on; the text is a sentence for people."""


def program(name):
    """Finds a program of the servers' packages; Debian keeps some of them off the PATH."""
    places = os.environ["PATH"].split(":") + ["/usr/sbin"]
    places += sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    for place in places:
        if os.access(f"{place}/{name}", os.X_OK):
            return f"{place}/{name}"
    raise Failure(f"{name} is not installed: `scripts/test tools` installs it")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One server. Both products refuse to run as root, and then run as their packages' users."""

    def __init__(self, product, number, home):
        self.product, self.number, self.port = product, number, free_port()
        self.home = home / f"{product}{number}"
        self.data, self.log = self.home / "data", self.home / "log"
        self.data.mkdir(parents=True)
        self.user = USERS[product] if os.getuid() == 0 else None
        if self.user:
            account = pwd.getpwnam(self.user)
            for path in (self.home, self.data):
                os.chown(path, account.pw_uid, account.pw_gid)
        self.watchers = []
        self.words = getattr(self, f"prepare_{product}")()
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(self.words, stdout=log, stderr=log, cwd="/", **self.account())
        self.wait()

    def account(self):
        return {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}

    def prepare_postgres(self):
        self.prepare([program("initdb"), "-U", "postgres", "-A", "trust", "-E", "UTF8",
                      "--locale=C", "-D", str(self.data)])
        settings = ["shared_buffers=512MB", "max_wal_size=4GB", "unix_socket_directories=",
                    "wal_level=logical", "max_replication_slots=20", "max_wal_senders=20"]
        words = [program("postgres"), "-D", str(self.data), "-p", str(self.port), "-h", "127.0.0.1"]
        return words + [word for setting in settings for word in ("-c", setting)]

    def prepare_mariadb(self):
        self.prepare([program("mariadb-install-db"), "--no-defaults", f"--datadir={self.data}",
                      "--auth-root-authentication-method=normal", "--skip-test-db"])
        return [
            program("mariadbd"), "--no-defaults", f"--datadir={self.data}", f"--port={self.port}",
            f"--tmpdir={self.data}", "--bind-address=127.0.0.1", f"--socket={self.data}/socket",
            f"--pid-file={self.data}/pid", "--skip-name-resolve", f"--log-bin={self.data}/binlog",
            f"--relay-log={self.data}/relay", "--binlog-format=ROW", f"--server-id={self.number + 1}",
            "--innodb-buffer-pool-size=512M", "--innodb-log-file-size=512M", "--local-infile=1",
            "--character-set-server=utf8mb4",
        ]

    def prepare(self, words):
        done = subprocess.run(words, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", **self.account())
        if done.returncode != 0:
            raise Failure(f"{words[0]} ended with {done.returncode}:\n{done.stdout}")

    def wait(self):
        for _ in range(600):
            if self.process.poll() is not None:
                raise Failure(f"{self.product} does not start:\n{self.log.read_text(errors='replace')}")
            with contextlib.suppress(Failure):
                self.sql("select 1;")
                return
            time.sleep(0.1)
        raise Failure(f"{self.product} does not answer:\n{self.log.read_text(errors='replace')}")

    def client(self, database=None):
        if self.product == "postgres":
            return [program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                    "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", database or "postgres"]
        return [program("mariadb"), "--no-defaults", "-N", "-B", "-n", "--quick", "--local-infile=1",
                "--default-character-set=utf8mb4", "-h127.0.0.1", "-uroot", f"-P{self.port}",
                database or "mysql"]

    def sql(self, text, database=None):
        done = subprocess.run(self.client(database), input=text, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            raise Failure(f"{self.product} refuses: {done.stderr.strip()}")
        return done.stdout.strip()

    def url(self, database):
        return f"{self.product}://{SUPERUSERS[self.product]}@127.0.0.1:{self.port}/{database}"

    def cpu(self):
        """CPU seconds of the server until now, without those of who only looks whether all is there."""
        return measure.tree_cpu(self.process.pid) - sum(watcher.cpu() for watcher in self.watchers)

    def memory(self):
        return measure.tree_memory(self.process.pid)

    def stop(self):
        for watcher in list(self.watchers):
            watcher.close()
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Conversation:
    """A client that stays: one statement after the other, without a process for each.

    With `watcher`, what it costs the server is not counted.
    """

    END = "=== end of answer ==="

    def __init__(self, server, database, watcher=False):
        self.server, self.held = server, b""
        self.log = open(server.home / f"conversation{time.monotonic_ns()}", "w+")
        words = server.client(database)
        if server.product == "postgres":
            # psql speaks to a pipe in blocks, unless somebody tells its library otherwise.
            words = ["stdbuf", "-oL", *words]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        self.identity = None
        if server.product == "postgres":
            number = int(self.ask("select pg_backend_pid();"))
            self.identity = f"/proc/{number}/stat"
        else:
            number = int(self.ask("select tid from information_schema.processlist where id = connection_id();"))
            self.identity = f"/proc/{server.process.pid}/task/{number}/stat"
        # A thread of MariaDB may have served others before.
        self.before = self.last_cpu = measure.stat_cpu(self.identity)
        if watcher:
            server.watchers.append(self)

    def tell(self, text):
        end = f"\\echo {self.END}" if self.server.product == "postgres" else f"select '{self.END}';"
        try:
            self.process.stdin.write(f"{text}\n{end}\n".encode())
            self.process.stdin.flush()
        except OSError as error:
            raise self.broken() from error

    def hear(self, patience=600):
        """The answer to what was told last."""
        deadline = time.monotonic() + patience
        end = f"{self.END}\n".encode()
        while not self.held.endswith(end):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise Failure(f"{self.server.product} has not answered within {patience} s")
            read = os.read(self.process.stdout.fileno(), 65536)
            if not read:
                raise self.broken()
            self.held += read
        answer, self.held = self.held[: -len(end)], b""
        return answer.decode(errors="replace").strip()

    def ask(self, text, patience=600):
        self.tell(text)
        return self.hear(patience)

    def broken(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.log.seek(0)
        return Failure(f"{self.server.product} ended a conversation: {self.log.read().strip()}")

    def cpu(self):
        with contextlib.suppress(OSError):
            self.last_cpu = measure.stat_cpu(self.identity)
        return self.last_cpu - self.before

    def close(self):
        self.cpu()
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()
