//! From a file name to a configuration that can be used: the file, its overlay, its lookup files.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::tz::TimeZone;
use syncline_adapters::{
    hub::{
        envelope::Envelope,
        seal::{HubKey, Keyring},
    },
    settings::{Kind, Secret, Settings, folder::Folder, hook::Hook},
};
use syncline_core::{Text, plan::Plan};

use crate::{
    cli::Context,
    config::{
        check,
        compile::{self, Live},
        complaint::{self, Complaint, Severity},
        draft::{
            BindingDraft, Draft, EntityDraft, FieldDraft, Spanned, SystemDraft, folder::FolderDraft,
        },
        lookup, numbering,
        read::Reader,
        secrets::{self, Reference},
        source::{Place, Sources},
        tree::{self, Node},
    },
    exit::Exit,
    report::{self, Failure, Paint},
};

mod api;

/// A configuration, as far as it can be known without asking a system. Everybody who works with one has it:
/// what is large is there once.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// The files.
    pub(crate) sources: Arc<Sources>,
    /// What stands in them, the overlay laid over the file; `None` if that could not be read.
    pub(crate) root: Option<Arc<Node>>,
    /// What they say.
    pub(crate) draft: Arc<Draft>,
    /// What is wrong with them, in the file's order.
    pub(crate) complaints: Vec<Complaint>,
    /// Systems and entities that the hub still knows and whose numbers would be given to others.
    pub(crate) gone: Vec<String>,
    /// The folder of the configuration; relative paths start here.
    pub(crate) folder: PathBuf,
    /// The configuration, as it was named.
    pub(crate) path: PathBuf,
}

/// Reads and checks the configuration that the command line names. Warnings go to stderr; errors
/// are a failure that shows them all.
pub(crate) fn load(context: &Context) -> Result<Loaded, Failure> {
    let mut loaded = read(&context.config, context.env.as_deref())?;
    if loaded.is_invalid() {
        return Err(loaded.failure(&loaded.complaints, context.paint));
    }
    loaded.number()?;
    if context.warns && !context.quiet && !context.json {
        for warning in &loaded.complaints {
            report::note(&warning.render(&loaded.sources, context.paint));
        }
    }
    Ok(loaded)
}

/// Reads and checks a configuration, offline. Fails only if a file cannot be read.
pub(crate) fn read(path: &Path, env: Option<&str>) -> Result<Loaded, Failure> {
    with_text(path, read_text(path)?, env)
}

/// The same, if the file held this text.
pub(crate) fn with_text(path: &Path, text: String, env: Option<&str>) -> Result<Loaded, Failure> {
    let mut sources = Sources::default();
    let file = sources.add(path.to_path_buf(), text);
    let (mut root, mut complaints) = tree::parse(&sources, file);
    if let Some(env) = env {
        let path = overlay_path(path, env)?;
        let above = read_tree(&mut sources, &path, &mut complaints)?;
        root = match (root, above) {
            (Some(below), Some(above)) => Some(tree::overlay(below, above)),
            (_, _) => None,
        };
    }
    Ok(understand(sources, root, complaints, path))
}

/// What a text says that would stand in a file of this name.
pub(crate) fn of_text(path: &Path, text: String) -> Loaded {
    let mut sources = Sources::default();
    let file = sources.add(path.to_path_buf(), text);
    let (root, complaints) = tree::parse(&sources, file);
    understand(sources, root, complaints, path)
}

/// What a tree says.
pub(crate) fn understand(
    mut sources: Sources,
    root: Option<Node>,
    complaints: Vec<Complaint>,
    path: &Path,
) -> Loaded {
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    let mut reader = Reader {
        sources: &mut sources,
        complaints,
        apis: BTreeMap::new(),
        pushes: BTreeSet::new(),
        files: BTreeMap::new(),
    };
    let mut draft = root.as_ref().map(|root| reader.file(root)).unwrap_or_default();
    let mut complaints = reader.complaints;
    draft.times_of_items();
    lookup::read_all(&mut draft, &folder, &mut sources, &mut complaints);
    complaints.extend(check::check(&sources, &draft));
    complaints.extend(readable_secrets(&draft, &folder));
    if !complaints.iter().any(|found| found.severity == Severity::Error) {
        complaints.extend(compile::compile(&sources, &draft, None).1);
    }
    let complaints = complaint::sorted(complaints);
    let (gone, path) = (Vec::new(), path.to_path_buf());
    let (sources, root, draft) = (Arc::new(sources), root.map(Arc::new), Arc::new(draft));
    Loaded { sources, root, draft, complaints, gone, folder, path }
}

