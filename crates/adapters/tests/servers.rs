//! Private PostgreSQL and MariaDB servers for tests, on free loopback ports.
//!
//! A server that was already on this machine is never touched. [`postgres`] and [`mariadb`]
//! give servers that all test processes of this user share, because `cargo nextest` runs
//! each test in a process of its own and a start costs a second. Who uses one holds a shared
//! file lock as long as its process lives, however it ends; a small shell beside the server
//! (`servers/watch.sh`) stops it a few seconds after the last user has gone. Nothing else
//! has to be cleaned up. Tests are kept apart by databases: [`Server::database`] makes a
//! new one under a name that no other test has.
//!
//! [`private_postgres`] and [`private_mariadb`] give servers that belong to one test, which
//! may kill and restart them.
//!
//! Other test programs include this file by `#[path = "…"] mod servers;`. It needs nothing
//! but the standard library and the command-line clients that come with the servers.
//! Both servers refuse to run as root, so as root they run as their packages' users.

#![cfg(test)]
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{self, Command, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

/// The two products, as the distribution has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Postgres,
    MariaDb,
}

/// A running server. It lives until its users have gone.
#[derive(Debug)]
pub(crate) struct Server {
    /// What it is.
    pub(crate) product: Product,
    /// The port on 127.0.0.1.
    pub(crate) port: u16,
    /// The administrator's address: `postgres://postgres@127.0.0.1:PORT/postgres`,
    /// or `mariadb://root@127.0.0.1:PORT/mysql`. There is no password.
    pub(crate) url: String,
    /// The certificate that vouches for the server's own, which is for the name `localhost`.
    pub(crate) authority: PathBuf,
    dir: PathBuf,
    private: bool,
    /// Held shared as long as this process lives.
    _user: File,
}

/// The PostgreSQL that all tests share. Started when it is first needed.
pub(crate) fn postgres() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| shared(Product::Postgres))
}

/// The MariaDB that all tests share. Started when it is first needed.
pub(crate) fn mariadb() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| shared(Product::MariaDb))
}

/// A PostgreSQL of one's own, to be killed and restarted.
pub(crate) fn private_postgres() -> Server {
    private(Product::Postgres)
}

/// A MariaDB of one's own, to be killed and restarted.
pub(crate) fn private_mariadb() -> Server {
    private(Product::MariaDb)
}

