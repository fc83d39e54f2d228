//! The dashboard, as people meet it: a daemon, and a real browser.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
};

use crate::{api::Server, browser::Browser, serve::eventually, world::World};

/// The pages, by address.
const PAGES: [&str; 10] = [
    "overview",
    "conflicts",
    "quarantine",
    "approvals",
    "records",
    "runs",
    "audit",
    "entities",
    "systems",
    "settings",
];

/// A daemon, and a browser that looks at it; `None`: there is no browser here.
fn opened(world: &World) -> Option<(Server, Browser)> {
    let browser = Browser::start()?;
    let server = Server::start(world);
    browser.looks(1_440, 1_000, false);
    browser.go(&format!("http://{}/", server.address));
    browser.says("Overview");
    Some((server, browser))
}

impl Browser {
    /// Shows a page of the dashboard.
    #[track_caller]
    fn page(&self, address: &str) {
        self.script(&format!("location.hash = '#/{address}'; return 1"));
        let name = address.split(['/', '?']).next().unwrap();
        let current = format!(
            "return document.querySelector('nav a[aria-current]')?.getAttribute('href') === '#/{name}'
               && document.querySelector('main').dataset.key?.startsWith('{name}/')"
        );
        self.until(&format!("{address} is shown"), || self.script(&current) == true);
    }
}

/// Contacts in step, but for these many statuses over which the two disagree.
fn disputed(contacts: usize, conflicts: usize) -> World {
    let world = World::in_step(contacts);
    let first = format!("cast(substr(email, 2, instr(email, '@') - 2) as integer) <= {conflicts}");
    world.sql("crm", &format!("update contacts set status = 'customer' where {first}"));
    world.sql("erp", &format!("update CUSTOMER set CNAME = CNAME || ' & Co' where {first}"));
    world.sql("crm", &format!("update contacts set name = name || ' Ltd' where {first}"));
    world.edit("erp: CNAME}", "erp: CNAME, conflicts: manual}");
    world.run(&["run", "--yes"]);
    world
}

