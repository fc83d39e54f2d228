//! What people install: `scripts/package` makes it from the program as it was built for the tests, and it
//! is installed under a root of its own, used, and purged. The container's file is read as a judge would.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{
    api::Server,
    world::{World, finished},
};

/// Whether the program of the tests is.
const IS_STATIC: bool = cfg!(target_env = "musl");

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn is_there(tool: &str) -> bool {
    let is_there = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().unwrap();
    if !is_there.status.success() {
        eprintln!("`{tool}` is not there: what needs it is NOT CHECKED");
    }
    is_there.status.success()
}

/// Runs a tool, which must end well; what it said.
#[track_caller]
fn tool(name: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(name);
    // The quickest packing: how small it is does not matter here.
    command.args(arguments).env("DPKG_DEB_COMPRESSOR_TYPE", "gzip").env("LC_ALL", "C.UTF-8");
    command.env("DPKG_DEB_COMPRESSOR_LEVEL", "1").env("MANWIDTH", "80");
    finished(&mut command).ends(0, &[]).said()
}

/// What `scripts/package` makes of the program of the tests.
fn packaged() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let out = home.path().join("out");
    let script = format!("{ROOT}/scripts/package");
    let program = home.path().join("syncline");
    fs::copy(env!("CARGO_BIN_EXE_syncline"), &program).unwrap();
    if is_there("strip") {
        tool("strip", &[text(&program)]);
    }
    let said = tool(&script, &["--out", text(&out), "--binary", text(&program)]);
    let kind = if IS_STATIC { "is static: it runs on every Linux" } else { "is NOT static" };
    assert!(said.contains(kind), "{said}");
    let package = said.lines().find(|line| line.contains("/syncline_")).unwrap().to_owned();
    (home, package.into())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A root without a system: users and a list of packages.
