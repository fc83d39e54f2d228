//! `syncline demo`: three small systems with living traffic; leaves nothing behind.
//!
//! The systems are real: two SQLite files, and a shop with a REST API that is opened for as long as the
//! demo lasts. What keeps them in step is the same pass that `run` does.
//! The hub is closed between two passes, so that a second terminal can look and decide.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::json;
use syncline_core::change::{Command, Take};
use syncline_engine::pass::Allow;
use syncline_ports::reader::Reader as _;
use syncline_shop::Shop;

mod house;

use self::house::House;
use crate::{
    approved,
    cli::{Context, explain, verify},
    config, decide,
    exit::Exit,
    pass::{self, Depth, Halves, Order},
    progress::Progress,
    report::{self, Answer, Failure},
    scratch::Scratch,
    session::{self, Reach, Session, Use},
};

/// Flags of `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Keep everything in this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    /// How fast the story is told: 1 is its own pace.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub(crate) speed: f64,
}

/// One thing that somebody does.
struct Scene {
    what: &'static str,
    system: &'static str,
    statement: &'static str,
}

const fn scene(what: &'static str, system: &'static str, statement: &'static str) -> Scene {
    Scene { what, system, statement }
}

const STORY: [&[Scene]; 9] = [
    &[scene(
        "agent12 renames a contact in crm",
        "crm",
        "update contacts set name = 'Ada Lovelace' where email = 'ada@example.com'",
    )],
    &[scene(
        "usr07 gives Alan a phone number in erp",
        "erp",
        "update CUSTOMER set TEL = '+33655443322' where EMAIL = 'alan@example.com'",
    )],
    &[scene(
        "Grace corrects her birthday in the shop (another date format)",
        "shop",
        "update items set document = json_set(document, '$.profile.born', '09/12/1906'),
         version = version + 1, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ')
         where unique_value = 'grace@example.com'",
    )],
    &[scene(
        "somebody opens an account in the shop",
        "shop",
        "insert into items(kind, unique_value, document, updated_at) values ('customers', 'rosa@example.com',
         json('{\"email\": \"rosa@example.com\", \"full_name\": \"Rosa Parks\", \"profile\": {\"born\": \"04/02/1913\"}, \"state\": \"invited\"}'),
         strftime('%Y-%m-%dT%H:%M:%fZ'))",
    )],
    &[scene(
        "an order with two lines arrives in erp (money in cents)",
        "erp",
        "insert into SALES_ORDER(ORDNO, REFEXT, CUSTNO, TOT) values (900, 'A-102', 105, 7525); insert into SALES_LINE(ORDNO, ITEM, QTY) values (900, 'TEA', 1), (900, 'MUG', 3)",
    )],
    &[
        scene(
            "two teas are sold in crm",
            "crm",
            "update stock set on_hand = on_hand - 2 where sku = 'TEA'",
        ),
        scene("and one at once in erp", "erp", "update STOCK set QTY = QTY - 1 where SKU = 'TEA'"),
    ],
    &[
        scene(
            "phone and name of one contact change in two systems",
            "crm",
            "update contacts set phone = '+33600000001' where email = 'grace@example.com'",
        ),
        scene(
            "and both survive",
            "shop",
            "update items set document = json_set(document, '$.full_name', 'Rear Admiral Hopper'),
             version = version + 1, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ')
             where unique_value = 'grace@example.com'",
        ),
    ],
    &[scene(
        "a user is renamed in crm (one-way)",
        "crm",
        "update app_users set full_name = 'Kim Steward' where login = 'usr07'",
    )],
    &[scene(
        "a contact is deleted in crm",
        "crm",
        "delete from contacts where email = 'mary@example.com'",
    )],
];

/// What the shop lets in; it is no secret.
const TOKEN: &str = "open-sesame";
/// So many requests a second it serves.
const REQUESTS: u32 = 1_000;