#[test]
fn every_page_is_whole_in_every_size_and_light() {
    let world = disputed(3, 2);
    world.sql("erp", "update CUSTOMER set STAT = '7' where EMAIL = 'c3@example.com'");
    let Some((_server, browser)) = opened(&world) else { return };
    browser.says("need");
    let mut wrong = Vec::new();
    let shown = [
        "overview",
        "conflicts",
        "conflicts/1",
        "quarantine",
        "approvals",
        "records",
        "runs",
        "runs/r-1",
        "audit",
        "entities",
        "entities/contacts",
        "systems",
        "systems/crm",
        "settings",
    ];
    for (width, is_dark) in [(1_440, false), (360, true)] {
        browser.looks(width, 900, is_dark);
        for page in shown {
            browser.page(page);
            let overflow =
                browser.script("return document.documentElement.scrollWidth - innerWidth");
            if overflow.as_i64().unwrap() > 0 {
                wrong.push(format!("{page} at {width}: {overflow} too wide"));
            }
            let problem =
                browser.script("return document.querySelector('.problem')?.innerText ?? null");
            if !problem.is_null() {
                wrong.push(format!("{page} at {width}: {problem}"));
            }
            wrong.extend(browser.barriers().iter().map(|it| format!("{page} at {width}: {it}")));
            browser.picture(&format!("{}-{width}", page.replace('/', "-")));
        }
    }
    wrong.extend(browser.complaints());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_page_without_anything_says_what_that_means() {
    let world = World::contacts(0);
    world.run(&["run", "--yes"]).ends(0, &[]);
    let Some((_server, browser)) = opened(&world) else { return };
    let mut wrong = Vec::new();
    for page in PAGES {
        browser.page(page);
        wrong.extend(browser.barriers().iter().map(|it| format!("{page}: {it}")));
    }
    browser.page("conflicts");
    browser.says("No conflict is open");
    browser.page("quarantine");
    browser.says("Nothing is held back.");
    browser.page("approvals");
    browser.says("No guard waits");
    browser.page("records?q=nobody");
    browser.says("No record matches");
    browser.page("conflicts/99");
    browser.says("There is no conflict 99");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_conflict_is_decided_by_keyboard_alone() {
    let world = disputed(2, 1);
    let Some((_server, browser)) = opened(&world) else { return };
    browser.says("1 thing needs you");

    browser.keys("gc");
    browser.says("Open conflicts");
    browser.keys("j\n");
    browser.says("Take this");
    browser.keys("2\n");

    browser.says("No conflict is open");
    let name = || world.value("crm", "select name from contacts where id = 1");
    eventually("the CRM has the name of the ERP", || name() == "Name 1 & Co", || browser.text());
    // What the person did is on the books.
    browser.keys("ga");
    browser.says("conflicts.resolve");
}

#[test]
fn of_two_who_decide_at_once_one_is_told() {
    let world = disputed(2, 1);
    let Some((server, first)) = opened(&world) else { return };
    let Some(second) = Browser::start() else { return };
    second.go(&format!("http://{}/#/conflicts/1", server.address));
    second.says("Take this");
    second.click("header.top button[aria-pressed]");
    first.page("conflicts/1");
    first.says("Take this");

    first.keys("1\n");
    first.says("No conflict is open");
    second.keys("2\n");

    second.says("settled");
    let name = world.value("erp", "select CNAME from CUSTOMER where EMAIL = 'c1@example.com'");
    assert_eq!(name, "Name 1 Ltd");
}

#[test]
fn many_conflicts_are_decided_together_and_shown_first() {
    let world = disputed(4, 3);
    let Some((_server, browser)) = opened(&world) else { return };

    browser.page("conflicts?entity=contacts&field=name");
    browser.press("Preview");
    browser.says("3 conflicts would take the value of crm");
    browser.press("Settle 3");

    browser.says("No open conflict fits");
    let name = || world.value("erp", "select CNAME from CUSTOMER where EMAIL = 'c3@example.com'");
    eventually("the ERP has the name of the CRM", || name() == "Name 3 Ltd", || browser.text());
}

#[test]
fn what_was_set_aside_is_mended_and_sent_again() {
    let world = World::in_step(3);
    world.edit(
        "    fields:",
        "    validate: [{check: \"name != 'nobody'\", message: nobody is no name, else: quarantine}]\n    fields:",
    );
    world.sql("crm", "update contacts set name = 'nobody' where id = 2");
    world.run(&["run", "--yes"]).ends(4, &[]);
    let Some((_server, browser)) = opened(&world) else { return };

    browser.page("quarantine");
    browser.click("tr.row td a");
    browser.says("nobody is no name");
    browser.until("the form is there", || {
        browser.script("return Boolean(document.getElementById('f-name'))") == true
    });
    browser.script("document.getElementById('f-name').value = 'Somebody'; return 1");
    browser.press("Correct and send again");

    browser.says("is not there any more");
    let name = || world.value("erp", "select CNAME from CUSTOMER where EMAIL = 'c2@example.com'");
    eventually("the ERP has the name", || name() == "Somebody", || browser.text());
}

#[test]
fn what_a_guard_holds_is_let_through_by_a_person() {
    let world = World::in_step(120);
    world.sql("crm", "delete from contacts where id > 20");
    world.run(&["run"]).ends(5, &[]);
    let Some((_server, browser)) = opened(&world) else { return };

    browser.page("approvals/1");
    browser.says("guard.mass_delete");
    browser.press("Apply it");
    let word = browser.script("return document.querySelector('label[for=typed] code').textContent");
    browser.types("#typed", word.as_str().unwrap());
    browser.press("Apply it");

    browser.says("No guard waits");
    let left = || world.value("erp", "select count(*) from CUSTOMER");
    eventually("the ERP has the deletes", || left() == "20", || browser.text());
}

#[test]
fn the_page_outlives_the_server() {
    let world = disputed(3, 1);
    let Some((server, browser)) = opened(&world) else { return };
    browser.says("live");
    let address = server.address.clone();

    drop(server);
    browser.says("reconnecting, data as of");
    browser.says("contacts");
    let back = Server::at(&world, &address);
    browser.until("it is live again", || {
        browser
            .script("return document.querySelector('header .state').textContent")
            .as_str()
            .unwrap()
            .contains("live")
    });
    world.sql(
        "crm",
        "insert into contacts(email, name, status) values ('new@example.com', 'New', 'lead')",
    );

    browser.until("the new record is counted", || browser.text().contains("of 4"));
    drop(back);
}

#[test]
fn markup_in_a_record_stays_text() {
    let world = World::contacts(1);
    world.sql("crm", "update contacts set name = '<img src=x onerror=\"document.title = 1\"><script>document.title = 2</script>' || char(8238) || 'evil'");
    world.run(&["run", "--yes"]).ends(0, &[]);
    let Some((_server, browser)) = opened(&world) else { return };

    browser.page("records?q=onerror");
    browser.says("<img src=x");
    browser.click("tr.row");
    browser.says("Timeline");

    browser.says("<script>document.title = 2</script>");
    assert_eq!(
        browser.script("return document.querySelectorAll('main img, main script').length"),
        0
    );
    assert!(!browser.text().contains('\u{202e}'));
    assert!(browser.complaints().is_empty());
}

#[test]
fn a_record_is_seen_as_it_was_and_rolled_back() {
    let world = World::in_step(1);
    world.sql("crm", "update contacts set name = 'Wrong'");
    world.run(&["run"]).ends(0, &[]);
    let Some((_server, browser)) = opened(&world) else { return };

    browser.page("records?q=Wrong");
    browser.click("tr.row");
    browser.says("Timeline");
    browser.script("[...document.querySelectorAll('ol.line a')].filter((it) => it.textContent === 'as it was then').at(-1).click(); return 1");
    browser.says("As it was on");
    browser.says("Name 1");
    browser.press("Roll the record back");
    browser.says("Roll the record back?");
    browser.script("document.querySelector('dialog button.danger').click(); return 1");

    let name = || world.value("erp", "select CNAME from CUSTOMER");
    eventually("the name is back", || name() == "Name 1", || browser.text());
}

#[test]
fn what_is_hidden_is_shown_after_a_click_that_is_on_the_books() {
    let world = World::contacts(1);
    world.edit("erp: CNAME}", "erp: CNAME, sensitive: mask}");
    world.run(&["run", "--yes"]).ends(0, &[]);
    let Some((server, browser)) = opened(&world) else { return };

    browser.page("records");
    browser.click("tr.row");
    browser.says("Show hidden values");
    assert!(!browser.text().contains("Name 1"), "{}", browser.text());
    let books = || server.get("/audit?limit=100").is(200).to_string();
    assert!(!books().contains("records.reveal"), "{}", books());
    browser.press("Show hidden values");

    browser.says("That you looked is on the books.");
    browser.until("the value is shown, and all can read it", || {
        let dialog =
            browser.script("return document.querySelector('dialog[open]')?.innerText ?? ''");
        dialog.as_str().is_some_and(|text| text.contains("Name 1"))
    });
    assert_eq!(browser.barriers(), Vec::<String>::new());
    assert!(books().contains("records.reveal"), "{}", books());
    assert!(!books().contains("Name 1"), "{}", books());
    // It is shown for as long as somebody looks.
    browser.click("dialog button.main");
    browser.until("it is hidden again", || !browser.text().contains("Name 1"));
    assert!(browser.complaints().is_empty());
}

#[test]
fn a_decision_is_undone_by_a_key() {
    let world = disputed(2, 1);
    let Some((_server, browser)) = opened(&world) else { return };
    browser.page("conflicts/1");
    browser.says("Take this");
    browser.keys("2\n");
    browser.says("No conflict is open");
    let name = || world.value("crm", "select name from contacts where id = 1");
    eventually("it is decided", || name() == "Name 1 & Co", || browser.text());
    browser.says("Undo");
    // What has happened since is none of it.
    world.sql("crm", "update contacts set status = 'lead' where id = 1");
    let status = || world.value("erp", "select STAT from CUSTOMER where NO = 1");
    eventually("something else has happened", || status() == "0", || browser.text());

    browser.keys("u");

    browser.says("Undone. Restored 1 change");
    eventually("it is as before the decision", || name() == "Name 1 Ltd", || browser.text());
    assert_eq!(status(), "0");
}

#[test]
fn what_a_guard_holds_is_put_back_or_left_as_it_is() {
    for (button, left) in [("Reverse", "120"), ("Do nothing", "20")] {
        let world = World::in_step(120);
        world.sql("crm", "delete from contacts where id > 20");
        world.run(&["run"]).ends(5, &[]);
        let Some((_server, browser)) = opened(&world) else { return };

        browser.page("approvals/1");
        browser.says("guard.mass_delete");
        let word =
            browser.script("return document.querySelector('label[for=typed] code').textContent");
        browser.types("#typed", word.as_str().unwrap());
        browser.press(button);

        browser.says("No guard waits");
        let there = || world.value("crm", "select count(*) from contacts");
        eventually(&format!("{button}: {left}"), || there() == left, || browser.text());
        assert_eq!(world.value("erp", "select count(*) from CUSTOMER"), "120", "{button}");
    }
}

#[test]
fn a_page_that_is_frozen_stands_still_until_it_is_let_go() {
    let world = World::in_step(3);
    let Some((server, browser)) = opened(&world) else { return };
    browser.says("3 of 3");
    browser.keys("f");
    browser.says("frozen");

    let sql = "insert into contacts(email, name, status) values ('n@example.com', 'New', 'lead')";
    world.sql("crm", sql);
    let records = || server.get("/status").is(200)["entities"][0]["records"].clone();
    eventually("it is there", || records() == 4, || records().to_string());

    assert!(browser.text().contains("3 of 3"), "{}", browser.text());
    browser.keys("f");
    browser.says("4 of 4");
}

#[test]
fn it_works_below_a_path_of_a_proxy() {
    let world = disputed(2, 1);
    let Some(browser) = Browser::start() else { return };
    let server = Server::start(&world);
    let proxy = below("/sync", &server.address);
    browser.looks(1_440, 1_000, false);

    browser.go(&format!("http://{proxy}/sync/"));
    browser.says("1 thing needs you");
    browser.says("live");
    browser.page("conflicts/1");
    browser.says("Take this");
    browser.keys("2\n");

    browser.says("No conflict is open");
    let name = || world.value("crm", "select name from contacts where id = 1");
    eventually("it is decided", || name() == "Name 1 & Co", || browser.text());
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// A reverse proxy that takes this path away from what it passes on; anything else it does not know.
fn below(path: &'static str, address: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (own, address) = (listener.local_addr().unwrap(), address.to_owned());
    let pass = move |mut client: TcpStream| -> std::io::Result<()> {
        let mut reader = BufReader::new(client.try_clone()?);
        let mut head = String::new();
        while reader.read_line(&mut head)? > 2 {}
        let (line, rest) = head.split_once("\r\n").unwrap_or((&head, ""));
        let Some(line) = line.split_once(path).map(|(verb, rest)| format!("{verb}{rest}")) else {
            return client.write_all(b"HTTP/1.1 404 no\r\ncontent-length: 0\r\n\r\n");
        };
        let rest: String = rest
            .lines()
            .filter(|line| !line.to_lowercase().starts_with("connection:") && !line.is_empty())
            .map(|line| format!("{line}\r\n"))
            .collect();
        let mut server = TcpStream::connect(&address)?;
        server.write_all(format!("{line}\r\n{rest}connection: close\r\n\r\n").as_bytes())?;
        let mut onwards = server.try_clone()?;
        std::thread::spawn(move || std::io::copy(&mut reader, &mut onwards));
        std::io::copy(&mut server, &mut client)?;
        client.shutdown(std::net::Shutdown::Both)
    };
    let pass = std::sync::Arc::new(pass);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let pass = pass.clone();
            // A browser that goes away is no failure.
            std::thread::spawn(move || drop(pass(client)));
        }
    });
    own
}