fn bare_root(folder: &Path) -> PathBuf {
    let root = folder.join("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    fs::create_dir_all(root.join("var/lib/dpkg/info")).unwrap();
    fs::create_dir_all(root.join("var/lib/dpkg/updates")).unwrap();
    for (file, text) in [
        ("var/lib/dpkg/status", ""),
        ("var/lib/dpkg/available", ""),
        ("etc/passwd", "root:x:0:0:root:/:/bin/sh\n"),
        ("etc/group", "root:x:0:\n"),
        ("etc/shadow", ""),
    ] {
        fs::write(root.join(file), text).unwrap();
    }
    root
}

#[test]
fn a_package_is_installed_used_and_purged_without_a_trace() {
    if !is_there("dpkg-deb") {
        return;
    }
    let (home, package) = packaged();
    let facts = tool("dpkg-deb", &["-I", text(&package)]);
    let version = format!("Version: {}-1", env!("CARGO_PKG_VERSION"));
    let depends = if IS_STATIC { "Depends: passwd" } else { "Depends: libc6 (>= " };
    for fact in ["Package: syncline", &version, depends, "ca-certificates"] {
        assert!(facts.contains(fact), "no {fact:?} in\n{facts}");
    }
    let files = tool("dpkg-deb", &["-c", text(&package)]);
    for file in [
        "-rwxr-xr-x root/root ./usr/bin/syncline",
        "-rw-r--r-- root/root ./lib/systemd/system/syncline.service",
        "-rw-r--r-- root/root ./etc/syncline/syncline.yaml",
        "-rw-r--r-- root/root ./usr/share/man/man1/syncline.1.gz",
        "-rw-r--r-- root/root ./usr/share/man/man1/syncline-config-show.1.gz",
        "-rw-r--r-- root/root ./usr/share/bash-completion/completions/syncline",
        "-rw-r--r-- root/root ./usr/share/zsh/vendor-completions/_syncline",
        "-rw-r--r-- root/root ./usr/share/fish/vendor_completions.d/syncline.fish",
        "-rw-r--r-- root/root ./usr/share/doc/syncline/copyright",
        "-rw-r--r-- root/root ./usr/share/doc/syncline/changelog.gz",
        "-rw-r--r-- root/root ./usr/share/doc/syncline/changelog.Debian.gz",
    ] {
        let words: Vec<&str> = file.split(' ').collect();
        let is_in = files.lines().any(|line| {
            let line: Vec<&str> = line.split_whitespace().collect();
            [line[0], line[1], line[5]] == words[..]
        });
        assert!(is_in, "no {file:?} in\n{files}");
    }
    // Whoever is not root looks into it instead.
    let root = bare_root(home.path());
    let is_root = fs::metadata(&root).unwrap().uid() == 0 && is_there("useradd");
    if !is_root {
        tool("dpkg-deb", &["-x", text(&package), text(&root)]);
        works(&root);
        return;
    }
    // The scripts of the package run here, and know by `DPKG_ROOT` whose users they change.
    let dpkg = |arguments: &[&str]| {
        let under = format!("--root={}", root.display());
        let mut all = vec![under.as_str(), "--force-depends", "--force-script-chrootless"];
        all.extend(arguments);
        tool("dpkg", &all)
    };
    dpkg(&["--install", text(&package)]);
    works(&root);
    let users = fs::read_to_string(root.join("etc/passwd")).unwrap();
    assert!(users.contains(":/var/lib/syncline:/usr/sbin/nologin"), "{users}");
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("var/lib/syncline"), mode("etc/syncline")), (0o700, 0o750));
    assert_ne!(fs::metadata(root.join("var/lib/syncline")).unwrap().uid(), 0);
    assert!(!root.join("etc/systemd").exists(), "nobody asked to have it enabled");
    // A second time, over what has become of the first: a file that was edited stays as it is.
    fs::write(root.join("etc/syncline/syncline.yaml"), "version: 1 # mine\n").unwrap();
    fs::write(root.join("var/lib/syncline/syncline.hub.db"), "what it remembers").unwrap();
    fs::write(root.join("etc/syncline/crm_password"), "theirs").unwrap();
    dpkg(&["--force-confold", "--install", text(&package)]);
    let mine = fs::read_to_string(root.join("etc/syncline/syncline.yaml")).unwrap();
    assert_eq!(mine, "version: 1 # mine\n");
    dpkg(&["--remove", "syncline"]);
    assert!(root.join("var/lib/syncline/syncline.hub.db").exists());
    assert!(root.join("etc/syncline/syncline.yaml").exists());
    let said = dpkg(&["--purge", "syncline"]);
    assert!(said.contains("/etc/syncline is kept"), "{said}");
    assert!(root.join("etc/syncline/crm_password").exists());
    assert_eq!(mode("etc/syncline"), 0o700);
    for gone in ["etc/syncline/syncline.yaml", "var/lib/syncline", "usr", "lib"] {
        assert!(!root.join(gone).exists(), "{gone} is left");
    }
    let users = fs::read_to_string(root.join("etc/passwd")).unwrap();
    assert_eq!(users, "root:x:0:0:root:/:/bin/sh\n");
}

/// What is installed there runs and can be read.
fn works(root: &Path) {
    let program = root.join("usr/bin/syncline");
    let version = concat!("syncline ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(tool(text(&program), &["version"]), version);
    let example = root.join("etc/syncline/syncline.yaml");
    tool(text(&program), &["-c", text(&example), "check"]);
    let completions = root.join("usr/share/bash-completion/completions/syncline");
    tool("bash", &["-n", text(&completions)]);
    if is_there("man") {
        let pages: Vec<PathBuf> = fs::read_dir(root.join("usr/share/man/man1"))
            .unwrap()
            .map(|page| page.unwrap().path())
            .collect();
        assert!(pages.len() > 40, "a page for each command");
        let mut said = String::new();
        for page in &pages {
            let page = Command::new("man")
                .args(["--warnings", "-E", "UTF-8", "-l", text(page)])
                .env("LC_ALL", "C.UTF-8")
                .env("MANWIDTH", "80")
                .output()
                .unwrap();
            assert!(page.status.success());
            said += &String::from_utf8(page.stderr).unwrap();
        }
        assert_eq!(said, "");
        let page = root.join("usr/share/man/man1/syncline-completions.1.gz");
        let page = tool("man", &["-E", "ascii", "-l", text(&page)]);
        assert!(page.contains("A script that completes commands in your shell"), "{page}");
    }
    if is_there("systemd-analyze") {
        let unit = fs::read_to_string(root.join("lib/systemd/system/syncline.service")).unwrap();
        let file = root.join("syncline.service");
        fs::write(&file, unit.replace("/usr/bin/syncline", text(&program))).unwrap();
        assert_eq!(tool("systemd-analyze", &["verify", "--man=no", text(&file)]), "");
    }
}

#[test]
fn man_pages_that_cannot_be_written_are_said() {
    let world = World::empty();
    world.file("taken", "");
    let done = world.run(&["help", "--man", "taken/man"]);
    done.ends(2, &["usage.value", "the man pages cannot be written to taken/man"]);
    let written = world.run(&["--json", "help", "--man", "man"]).ends(0, &[]).json();
    let pages = written["result"]["pages"].as_array().unwrap();
    assert_eq!(fs::read_dir(world.path("man")).unwrap().count(), pages.len());
}

/// The instructions of the container's file: lines that go on are one, remarks are none.
fn instructions() -> Vec<(String, String)> {
    let file = fs::read_to_string(format!("{ROOT}/packaging/Dockerfile")).unwrap();
    let lines: Vec<&str> = file.lines().filter(|line| !line.starts_with('#')).collect();
    lines
        .join("\n")
        .replace("\\\n", " ")
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(word, rest)| (word.to_owned(), rest.trim().to_owned()))
        .collect()
}

