//! A real browser, driven as W3C `WebDriver` says: Chromium without a window, and its driver. Where there is
//! none, that is said aloud, and nothing is checked.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::Engine as _;
use serde_json::{Value as Json, json};

use crate::npm;

/// As `WebDriver` names an element in an answer.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A window of a browser.
pub(crate) struct Browser {
    driver: Child,
    address: String,
    session: String,
    /// Its own folder, gone with it.
    profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.call("DELETE", "", &json!({}));
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Browser {
    /// `None`: there is none here, and that was said.
    #[track_caller]
    pub(crate) fn start() -> Option<Self> {
        let mut driver = match Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
        {
            Ok(driver) => driver,
            Err(why) => {
                eprintln!("NOT CHECKED: chromedriver cannot be started: {why}");
                return None;
            }
        };
        let said = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = said
            .filter_map(|line| {
                Some(line.rsplit_once("on port ")?.1.trim_end_matches('.').to_owned())
            })
            .find(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
            .unwrap();
        let profile = tempfile::tempdir().unwrap();
        let mut browser =
            Self { driver, address: format!("127.0.0.1:{port}"), session: String::new(), profile };
        let folder = format!("--user-data-dir={}", browser.profile.path().display());
        let options = json!({ "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", folder,
        ] });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let begun = browser.request("POST", "/session", &wanted);
        browser.session =
            begun["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{begun}")).to_owned();
        Some(browser)
    }

    fn request(&self, method: &str, path: &str, body: &Json) -> Json {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        // The driver keeps the connection open, whatever it is told.
        let mut answer = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            if answer.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        let _ = answer.read_exact(&mut body);
        serde_json::from_slice(&body).unwrap_or(Json::Null)
    }

    fn call(&self, method: &str, path: &str, body: &Json) -> Json {
        self.request(method, &format!("/session/{}{path}", self.session), body)["value"].clone()
    }

    /// Goes to an address.
    pub(crate) fn go(&self, url: &str) {
        self.call("POST", "/url", &json!({ "url": url }));
    }

    /// Runs this in the page, and gives what it returns.
    #[track_caller]
    pub(crate) fn script(&self, script: &str) -> Json {
        let answer = self.call("POST", "/execute/sync", &json!({ "script": script, "args": [] }));
        assert!(answer["error"].is_null(), "{script}: {answer}");
        answer
    }

    /// The same, of a script that calls its last argument when it is done.
    #[track_caller]
    pub(crate) fn wait_for_script(&self, script: &str) -> Json {
        let answer = self.call("POST", "/execute/async", &json!({ "script": script, "args": [] }));
        assert!(answer["error"].is_null(), "{script}: {answer}");
        answer
    }

    /// How wide and high the window is, and whether it is dark.
    pub(crate) fn looks(&self, width: u32, height: u32, is_dark: bool) {
        let theme = if is_dark { "dark" } else { "light" };
        for (command, parameters) in [
            (
                "Emulation.setDeviceMetricsOverride",
                json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 }),
            ),
            (
                "Emulation.setEmulatedMedia",
                json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] }),
            ),
        ] {
            let body = json!({ "cmd": command, "params": parameters });
            self.call("POST", "/goog/cdp/execute", &body);
        }
    }

    /// Presses these keys, one after the other, wherever the focus is. `Enter` is `\n`.
    pub(crate) fn keys(&self, keys: &str) {
        let presses = keys.chars().map(|key| if key == '\n' { '\u{e007}' } else { key });
        let actions: Vec<Json> = presses
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }))
            })
            .collect();
        let body = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] });
        let answer = self.call("POST", "/actions", &body);
        assert!(answer["error"].is_null(), "{answer}");
    }

    fn element(&self, css: &str) -> Option<String> {
        let body = json!({ "using": "css selector", "value": css });
        Some(self.call("POST", "/element", &body)[ELEMENT].as_str()?.to_owned())
    }

    /// Clicks this, as soon as it is there and can be clicked.
    #[track_caller]
    pub(crate) fn click(&self, css: &str) {
        self.until(&format!("{css} can be clicked"), || {
            let Some(id) = self.element(css) else { return false };
            self.call("POST", &format!("/element/{id}/click"), &json!({}))["error"].is_null()
        });
    }

    /// Clicks the first button or link with these words.
    #[track_caller]
    pub(crate) fn press(&self, words: &str) {
        let script = format!(
            "const it = [...document.querySelectorAll('main button, main a, dialog button, #notice button')]
               .find((one) => one.textContent.trim().startsWith({words:?}));
             it?.click(); return Boolean(it);"
        );
        self.until(&format!("{words:?} can be pressed"), || self.script(&script) == json!(true));
    }

    /// Types into this.
    #[track_caller]
    pub(crate) fn types(&self, css: &str, text: &str) {
        self.until(&format!("{css} is there"), || self.element(css).is_some());
        let id = self.element(css).unwrap();
        let answer = self.call("POST", &format!("/element/{id}/value"), &json!({ "text": text }));
        assert!(answer["error"].is_null(), "{answer}");
    }

    /// All words of the page.
    pub(crate) fn text(&self) -> String {
        let text = self.script("return document.body.innerText + ' ' + document.title");
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page says this.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) {
        self.until(&format!("the page says {words:?}"), || self.text().contains(words));
    }

    /// Waits until something is so; how long does not matter.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(
                began.elapsed() < Duration::from_secs(60),
                "{what}: not so in\n{}",
                self.text()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the page has complained about since the last time.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.call("POST", "/se/log", &json!({ "type": "browser" }));
        let lines = log.as_array().cloned().unwrap_or_default();
        lines.iter().map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// A picture of the page, for people to look at.
    pub(crate) fn picture(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pictures");
        fs::create_dir_all(&folder).unwrap();
        let taken = self.call("GET", "/screenshot", &json!({}));
        let encoded = taken.as_str().unwrap_or_default();
        let picture = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
        fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    /// What keeps people out of this page, as axe finds it: WCAG 2.2, levels A and AA.
    #[track_caller]
    pub(crate) fn barriers(&self) -> Vec<String> {
        let modules = match npm::installed("axe-core-4", &["axe-core@4"]) {
            Ok(modules) => modules,
            Err(why) => {
                eprintln!("NOT CHECKED: axe cannot be installed: {why}");
                return Vec::new();
            }
        };
        let axe = fs::read_to_string(modules.join("axe-core/axe.min.js")).unwrap();
        self.script(&format!("if (!window.axe) {{ {axe} }} return true;"));
        let found = self.wait_for_script(
            "const done = arguments[arguments.length - 1];
             axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
               .then((all) => done(all.violations.map((one) => one.id + ': ' + one.nodes.map((node) => node.html).join(' | '))),
                     (error) => done(['axe: ' + error]));",
        );
        let all = found.as_array().cloned().unwrap_or_default();
        all.iter().map(|one| one.as_str().unwrap_or_default().to_owned()).collect()
    }
}
