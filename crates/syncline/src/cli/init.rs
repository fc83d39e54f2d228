//! `syncline init`: writes a first configuration; never a secret, never over an existing file.
//!
//! Systems come from `--from` or are asked for; each must answer before anything is written. What
//! an entity is, nobody can guess: the file ends with the tables that were found, as remarks.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum as _};
use serde_json::json;
use syncline_adapters::settings::Settings;
use syncline_core::{Text, error::PortError};

use crate::{
    cli::{Context, ask},
    config::{self, Severity},
    exit::Exit,
    report::{self, Answer, Failure},
};

/// Flags of `init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// A system to start from: <postgres://user@host/db>, mariadb://…, sqlite:PATH. May be repeated.
    #[arg(long, value_name = "URL")]
    pub(crate) from: Vec<String>,
    /// A whole configuration to adapt instead; `list` says what there is.
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    pub(crate) template: Option<Template>,
}

/// Configurations to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Template {
    /// Two tables that hold the same people, both ways.
    TwoTables,
    /// A table that another follows.
    OneWay,
    /// A CRM on PostgreSQL and an ERP on MariaDB: people, orders with lines, stock, staff.
    CrmErp,
    /// A shop with a REST API and an ERP on MariaDB or PostgreSQL: customers, orders, stock.
    ShopErp,
    /// All three of them: customers and articles.
    CrmErpShop,
    /// What there is.
    List,
}

impl Template {
    /// The file; none for the list.
    const fn text(self) -> Option<&'static str> {
        match self {
            Self::TwoTables => Some(include_str!("init/two-tables.yaml")),
            Self::OneWay => Some(include_str!("init/one-way.yaml")),
            Self::CrmErp => Some(include_str!("init/crm-erp.yaml")),
            Self::ShopErp => Some(include_str!("init/shop-erp.yaml")),
            Self::CrmErpShop => Some(include_str!("init/crm-erp-shop.yaml")),
            Self::List => None,
        }
    }
}

/// The names of all templates, with what they are.
fn list() -> Answer {
    let (mut text, mut plain, mut all) = (String::new(), String::new(), Vec::new());
    for template in Template::value_variants().iter().filter(|it| it.text().is_some()) {
        let Some(value) = template.to_possible_value() else { continue };
        let name = value.get_name().to_owned();
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("{name:<14}{help}\n"));
        plain.push_str(&format!("{name}\t{help}\n"));
        all.push(json!({ "name": name, "about": help }));
    }
    text.push_str("Next: syncline init --template NAME");
    let summary = crate::words::counted(all.len() as u64, "template");
    Answer::new(summary).with_result(json!({ "templates": all })).with_text(text).with_plain(plain)
}

/// A system that answered.
struct Found {
    name: String,
    url: String,
    password: Option<String>,
    product: Text,
    tables: Vec<(Text, Vec<Text>)>,
}

/// Tables whose columns are listed; the rest is only counted.
const TABLES_MAX: usize = 40;

impl Init {
    /// Does it.
    pub(crate) async fn run(self, context: &Context) -> Result<Answer, Failure> {
        if self.template == Some(Template::List) {
            return Ok(list());
        }
        let path = &context.config;
        if path.exists() {
            let shown = path.display();
            return Err(Failure::new("config.exists", format!("{shown} is there already"))
                .done("nothing was changed")
                .fix("syncline check examines it; -c FILE names another"));
        }
        if let Some(text) = self.template.and_then(Template::text) {
            let written = write(path, text)?;
            let summary = format!(
                "Wrote {}. Next: put your own addresses, tables and columns into {}, then syncline check --online",
                written.join(", "),
                path.display()
            );
            return Ok(Answer::new(summary).with_result(json!({ "written": written })));
        }
        let mut found: Vec<Found> = Vec::new();
        for url in &self.from {
            let name = free_name(&found, &name_of(url));
            let system = examine(path, name, url.clone()).await?;
            context.note(&line(&system));
            found.push(system);
        }
        if self.from.is_empty() && context.interactive {
            ask_for(context, &mut found).await;
        }
        if found.is_empty() {
            return Err(Failure::new("usage.arguments", "which systems should be kept in step?")
                .done("nothing was written")
                .fix("syncline init --from postgres://user@host/database --from sqlite:desk.db"));
        }
        let written = write(path, &file(&found))?;
        let systems: Vec<_> = found
            .iter()
            .map(|it| {
                json!({
                    "name": it.name,
                    "product": it.product.as_str(),
                    "tables": it.tables.len(),
                    "password": it.password,
                })
            })
            .collect();
        let summary = format!(
            "Wrote {}. Next: {}",
            written.join(", "),
            match found.as_slice() {
                [one, other, ..] => format!("syncline discover {} {}", one.name, other.name),
                _ => format!(
                    "name the tables that belong together under entities: in {}, then syncline check --online",
                    path.display()
                ),
            }
        );
        Ok(Answer::new(summary).with_result(json!({ "written": written, "systems": systems })))
    }
}