#[test]
fn the_container_is_pinned_holds_no_secret_and_runs_as_nobody() {
    let all = instructions();
    let of = |word: &str| -> Vec<&str> {
        all.iter().filter(|(it, _)| it == word).map(|(_, rest)| rest.as_str()).collect()
    };
    for base in of("FROM") {
        let (_, tag) = base.split_whitespace().next().unwrap().split_once(':').expect("a tag");
        assert!(tag.contains('.') && tag.starts_with(|it: char| it.is_ascii_digit()), "{base}");
    }
    let last = all.iter().rposition(|(word, _)| word == "FROM").unwrap();
    let run: Vec<&str> = all[last..].iter().map(|(word, _)| word.as_str()).collect();
    assert!(!run.contains(&"RUN"), "what is built is built in the stage before");
    let user = of("USER").pop().expect("a user");
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user}");
    assert!(of("ADD").is_empty() && of("ARG").is_empty());
    for (word, rest) in &all {
        let rest = rest.to_lowercase();
        let secret = ["password", "secret", "token", "credential", "private"];
        assert!(!secret.iter().any(|it| rest.contains(it)), "{word} {rest}");
    }
    // What is copied exists, is named, and is let through to the builder.
    let ignored = fs::read_to_string(format!("{ROOT}/.dockerignore")).unwrap();
    assert!(ignored.lines().any(|line| line == "*"), "all that is not named stays out");
    for copied in of("COPY").into_iter().filter(|it| !it.starts_with("--from")) {
        let mut paths: Vec<&str> = copied.split_whitespace().collect();
        paths.pop();
        for path in paths {
            assert!(Path::new(ROOT).join(path).exists(), "{path}");
            assert!(ignored.lines().any(|line| line == format!("!{path}")), "{path}");
        }
    }
    for start in ["ENTRYPOINT", "CMD"] {
        let words: Vec<String> = serde_json::from_str(of(start)[0]).expect("a list of words");
        assert!(!words.is_empty(), "{start}");
    }
    // Where the health check asks, the daemon listens.
    let port = of("ENV")[0].strip_prefix("SYNCLINE_HEALTH_PORT=").unwrap();
    assert!(of("CMD")[0].contains(&format!("\"--listen\", \"127.0.0.1:{port}\"")));
}

#[test]
fn the_health_check_of_the_container_tells_life_from_death() {
    let all = instructions();
    let (_, check) = all.iter().find(|(word, _)| word == "HEALTHCHECK").expect("a health check");
    let (_, words) = check.split_once("CMD ").unwrap();
    let words: Vec<String> = serde_json::from_str(words).unwrap();
    assert!(words.join(" ").contains("/livez"), "{words:?}");
    let world = World::in_step(1);
    let server = Server::start(&world);
    let port = server.address.rsplit_once(':').unwrap().1.to_owned();
    let ends = || {
        let mut command = Command::new(&words[0]);
        finished(command.args(&words[1..]).env("SYNCLINE_HEALTH_PORT", &port)).code
    };
    assert_eq!(ends(), 0);
    drop(server);
    assert_eq!(ends(), 1);
}