fn read_tree(
    sources: &mut Sources,
    path: &Path,
    complaints: &mut Vec<Complaint>,
) -> Result<Option<Node>, Failure> {
    let text = read_text(path)?;
    let file = sources.add(path.to_path_buf(), text);
    let (root, found) = tree::parse(sources, file);
    complaints.extend(found);
    Ok(root)
}

fn read_text(path: &Path) -> Result<String, Failure> {
    use std::io::Read as _;
    let shown = path.display();
    let refuse = |error: std::io::Error| {
        let failure = Failure::new("config.not_found", format!("{shown} cannot be read"))
            .cause(error.to_string());
        if error.kind() == std::io::ErrorKind::NotFound {
            failure.fix("syncline init writes a first one; -c FILE names another")
        } else {
            failure.fix("check the name and the permissions of the file")
        }
    };
    let file = std::fs::File::open(path).map_err(refuse)?;
    let mut bytes = Vec::new();
    file.take(tree::BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(refuse)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::new("config.syntax", format!("{shown} is not UTF-8 text"))
            .cause(format!("byte {at} begins no letter"))
            .fix("save it as UTF-8")
    })
}

/// Puts a text in the place of a file, as a whole or not at all.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let refuse = |error: std::io::Error| {
        Failure::new("config.not_written", format!("{} cannot be written", path.display()))
            .cause(error.to_string())
            .done("the file is as it was")
            .with_exit(Exit::Environment)
    };
    let beside = path.with_extension("yaml.new");
    std::fs::write(&beside, text).map_err(refuse)?;
    if let Ok(found) = std::fs::metadata(path) {
        let _ = std::fs::set_permissions(&beside, found.permissions());
    }
    std::fs::rename(&beside, path).map_err(refuse)
}

/// `syncline.yaml` with `staging` is `syncline.staging.yaml`.
fn overlay_path(path: &Path, env: &str) -> Result<PathBuf, Failure> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    if env.is_empty() || !env.chars().all(is_name) {
        return Err(Failure::new("usage.arguments", format!("`{env}` cannot name an overlay"))
            .with_exit(Exit::Usage)
            .fix("letters, digits, _ and -: -e staging reads syncline.staging.yaml"));
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let extension = path.extension().map_or("yaml".into(), |found| found.to_string_lossy());
    Ok(path.with_file_name(format!("{stem}.{env}.{extension}")))
}

/// Files of secrets that everybody may read.
fn readable_secrets(draft: &Draft, folder: &Path) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for system in &draft.systems {
        if let Some(password) = &system.password
            && let Reference::File(file) = &password.value
            && secrets::is_world_readable(&folder.join(file))
        {
            complaints.push(
                Complaint::warning(
                    "secret.readable",
                    password.place,
                    "everybody may read this file",
                )
                .fix(format!("chmod 600 {file}")),
            );
        }
    }
    complaints
}

impl Loaded {
    /// There is an error among the complaints.
    pub(crate) fn is_invalid(&self) -> bool {
        self.complaints.iter().any(|found| found.severity == Severity::Error)
    }

    /// One failure that shows these complaints.
    pub(crate) fn failure(&self, complaints: &[Complaint], paint: Paint) -> Failure {
        complaint::failure(complaints, &self.sources, paint)
    }

    /// The plan, with what the systems' schemas say if they are known, and what there is to
    /// complain about then.
    pub(crate) fn compile(&self, live: Option<&Live>) -> (Plan, Vec<Complaint>) {
        compile::compile(&self.sources, &self.draft, live)
    }

    /// The plan for work: compiled with the schemas, refused if they do not fit: whatever
    /// `check --online` refuses, but for what a system says itself once it is asked for its rows.
    /// That system is left alone then, and the others go on.
    pub(crate) fn plan(&self, context: &Context, live: &Live) -> Result<Plan, Failure> {
        let (plan, mut complaints) = self.compile(Some(live));
        complaints.extend(self.unfit(&plan, live).into_iter().filter(|found| {
            let is_gone = matches!(found.code, "schema.missing_table" | "schema.missing_column");
            !is_gone && Exit::of_code(found.code) != Exit::Environment
        }));
        complaints.retain(|found| found.severity == Severity::Error);
        if complaints.is_empty() {
            return Ok(plan);
        }
        Err(self.failure(&complaint::sorted(complaints), context.paint))
    }