/// Asks until there are enough systems; one that does not answer is asked for again.
async fn ask_for(context: &Context, found: &mut Vec<Found>) {
    loop {
        let more = if found.len() < 2 { "" } else { "; empty: that is all" };
        let url = ask::answer(&format!(
            "System {} (postgres://user@host/database, mariadb://…, sqlite:PATH{more}):",
            found.len() + 1
        ));
        if url.is_empty() {
            return;
        }
        let offer = free_name(found, &name_of(&url));
        let name = match ask::answer(&format!("Its name [{offer}]:")) {
            name if name.is_empty() => offer,
            name => free_name(found, &tidy(&name)),
        };
        match examine(&context.config, name, url).await {
            Ok(system) => {
                report::note(&line(&system));
                found.push(system);
            }
            Err(failure) => report::note(&failure.render(context.paint)),
        }
    }
}

/// `  ✓ crm  PostgreSQL 15.18, 12 tables, password from CRM_PASSWORD`.
fn line(found: &Found) -> String {
    let tables = crate::words::counted(found.tables.len() as u64, "table");
    let password = found
        .password
        .as_ref()
        .map_or_else(String::new, |variable| format!(", password read from {variable}"));
    format!("  ✓ {}  {}, {tables}{password}", found.name, found.product)
}

/// Connects, and looks at what is there.
async fn examine(path: &Path, name: String, url: String) -> Result<Found, Failure> {
    let variable = format!("{}_PASSWORD", name.to_uppercase());
    let password =
        (!url.starts_with("sqlite:") && std::env::var_os(&variable).is_some()).then_some(variable);
    let text = format!("version: 1\nsystems:\n{}", system(&name, &url, password.as_deref()));
    let loaded = config::of_text(path, text);
    if loaded.complaints.iter().any(|found| found.code == "secret.literal") {
        return Err(Failure::new(
            "secret.literal",
            format!("the address of {name} holds a password"),
        )
        .cause("what stands on a command line is seen by everybody on the machine")
        .done("nothing was contacted or written")
        .fix(format!("leave it out of the address, and set {}_PASSWORD", name.to_uppercase()))
        .with_exit(Exit::Usage));
    }
    let wrong = loaded.complaints.iter().find(|found| {
        found.severity == Severity::Error
            && matches!(found.code, "config.value" | "config.unsupported")
    });
    if let Some(wrong) = wrong {
        let cause = if wrong.label.is_empty() { &wrong.fix } else { &wrong.label };
        return Err(Failure::new(wrong.code, format!("{url}: {}", wrong.message))
            .cause(cause.clone())
            .done("nothing was written")
            .fix(
                "write postgres://user@host/database, mariadb://user@host/database or sqlite:PATH",
            ));
    }
    let settings = loaded.settings(&name).await?;
    let (product, tables) = look(&settings).await.map_err(|error| {
        let failure = crate::session::named(&name, &Failure::from(error));
        match &password {
            None if failure.code == "connect.auth" => {
                failure.fix(format!("set {}_PASSWORD, then again", name.to_uppercase()))
            }
            _ => failure,
        }
        .done("nothing was written")
    })?;
    Ok(Found { name, url, password, product, tables })
}

/// The product, and the tables with their columns.
async fn look(settings: &Settings) -> Result<(Text, Vec<(Text, Vec<Text>)>), PortError> {
    let mut catalog = syncline_adapters::catalog(settings).await?;
    let fitness = catalog.examine(&[]).await?;
    let names = catalog.tables().await?;
    let shown: Vec<Text> = names.iter().take(TABLES_MAX).cloned().collect();
    let described = catalog.describe(&shown).await?;
    let columns = described.into_iter().map(|table| {
        let columns = table.map(|table| table.columns).unwrap_or_default();
        columns.into_iter().map(|column| column.name).collect::<Vec<_>>()
    });
    let columns = columns.chain(std::iter::repeat(Vec::new()));
    Ok((fitness.product, names.into_iter().zip(columns).collect()))
}

