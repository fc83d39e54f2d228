//! The API under a tester that makes up requests from its description: whatever is asked, it never breaks, and it
//! answers as it is described.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Command,
};

use crate::api::{Server, disputed};

/// The tester, at the version that is known to work.
const TESTER: &str = "schemathesis==4.32.5";

/// The tester, installed if it is not there; else why it cannot be.
fn tester() -> Result<PathBuf, String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(TESTER.replace('=', "-"));
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let lock = File::create(folder.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    let whole = folder.join("whole");
    if !whole.exists() {
        let run = |program: &str, words: &[&str]| {
            let done = Command::new(program).args(words).output().map_err(|it| it.to_string())?;
            let said = || String::from_utf8_lossy(&done.stderr).into_owned();
            if done.status.success() { Ok(()) } else { Err(format!("{program}: {}", said())) }
        };
        let place = folder.display().to_string();
        run("python3", &["-m", "venv", &place])?;
        run(&format!("{place}/bin/pip"), &["install", "--quiet", TESTER])?;
        fs::write(whole, "").map_err(|error| error.to_string())?;
    }
    Ok(folder.join("bin/st"))
}

#[test]
fn whatever_is_asked_the_api_never_breaks() {
    let tester = match tester() {
        Ok(tester) => tester,
        Err(why) => {
            eprintln!("NOT CHECKED: the tester of the API cannot be installed: {why}");
            return;
        }
    };
    let world = disputed(40, 20);
    world.sql("crm", "update contacts set status = 'strange' where id > 30");
    let server = Server::start(&world);

    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,\
                  response_schema_conformance,unsupported_method,allow_header_conformance";
    let done = Command::new(tester)
        .arg("run")
        .arg(format!("http://{}/api/v1/openapi.json", server.address))
        // That one goes on for ever.
        .args(["--exclude-path", "/events", "--checks", checks, "--phases", "coverage,fuzzing"])
        .args(["--max-examples", "4", "--seed", "7", "--request-timeout", "30"])
        .args(["--warnings", "off", "--no-color", "--generation-database", "none"])
        .current_dir(world.path(""))
        .output()
        .unwrap();

    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", server.log());
    assert!(said.contains("No issues found"), "{said}");
    // It is alive after all that.
    server.get("/status").is(200);
}