    /// The names of the systems, in the file's order.
    pub(crate) fn systems(&self) -> impl Iterator<Item = &str> {
        self.draft.systems.iter().map(|system| system.name.value.as_str())
    }

    /// Every table of this system that the file names, each once.
    pub(crate) fn tables(&self, system: &str) -> Vec<Text> {
        let lists = self.draft.entities.iter().filter_map(|entity| entity.lines.as_deref());
        let mut tables: Vec<Text> = Vec::new();
        for entity in self.draft.entities.iter().chain(lists) {
            if let Some(binding) = entity.binding(system)
                && !tables.contains(&binding.table.value)
            {
                tables.push(binding.table.value.clone());
            }
        }
        tables
    }

    /// A field of an entity or of a child list (`orders.lines`), as it is written.
    pub(crate) fn field(&self, entity: &str, field: &str) -> Option<&FieldDraft> {
        self.entity(entity)?.field(field)
    }

    fn entity(&self, name: &str) -> Option<&EntityDraft> {
        let lists = self.draft.entities.iter().filter_map(|entity| entity.lines.as_deref());
        self.draft.entities.iter().chain(lists).find(|entity| entity.name == name)
    }

    /// Where it is said who wins on this field; `None`: nowhere.
    pub(crate) fn policy_place(&self, entity: &str, field: &str) -> Option<String> {
        let found = self.entity(entity)?;
        let own = found.field(field).and_then(|field| field.conflicts.as_ref());
        let said =
            own.or(found.common.conflicts.as_ref()).or(self.draft.defaults.conflicts.as_ref());
        said.map(|said| self.line(said.place))
    }

    /// A place as people name it: `syncline.yaml:62`.
    pub(crate) fn line(&self, place: Place) -> String {
        format!("{}:{}", self.sources.name(place), self.sources.line_column(place).line)
    }