/// A system as the file says it.
fn system(name: &str, url: &str, password: Option<&str>) -> String {
    let url = url.replace('\\', "\\\\").replace('"', "\\\"");
    let password = password.map_or_else(String::new, |it| format!(", password: env:{it}"));
    format!("  {name}: {{url: \"{url}\"{password}}}\n")
}

/// The whole file.
fn file(found: &[Found]) -> String {
    let mut text = String::from("version: 1\nsystems:\n");
    for it in found {
        text.push_str(&system(&it.name, &it.url, it.password.as_deref()));
    }
    text.push_str(
        "# For each kind of record: its table in each system, what two rows of one record have in\n\
         # common (match), and a line per field with the column in each system. For example:\n#\n\
         # entities:\n#   contacts:\n",
    );
    let all = |what: &dyn Fn(&Found) -> &str| {
        found.iter().map(|it| format!("{}: {}", it.name, what(it))).collect::<Vec<_>>().join(", ")
    };
    let first =
        |it: &Found| it.tables.first().map_or("TABLE", |(name, _)| name.as_str()).to_owned();
    let tables: Vec<String> =
        found.iter().map(|it| format!("{}: {}", it.name, first(it))).collect();
    text.push_str(&format!("#     in: {{{}}}\n#     match: email\n", tables.join(", ")));
    text.push_str(&format!(
        "#     fields:\n#       email: {{{}}}\n#       name: {{{}}}\n#\n# What was found:\n",
        all(&|_| "email"),
        all(&|_| "name")
    ));
    for it in found {
        for (table, columns) in it.tables.iter().take(TABLES_MAX) {
            let columns: Vec<&str> = columns.iter().map(Text::as_str).collect();
            text.push_str(&format!("#   {}: {table} ({})\n", it.name, columns.join(", ")));
        }
        if it.tables.len() > TABLES_MAX {
            text.push_str(&format!(
                "#   {}: and {} more tables\n",
                it.name,
                it.tables.len() - TABLES_MAX
            ));
        }
    }
    text
}

/// What must not get into a repository: the hub, plans, secrets.
const IGNORED: [&str; 4] = ["*.hub.db*", ".plan-*/", "*.plan", "secrets/"];

/// Writes the three; gives back their names. The configuration comes last: with it, it is done.
fn write(path: &Path, text: &str) -> Result<Vec<String>, Failure> {
    let failed = |path: &Path, error: std::io::Error| {
        Failure::new("config.not_written", format!("{} cannot be written", path.display()))
            .cause(error.to_string())
            .fix("choose a folder that can be written: -c FOLDER/syncline.yaml")
    };
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let tests: PathBuf = folder.join("tests");
    let readme = tests.join("README.md");
    std::fs::create_dir_all(&tests).map_err(|error| failed(&tests, error))?;
    if !readme.exists() {
        let words = "Cases of the mapping, one file per entity, for `syncline test`.\n";
        std::fs::write(&readme, words).map_err(|error| failed(&readme, error))?;
    }
    let ignore = folder.join(".gitignore");
    let mut lines = std::fs::read_to_string(&ignore).unwrap_or_default();
    for line in IGNORED {
        if !lines.lines().any(|known| known == line) {
            if !lines.is_empty() && !lines.ends_with('\n') {
                lines.push('\n');
            }
            lines.push_str(line);
            lines.push('\n');
        }
    }
    std::fs::write(&ignore, lines).map_err(|error| failed(&ignore, error))?;
    let mut file = std::fs::File::create_new(path).map_err(|error| failed(path, error))?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(|error| failed(path, error))?;
    Ok(vec![path.display().to_string(), "tests/".into(), ".gitignore".into()])
}

/// A name for a system, from the database or file in its address.
fn name_of(url: &str) -> String {
    let path = url.split_once(':').map_or(url, |(_, rest)| rest);
    let last = path.rsplit('/').next().unwrap_or(path);
    let stem = last.split('.').next().unwrap_or(last);
    tidy(stem)
}

fn tidy(name: &str) -> String {
    let mut name: String = name
        .to_lowercase()
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' })
        .collect();
    if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        name.insert_str(0, "system");
    }
    name
}

fn free_name(found: &[Found], wanted: &str) -> String {
    let taken = |name: &str| found.iter().any(|it| it.name == name);
    let mut numbered = (2..).map(|number| format!("{wanted}{number}"));
    if taken(wanted) {
        numbered.find(|name| !taken(name)).unwrap_or_else(|| wanted.to_owned())
    } else {
        wanted.to_owned()
    }
}