#[test]
fn what_a_browser_loads_first_is_small() {
    let world = World::in_step(1);
    let server = Server::start(&world);
    let page = server.send("GET", "/", &[], "");
    assert_eq!(page.status, 200);
    let (mut waiting, mut seen, mut bytes) = (vec![page.body.clone()], BTreeSet::new(), 0);
    bytes += page.body.len();
    while let Some(text) = waiting.pop() {
        // What a page or a script names is loaded, wherever it stands.
        for name in
            text.split(['"', '\'']).filter(|it| [".js", ".css"].iter().any(|end| it.ends_with(end)))
        {
            let name = name.trim_start_matches("./").trim_start_matches("../");
            for place in [format!("/{name}"), format!("/ui/{name}"), format!("/ui/pages/{name}")] {
                let file = server.send("GET", &place, &[], "");
                if file.status == 200 && seen.insert(place) {
                    bytes += file.head.len() + file.body.len();
                    waiting.push(file.body);
                }
            }
        }
    }
    bytes += server.get("/status").body.len();
    assert!(seen.len() > 10, "{seen:?}");
    assert!(bytes < 200_000, "{bytes} bytes of {seen:?}");
}

#[test]
fn the_dashboard_asks_for_nothing_that_the_description_does_not_know() {
    let world = World::in_step(1);
    let server = Server::start(&world);
    let described = server.get("/openapi.json").is(200);
    let paths: Vec<Vec<String>> = described["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(|path| path.trim_start_matches('/').split('/').map(str::to_owned).collect())
        .collect();
    let fits = |asked: &[&str]| {
        paths.iter().any(|path| {
            let is = |(known, asked): (&String, &&str)| known == asked || asked.contains("${");
            path.len() == asked.len() && path.iter().zip(asked).all(is)
        })
    };
    let (mut asked, mut unknown) = (0, Vec::new());
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/ui");
    let pages = std::fs::read_dir(format!("{folder}/pages")).unwrap();
    let files = pages.map(|file| file.unwrap().path()).chain([format!("{folder}/app.js").into()]);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for call in ["get(", "look(", "\"GET\", ", "\"POST\", ", "\"PATCH\", ", "\"DELETE\", "] {
            for rest in text.split(call).skip(1) {
                let Some(quote) = rest.chars().next().filter(|it| matches!(it, '"' | '`')) else {
                    continue;
                };
                let path = rest[1..].split(quote).next().unwrap();
                let Some(path) = path.strip_prefix('/') else { continue };
                let words: Vec<&str> = path.split('/').collect();
                asked += 1;
                if !fits(&words) {
                    unknown.push(format!("{}: {path}", file.display()));
                }
            }
        }
    }
    assert!(asked > 20, "{asked}");
    assert_eq!(unknown, Vec::<String>::new());
}