    /// The files of the configuration, as they stand.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.sources.files.iter().map(|file| file.text.as_str()).collect()
    }

    /// The hub's file.
    pub(crate) fn hub_path(&self) -> PathBuf {
        match &self.draft.hub_path {
            Some(path) => self.folder.join(&path.value),
            None => self.folder.join("syncline.hub.db"),
        }
    }

    /// The keys that open the hub, resolved now; `None`: it is kept in clear.
    ///
    /// # Errors
    /// `secret.unresolved`, also for what is no key.
    pub(crate) async fn hub_keys(&self) -> Result<Option<Keyring>, Failure> {
        let Some(key) = &self.draft.hub_key else { return Ok(None) };
        let key = self.hub_key("key", key).await?;
        let previous = match &self.draft.hub_previous_key {
            Some(previous) => Some(self.hub_key("previous_key", previous).await?),
            None => None,
        };
        Ok(Some(Keyring { key, previous }))
    }

    async fn hub_key(&self, name: &str, reference: &Spanned<Reference>) -> Result<HubKey, Failure> {
        let secret = self.secret_at(&format!("hub.{name}"), reference).await?;
        HubKey::parse(secret.reveal()).ok_or_else(|| {
            Failure::new("secret.unresolved", format!("hub.{name}: this is no key"))
                .cause("a key is 32 bytes, written as 64 hexadecimal digits or in Base64")
                .part("place", self.line(reference.place))
                .done("the hub was not opened")
                .fix("openssl rand -hex 32 makes one; keep it apart from the hub and its copies")
        })
    }

    /// Puts everything into the order in which the hub numbers it, if there is a hub.
    fn number(&mut self) -> Result<(), Failure> {
        if let Some(known) = numbering::known(&self.hub_path())? {
            self.gone = numbering::settle(Arc::make_mut(&mut self.draft), &known);
        }
        Ok(())
    }

    /// How to reach a system; its secret is resolved now.
    ///
    /// # Errors
    /// `config.unknown_system`, `secret.unresolved`.
    pub(crate) async fn settings(&self, system: &str) -> Result<Settings, Failure> {
        let draft = self.draft.system(system).ok_or_else(|| {
            let known: Vec<&str> = self.systems().collect();
            Failure::new("config.unknown_system", format!("there is no system `{system}`"))
                .fix(format!("systems: {}", known.join(", ")))
        })?;
        let mut settings = self.settings_without_secret(draft)?;
        if settings.kind == Kind::Push {
            settings.envelope = Some(Envelope::new(self.hub_keys().await?));
        }
        if let Some(password) = &draft.password {
            settings.password = Some(self.secret(system, "password", password).await?);
        }
        if let (Some(rest), Kind::Rest) = (&draft.rest, settings.kind) {
            settings.api = Some(Arc::new(self.api(system, &settings, rest).await?));
        }
        Ok(settings)
    }

    async fn secret(
        &self,
        system: &str,
        key: &str,
        reference: &Spanned<Reference>,
    ) -> Result<Secret, Failure> {
        let secret = self.secret_at(&format!("systems.{system}.{key}"), reference).await;
        secret.map_err(|failure| failure.done(format!("{system} was not contacted")))
    }

    pub(crate) async fn secret_at(
        &self,
        key: &str,
        reference: &Spanned<Reference>,
    ) -> Result<Secret, Failure> {
        reference.value.resolve(&self.folder).await.map_err(|why| {
            let place = self.line(reference.place);
            Failure::new("secret.unresolved", format!("{key}: {why}"))
                .part("place", place)
                .fix("set it, or name another place with env:, file: or exec:")
        })
    }

    /// How a system that calls us proves itself, its secrets resolved; `None`: it does not call us.
    ///
    /// # Errors
    /// A secret that cannot be resolved.
    pub(crate) async fn hook(&self, system: &str) -> Result<Option<Hook>, Failure> {
        let draft = self.draft.system(system).and_then(|it| it.detect.webhook.as_ref());
        let Some(draft) = draft else { return Ok(None) };
        let mut hook = draft.hook.clone();
        for secret in &draft.secrets {
            hook.secrets.push(self.secret(system, "detect.webhook.secrets", secret).await?);
        }
        Ok(Some(hook))
    }

    /// Whether a system only tells, and cannot be asked.
    pub(crate) fn only_tells(&self, system: &str) -> bool {
        let address = self.draft.system(system).and_then(|it| it.address.as_ref());
        address.is_some_and(|address| address.value.kind == Kind::Push)
    }

    /// What tells the rows of each table of a system apart, as the file says.
    pub(crate) fn keys(&self, system: &str) -> BTreeMap<Text, Vec<Text>> {
        let bound = self.draft.entities.iter().filter_map(|entity| entity.binding(system));
        let key = |binding: &BindingDraft| {
            let key = binding.key.iter().map(|column| column.value.clone()).collect();
            (binding.table.value.clone(), key)
        };
        bound.map(key).collect()
    }

    fn files(&self, system: &str, said: &FolderDraft, path: &str) -> Folder {
        let zone = self.draft.timezone.as_ref().map(|zone| zone.value.as_str());
        Folder {
            path: PathBuf::from(path),
            name: said.name.clone(),
            form: said.form.clone(),
            reads: said.reads,
            writes: said.writes,
            holds: said.holds,
            settle: std::time::Duration::from_millis(said.settle_ms.unsigned_abs()),
            last_line_open: said.last_line_open,
            max_bytes: said.max_bytes,
            keys: self.keys(system),
            zone: zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC),
        }
    }

    fn settings_without_secret(&self, draft: &SystemDraft) -> Result<Settings, Failure> {
        let name = draft.name.value.to_string();
        let Some(address) = &draft.address else {
            return Err(Failure::new("config.value", format!("systems.{name}.url is missing")));
        };
        let address = &address.value;
        let database = match address.kind {
            Kind::Sqlite | Kind::File => self.folder.join(&address.database).display().to_string(),
            Kind::Push => format!("{}.told", self.hub_path().display()),
            Kind::Postgres | Kind::Mysql | Kind::Rest => address.database.clone(),
        };
        let folder = draft.folder.as_ref().map(|said| Arc::new(self.files(&name, said, &database)));
        let span = |ms: i64| std::time::Duration::from_millis(ms.unsigned_abs());
        let keys = match address.kind {
            Kind::Push => self.keys(&name),
            Kind::Postgres | Kind::Mysql | Kind::Sqlite | Kind::Rest | Kind::File => {
                BTreeMap::new()
            }
        };
        Ok(Settings {
            name,
            kind: address.kind,
            host: address.host.clone(),
            port: address.port,
            user: address.user.clone(),
            database,
            password: None,
            tls: draft.tls.as_ref().map_or(address.unsaid_tls(), |tls| tls.value),
            tls_ca: draft
                .tls_ca
                .as_ref()
                .map(|path| self.folder.join(&path.value).display().to_string()),
            connect_timeout: span(draft.connect_timeout_ms),
            statement_timeout: span(draft.statement_timeout_ms),
            marks: draft.marks,
            ways: draft.detect.ways.clone(),
            api: None,
            folder,
            keys,
            envelope: None,
        })
    }
}