impl Server {
    /// Creates an empty database and returns its address. The name in it starts with `name`
    /// (lowercase letters, digits, `_`) and is new, so that tests can run at the same time
    /// and again.
    pub(crate) fn database(&self, name: &str) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let unique = format!("{name}_{}_{count}", process::id());
        match self.product {
            Product::Postgres => self.execute("", &format!("create database {unique}")),
            Product::MariaDb => self.execute(
                "",
                &format!(
                    "drop database if exists {unique};\
                     create database {unique} character set utf8mb4"
                ),
            ),
        };
        let (start, _) = self.url.rsplit_once('/').unwrap();
        format!("{start}/{unique}")
    }

    /// Runs SQL with the command-line client and returns the rows: a line each, cells
    /// separated by tabs. `url` is an address from [`Self::database`], or empty for the
    /// administrator's database. Several statements are separated by `;`.
    ///
    /// Panics with the client's words if a statement fails.
    #[track_caller]
    pub(crate) fn execute(&self, url: &str, sql: &str) -> String {
        match self.try_execute(url, sql) {
            Ok(rows) => rows,
            Err(complaint) => panic!("{:?} refused: {complaint}\n{sql:.2000}", self.product),
        }
    }

    /// As [`Self::execute`], with the client's complaint as the error.
    pub(crate) fn try_execute(&self, url: &str, sql: &str) -> Result<String, String> {
        let url = if url.is_empty() { &self.url } else { url };
        let mut client = self.client(url);
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = client.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let sql = sql.to_owned();
        // On its own thread, so that neither side waits for a full pipe.
        let writer = thread::spawn(move || drop(input.write_all(sql.as_bytes())));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn client(&self, url: &str) -> Command {
        match self.product {
            Product::Postgres => {
                let mut client = Command::new(program("psql"));
                client.args(["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-d"]);
                client.arg(url);
                client
            }
            Product::MariaDb => {
                let (_, database) = url.rsplit_once('/').unwrap();
                let mut client = Command::new(program("mariadb"));
                client.args(["--no-defaults", "-N", "-B", "--default-character-set=utf8mb4"]);
                client.args(["-h127.0.0.1", "-uroot", &format!("-P{}", self.port), database]);
                client
            }
        }
    }

    /// Kills the server as a power failure would. Only for private ones.
    pub(crate) fn kill(&self) {
        assert!(self.private, "other tests use this server: take a private one");
        self.signal("KILL");
        while is_running(&self.dir) {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal to the server: `STOP` and `CONT` make it hang. Only for private ones.
    pub(crate) fn signal(&self, name: &str) {
        assert!(self.private, "other tests use this server: take a private one");
        let pid = fs::read_to_string(self.dir.join("pid")).unwrap();
        Command::new("kill").args(["-s", name, pid.trim()]).status().unwrap();
    }

    /// Starts it again after [`Self::kill`], on the same port and with the same data.
    pub(crate) fn restart(&self) {
        assert!(self.private, "other tests use this server: take a private one");
        assert!(launch(self.product, &self.dir, self.port, true), "{}", log(&self.dir));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.private {
            // The watching shell would do the same within seconds.
            if is_running(&self.dir) {
                self.signal("KILL");
            }
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn shared(product: Product) -> Server {
    let dir = home().join(match product {
        Product::Postgres => "postgres",
        Product::MariaDb => "mariadb",
    });
    open_directory(&dir);
    let user = user_lock(&dir);
    let starting = File::create(dir.join("start.lock")).unwrap();
    starting.lock().unwrap();
    let port = running_port(&dir).unwrap_or_else(|| {
        let port = start_new(product, &dir, false);
        fs::write(dir.join("running"), port.to_string()).unwrap();
        port
    });
    server(product, port, dir, false, user)
}

fn private(product: Product) -> Server {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = home().join(format!("private-{}-{count}", process::id()));
    forget_private_leftovers();
    open_directory(&dir);
    let user = user_lock(&dir);
    let port = start_new(product, &dir, true);
    server(product, port, dir, true, user)
}

fn server(product: Product, port: u16, dir: PathBuf, private: bool, user: File) -> Server {
    let url = match product {
        Product::Postgres => format!("postgres://postgres@127.0.0.1:{port}/postgres"),
        Product::MariaDb => format!("mariadb://root@127.0.0.1:{port}/mysql"),
    };
    let authority = home().join("certificates/authority.crt");
    Server { product, port, url, authority, dir, private, _user: user }
}

fn user_lock(dir: &Path) -> File {
    loop {
        // Who clears up may have removed the directory before we had the lock: a lock on a file
        // that is gone protects nothing.
        open_directory(dir);
        let Ok(lock) = File::create(dir.join("users.lock")) else { continue };
        lock.lock_shared().unwrap();
        let there = fs::metadata(dir.join("users.lock")).map(|found| found.ino());
        if there.is_ok_and(|there| there == lock.metadata().unwrap().ino()) {
            return lock;
        }
    }
}

fn running_port(dir: &Path) -> Option<u16> {
    let port = fs::read_to_string(dir.join("running")).ok()?.parse().ok()?;
    (is_running(dir) && TcpStream::connect(("127.0.0.1", port)).is_ok()).then_some(port)
}

/// Whether the process in `pid` is there and not waiting to be reaped.
fn is_running(dir: &Path) -> bool {
    let Ok(pid) = fs::read_to_string(dir.join("pid")) else { return false };
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    status.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

fn start_new(product: Product, dir: &Path, private: bool) -> u16 {
    let template = template(product);
    for _ in 0..5 {
        run(Command::new("rm").arg("-rf").arg(dir.join("data")));
        run(Command::new("cp").arg("-a").arg(&template).arg(dir.join("data")));
        // Another process may take the port between here and the start: then another try.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if launch(product, dir, port, private) {
            return port;
        }
    }
    panic!("{product:?} does not start:\n{}", log(dir));
}

/// Starts the server in `dir` and waits until it answers. False if it ended instead.
fn launch(product: Product, dir: &Path, port: u16, private: bool) -> bool {
    let _ = fs::remove_file(dir.join("pid"));
    let output = File::create(dir.join("log")).unwrap();
    let script = dir.join("watch.sh");
    fs::write(&script, include_str!("servers/watch.sh")).unwrap();
    let mut watch = Command::new("setsid");
    watch.arg("sh").arg(&script).arg(dir).arg(if private { "keep" } else { "forget" });
    watch.args(as_user_of(product)).args(["--pdeathsig", "KILL"]);
    watch.args(command(product, dir, port));
    // The watching shell outlives this process, so it must not hold our output open.
    watch.current_dir("/").stdin(Stdio::null());
    watch.stdout(output.try_clone().unwrap()).stderr(output);
    let mut watch = watch.spawn().unwrap();
    // `setsid` has become the shell, our child: wait for it somewhere, or it stays a zombie.
    thread::spawn(move || watch.wait());
    for _ in 0..6_000 {
        if dir.join("pid").exists() {
            if !is_running(dir) {
                return false;
            }
            if answers(product, port) {
                return true;
            }
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{product:?} does not answer after a minute:\n{}", log(dir));
}

/// Whether the server greets. PostgreSQL listens before it accepts, and then says so.
fn answers(product: Product, port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut first = [0; 5];
    if product == Product::Postgres {
        let mut hello = vec![0, 0, 0, 0, 0, 3, 0, 0];
        hello.extend_from_slice(b"user\0postgres\0database\0postgres\0\0");
        hello[3] = u8::try_from(hello.len()).unwrap();
        if stream.write_all(&hello).is_err() || stream.read_exact(&mut first).is_err() {
            return false;
        }
        return first[0] == b'R';
    }
    stream.read_exact(&mut first).is_ok() && first[4] == 10
}

/// Without waiting for the disk, but a commit reaches the kernel: it survives [`Server::kill`].
fn command(product: Product, dir: &Path, port: u16) -> Vec<String> {
    let data = dir.join("data").display().to_string();
    match product {
        Product::Postgres => {
            let mut words = vec![
                program("postgres"),
                "-D".into(),
                data,
                "-p".into(),
                port.to_string(),
                "-h".into(),
                "127.0.0.1".into(),
            ];
            for setting in [
                "unix_socket_directories=",
                "fsync=off",
                "full_page_writes=off",
                "shared_buffers=64MB",
                "max_connections=200",
                "max_prepared_transactions=10",
                "log_checkpoints=off",
                "wal_level=logical",
                "max_replication_slots=100",
                "max_wal_senders=100",
                "ssl=on",
                "ssl_cert_file=tls.crt",
                "ssl_key_file=tls.key",
            ] {
                words.extend(["-c".into(), setting.into()]);
            }
            words
        }
        Product::MariaDb => vec![
            program("mariadbd"),
            "--no-defaults".into(),
            format!("--datadir={data}"),
            // A server that starts removes what others have put into its folder for temporary tables.
            format!("--tmpdir={data}"),
            format!("--port={port}"),
            "--bind-address=127.0.0.1".into(),
            format!("--socket={data}/socket"),
            format!("--pid-file={data}/pid"),
            format!("--ssl-cert={data}/tls.crt"),
            format!("--ssl-key={data}/tls.key"),
            "--skip-name-resolve".into(),
            format!("--log-bin={data}/binlog"),
            "--binlog-format=ROW".into(),
            "--log-slave-updates".into(),
            "--server-id=1".into(),
            "--sync-binlog=0".into(),
            "--innodb-buffer-pool-size=64M".into(),
            "--innodb-log-file-size=32M".into(),
            "--innodb-flush-log-at-trx-commit=2".into(),
            "--innodb-use-native-aio=0".into(),
            "--innodb-doublewrite=0".into(),
            "--max-allowed-packet=64M".into(),
            "--max-connections=200".into(),
            "--local-infile=1".into(),
            "--character-set-server=utf8mb4".into(),
        ],
    }
}

/// An initialised, empty data directory, made once for each user of this machine.
fn template(product: Product) -> PathBuf {
    let home = home();
    let lock = File::create(home.join("template.lock")).unwrap();
    lock.lock().unwrap();
    let (path, making) = match product {
        Product::Postgres => (home.join("template-postgres"), home.join("making-postgres")),
        Product::MariaDb => (home.join("template-mariadb"), home.join("making-mariadb")),
    };
    if path.exists() {
        return path;
    }
    run(Command::new("rm").arg("-rf").arg(&making));
    fs::create_dir(&making).unwrap();
    if let Some(user) = package_user(product) {
        run(Command::new("chown").arg(format!("{user}:")).arg(&making));
    }
    let mut words = as_user_of(product);
    match product {
        Product::Postgres => words.extend(
            [&program("initdb"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]
                .into_iter()
                .chain(["--no-sync", "-D", making.to_str().unwrap()])
                .map(str::to_owned),
        ),
        Product::MariaDb => words.extend([
            program("mariadb-install-db"),
            "--no-defaults".into(),
            format!("--datadir={}", making.display()),
            "--auth-root-authentication-method=normal".into(),
            "--skip-test-db".into(),
            "--innodb-log-file-size=32M".into(),
        ]),
    }
    let (first, rest) = words.split_first().unwrap();
    run(Command::new(first).args(rest).current_dir("/"));
    for name in ["tls.crt", "tls.key"] {
        let (from, to) = (certificates().join(name), making.join(name));
        fs::copy(from, &to).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some(user) = package_user(product) {
            run(Command::new("chown").arg(format!("{user}:")).arg(&to));
        }
    }
    fs::rename(&making, &path).unwrap();
    path
}

/// A certificate for `localhost`, and the authority that vouches for it. Made once, under the lock of
/// the templates.
fn certificates() -> PathBuf {
    let path = home().join("certificates");
    if path.join("tls.crt").exists() {
        return path;
    }
    open_directory(&path);
    fs::write(path.join("names"), "subjectAltName=DNS:localhost").unwrap();
    let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for words in [
        format!(
            "req -x509 {new_key} -keyout authority.key -out new.crt -days 3650 -subj /CN=authority"
        ),
        format!("req {new_key} -keyout tls.key -out tls.csr -subj /CN=localhost"),
        "x509 -req -in tls.csr -CA new.crt -CAkey authority.key -CAcreateserial -extfile names \
         -days 3650 -out tls.crt"
            .to_owned(),
    ] {
        run(Command::new("openssl").args(words.split_whitespace()).current_dir(&path));
    }
    fs::rename(path.join("new.crt"), path.join("authority.crt")).unwrap();
    path
}

/// `setpriv` with what makes the current user one under whom the server agrees to run.
fn as_user_of(product: Product) -> Vec<String> {
    let mut words = vec!["setpriv".to_owned()];
    if let Some(user) = package_user(product) {
        words.extend([format!("--reuid={user}"), format!("--regid={user}")]);
        words.push("--init-groups".into());
    }
    words
}

fn package_user(product: Product) -> Option<&'static str> {
    (my_user_id() == 0).then_some(match product {
        Product::Postgres => "postgres",
        Product::MariaDb => "mysql",
    })
}

fn my_user_id() -> u32 {
    fs::metadata("/proc/self").unwrap().uid()
}

/// Where all this happens: in the system's directory for temporary files, because the
/// servers' users must be able to pass through its parents. Its name changes with the
/// settings, so that an old server is not taken for a new one.
fn home() -> PathBuf {
    let me = my_user_id();
    let version =
        fingerprint(include_str!("servers.rs")) ^ fingerprint(include_str!("servers/watch.sh"));
    let home = std::env::temp_dir().join(format!("syncline-test-{me}-{version:08x}"));
    open_directory(&home);
    assert_eq!(fs::metadata(&home).unwrap().uid(), me, "{} is not ours", home.display());
    home
}

/// FNV-1a: names a version of the text, nothing more.
fn fingerprint(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

fn open_directory(path: &Path) {
    fs::create_dir_all(path).unwrap();
    if fs::metadata(path).unwrap().uid() == my_user_id() {
        fs::set_permissions(path, fs::Permissions::from_mode(0o711)).unwrap();
    }
}

/// Removes what private servers left behind whose process was killed after they were.
fn forget_private_leftovers() {
    for entry in fs::read_dir(home()).unwrap().flatten() {
        let is_private = entry.file_name().to_string_lossy().starts_with("private-");
        let Ok(lock) = File::open(entry.path().join("users.lock")) else { continue };
        // Held until the directory is gone: whoever waits for it sees that, and makes a new one.
        if is_private && lock.try_lock().is_ok() {
            run(Command::new("rm").arg("-rf").arg(entry.path()));
        }
    }
}

/// Finds a program of the servers' packages; Debian keeps some of them off the `PATH`.
fn program(name: &str) -> String {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    places.push("/usr/sbin".into());
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        let mut versions: Vec<PathBuf> = versions.flatten().map(|entry| entry.path()).collect();
        versions.sort();
        places.extend(versions.iter().rev().map(|version| version.join("bin")));
    }
    let found = places.iter().map(|place| place.join(name)).find(|path| path.exists());
    found
        .unwrap_or_else(|| panic!("{name} is not installed: scripts/test installs it"))
        .display()
        .to_string()
}

#[track_caller]
fn run(command: &mut Command) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = [stdout, stderr].concat();
    assert!(status.success(), "{command:?}: {}", String::from_utf8_lossy(&said));
}

fn log(dir: &Path) -> String {
    fs::read_to_string(dir.join("log")).unwrap_or_default()
}