impl Demo {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        let stage = Stage::build(self.keep.as_deref(), context).await?;
        let outcome = Box::pin(self.play(&stage, context)).await;
        // What a stopped scene could not do is no failure.
        let answer = match session::stopped(&stage.stopped) {
            Some(exit) => Answer::new("stopped").with_exit(exit),
            None => outcome?,
        };
        Ok(match &stage.scratch {
            Some(_) => answer,
            None => answer.with_text(format!("kept in {}", stage.folder.display())),
        })
    }

    async fn play(&self, stage: &Stage, context: &Context) -> Result<Answer, Failure> {
        // Without a terminal nobody is there to look.
        let house = if context.interactive { House::open(&stage.context).await? } else { None };
        let answer = Box::pin(self.tell_all(stage, context, house.as_ref())).await;
        if let Some(house) = house {
            house.close().await;
        }
        answer
    }

    async fn tell_all(
        &self,
        stage: &Stage,
        context: &Context,
        house: Option<&House>,
    ) -> Result<Answer, Failure> {
        let config = stage.context.config.display().to_string();
        stage.tell(
            &format!(
                "Three systems: crm and erp (SQLite files with other names and formats), shop (a REST API).\n\
                 {}In a second terminal: syncline -c {config} status",
                house.map_or_else(String::new, |it| format!("The dashboard: {}\n", it.url)),
            ),
            &json!({ "event": "started", "config": config }),
        );
        Box::pin(stage.first()).await?;
        for scenes in STORY {
            stage.act(scenes).await?;
            self.breathe(context, 1_500).await;
            if session::stopped(&stage.stopped).is_some() {
                return Ok(Answer::new("stopped"));
            }
        }
        stage.conflict(house.map(|it| it.url.as_str())).await?;
        let shown = explain::Explain {
            address: "contacts/email=grace@example.com".into(),
            field: Some("name".into()),
            at: None,
        };
        let shown = shown.run(&stage.context).await?;
        stage.tell(&shown.text, &json!({ "event": "explained", "result": shown.result }));
        let answer = stage.compare().await?;
        if context.interactive {
            self.live(stage, context).await?;
        }
        Ok(answer)
    }

    async fn breathe(&self, context: &Context, milliseconds: u64) {
        // Nobody watches without a terminal: the story is told at once.
        if context.interactive {
            let span = milliseconds as f64 / self.speed.clamp(0.01, 1_000.0);
            tokio::time::sleep(Duration::from_millis(span as u64)).await;
        }
    }

    /// Traffic until Ctrl-C.
    async fn live(&self, stage: &Stage, context: &Context) -> Result<(), Failure> {
        const TRAFFIC: [Scene; 4] = [
            scene(
                "a tea is sold in crm",
                "crm",
                "update stock set on_hand = on_hand - 1 where sku = 'TEA'",
            ),
            scene(
                "teas are delivered to erp",
                "erp",
                "update STOCK set QTY = QTY + 1 where SKU = 'TEA'",
            ),
            scene(
                "agent12 touches a phone number",
                "crm",
                "update contacts set phone = '+336' || abs(random() % 90000000 + 10000000) where email = 'ada@example.com'",
            ),
            scene(
                "usr07 changes a name",
                "erp",
                "update CUSTOMER set CNAME = 'Linus ' || abs(random() % 100) where EMAIL = 'linus@example.com'",
            ),
        ];
        for one in TRAFFIC.iter().cycle() {
            stage.act(std::slice::from_ref(one)).await?;
            self.breathe(context, 3_000).await;
            if session::stopped(&stage.stopped).is_some() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// The folder with the three systems, and the configuration that keeps them in step.
struct Stage {
    folder: PathBuf,
    /// Removes the folder, unless it is kept.
    scratch: Option<Scratch>,
    context: Context,
    /// One object a line instead of sentences.
    json: bool,
    stopped: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

fn failed(what: &str, cause: &dyn std::fmt::Display) -> Failure {
    Failure::new("hub.path", format!("the demo could not {what}")).cause(cause.to_string())
}

impl Stage {
    async fn build(keep: Option<&Path>, context: &Context) -> Result<Self, Failure> {
        let folder = match keep {
            Some(folder) => folder.to_owned(),
            None => std::env::temp_dir().join(format!("syncline-demo-{}", std::process::id())),
        };
        if folder.join("syncline.yaml").exists() {
            return Err(Failure::new(
                "usage.arguments",
                format!("{} holds a configuration already", folder.display()),
            )
            .done("nothing was changed")
            .fix("name a new folder"));
        }
        let scratch = match keep {
            Some(folder) => std::fs::create_dir_all(folder).map(|()| None),
            None => Scratch::new(folder.clone()).map(Some),
        };
        let scratch = scratch.map_err(|error| failed("make its folder", &error))?;
        let mut own = context.clone();
        own.config = folder.join("syncline.yaml");
        own.env = None;
        own.progress = false;
        own.quiet = true;
        own.json = false;
        own.yes = true;
        let stopped = session::stop_on_signals();
        let stage = Self { folder, scratch, context: own, json: context.json, stopped };
        let address = stage.open_shop().await?;
        let yaml = include_str!("demo/syncline.yaml").replace("{address}", &address);
        std::fs::write(&stage.context.config, yaml)
            .map_err(|error| failed("write its configuration", &error))?;
        stage.execute("crm", include_str!("demo/crm.sql"))?;
        stage.execute("erp", include_str!("demo/erp.sql"))?;
        stage.execute("shop", include_str!("demo/shop.sql"))?;
        Ok(stage)
    }

    /// Opens the shop for as long as this process lives; gives its address.
    async fn open_shop(&self) -> Result<String, Failure> {
        let cannot = |error: &dyn std::fmt::Display| failed("open its shop", error);
        std::fs::write(self.folder.join("token"), TOKEN).map_err(|error| cannot(&error))?;
        let shop = Shop::open(&self.folder.join("shop.db"), TOKEN, REQUESTS);
        let shop = shop.map_err(|error| cannot(&error))?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.map_err(|error| cannot(&error))?;
        let address = listener.local_addr().map_err(|error| cannot(&error))?;
        tokio::spawn(shop.serve(listener));
        Ok(address.to_string())
    }

    /// The next thing that happened, for people or for programs.
    fn tell(&self, text: &str, event: &serde_json::Value) {
        report::say(&if self.json { event.to_string() } else { text.to_owned() });
    }

    /// Somebody of this system does this.
    fn execute(&self, system: &str, statements: &str) -> Result<(), Failure> {
        let path = self.folder.join(format!("{system}.db"));
        let connection =
            rusqlite::Connection::open(path).map_err(|error| failed("open a system", &error))?;
        connection
            .busy_timeout(Duration::from_secs(5))
            .and_then(|()| connection.execute_batch(statements))
            .map_err(|error| failed("play a scene", &error))
    }

    /// Tables of marks, approvals, and the first synchronisation.
    async fn first(&self) -> Result<(), Failure> {
        let loaded = config::load(&self.context)?;
        for system in ["crm", "erp"] {
            // Counters need to know for certain whose write a change is.
            let settings = loaded.settings(system).await?;
            syncline_adapters::catalog(&settings).await?.create_marks().await?;
        }
        let session = Session::open(&self.context, Use::Write, Reach::Hub).await?;
        for entity in session.entities(None)? {
            approved::approve_as(&session, entity, "demo").await?;
        }
        drop(session);
        let began = Instant::now();
        let lines = self.pass().await?;
        let seconds = began.elapsed().as_secs_f64();
        let told: String = lines.iter().map(|line| format!("          {line}\n")).collect();
        self.tell(
            &format!("{told}first synchronisation in {seconds:.1} s"),
            &json!({ "event": "synchronised", "lines": lines, "seconds": seconds }),
        );
        Ok(())
    }

    /// One pass over everything: the same as `syncline run`.
    async fn pass(&self) -> Result<Vec<String>, Failure> {
        let mut session = Session::open(&self.context, Use::Write, Reach::Systems).await?;
        let order = Order {
            kind: "demo",
            entities: session.entities(None)?,
            depth: Depth::Changes,
            allow: Allow::default(),
            allow_partial: true,
            chooses: None,
            halves: Halves::Both,
            beside: None,
        };
        let outcome = pass::run(&mut session, order, &Progress::new("demo", false)).await?;
        match outcome.error {
            Some(error) => Err(error),
            None => Ok(outcome.lines.into_iter().filter(|line| line.contains("->")).collect()),
        }
    }

    /// Some people act; one pass carries it; one line tells.
    async fn act(&self, scenes: &[Scene]) -> Result<(), Failure> {
        for scene in scenes {
            self.execute(scene.system, scene.statement)?;
        }
        let began = Instant::now();
        let lines = self.pass().await?;
        let what: Vec<&str> = scenes.iter().map(|scene| scene.what).collect();
        let where_to: Vec<&str> = lines
            .iter()
            .filter_map(|line| line.split_once("-> "))
            .map(|(_, systems)| systems)
            .collect();
        let seconds = began.elapsed().as_secs_f64();
        let arrow = if where_to.is_empty() { "" } else { " -> " };
        let text = format!(
            "{}  {}{arrow}{}  ({seconds:.1} s)",
            clock_time(),
            what.join(", "),
            where_to.join("; "),
        );
        let event = json!({
            "event": "changed", "what": what, "written": where_to, "seconds": seconds,
        });
        self.tell(&text, &event);
        Ok(())
    }

    /// Two people disagree; a person decides.
    /// Opens a conflict. Whoever is there decides it on the dashboard; else the story goes on by itself.
    async fn conflict(&self, dashboard: Option<&str>) -> Result<(), Failure> {
        self.act(&[
            scene(
                "crm makes Linus a lead",
                "crm",
                "update contacts set status = 'lead' where email = 'linus@example.com'",
            ),
            scene(
                "erp blocks him",
                "erp",
                "update CUSTOMER set STAT = '8' where EMAIL = 'linus@example.com'",
            ),
        ])
        .await?;
        let mut session = Session::open(&self.context, Use::Write, Reach::Systems).await?;
        let open = session.hub.conflicts(false, 10).await?;
        let Some(conflict) = open.into_iter().next() else {
            return Err(Failure::new("bug.unexpected", "the demo's conflict was not opened"));
        };
        let number = conflict.number;
        self.tell(
            &format!(
                "          conflict {number} waits for a person: syncline conflicts show {number}"
            ),
            &json!({ "event": "conflict", "number": number }),
        );
        if let Some(url) = dashboard {
            report::say(&format!("          decide it: {url}#/conflicts/{number}"));
            return Ok(());
        }
        let erp = crate::address::system_named(&session, "erp")?;
        let command = Command::Resolve {
            record: conflict.record,
            part: conflict.part.clone(),
            field: conflict.field,
            take: Take::System(erp),
            who: "steward1: credit hold confirmed".into(),
        };
        decide::command(&session, "resolve", conflict.entity, vec![command]).await?;
        let outcome =
            decide::carry_out(&mut session, &self.context, "resolve", vec![conflict.entity])
                .await?;
        for line in outcome.lines {
            self.tell(
                &format!("          steward1 takes erp's word: {line}"),
                &json!({ "event": "settled", "number": number, "line": line }),
            );
        }
        Ok(())
    }

    /// The three must agree now.
    async fn compare(&self) -> Result<Answer, Failure> {
        let whole =
            verify::Verify { entity: None, repair: false, sample: None, columns: Vec::new() };
        let verified = whole.run(&self.context).await?;
        self.tell(
            &verified.text,
            &json!({ "event": "verified", "summary": verified.summary, "result": verified.result }),
        );
        if verified.exit != Exit::Done {
            return Err(Failure::new("run.incomplete", "the three systems do not agree")
                .cause(verified.summary)
                .with_exit(Exit::Failed));
        }
        Ok(Answer::new("the three systems agree").with_result(json!({ "agree": true })))
    }
}

/// The time of day, in UTC.
fn clock_time() -> String {
    let time = crate::words::time(Session::now());
    time.get(11..19).unwrap_or(&time).to_owned()
}
