//! `entities:`: where they live, how rows find each other, their fields and lines.

use syncline_adapters::settings::api::Resource;
use syncline_core::Text;

use crate::{
    config::{
        complaint::Complaint,
        draft::{BindingDraft, EntityDraft, Name, Schedule, Spanned},
        keys::{self, Section},
        read::{Entries, Reader},
        similar,
        tree::{Kind, Node},
    },
    cron,
};

impl Reader<'_> {
    /// All entities.
    pub(super) fn entities(&mut self, node: &Node, systems: &[&str]) -> Vec<EntityDraft> {
        let Kind::Map(pairs) = &node.kind else {
            self.wrong(
                node.place,
                format!("`entities` takes entities by name, not {}", node.what()),
            );
            return Vec::new();
        };
        if pairs.is_empty() {
            self.wrong(node.place, "there are no entities");
        }
        let mut entities = Vec::new();
        for (key, value) in pairs {
            let name = self.name(key, "an entity", true);
            if systems.contains(&key.text.as_str()) {
                self.wrong(
                    key.place,
                    format!(
                        "`{0}` is a system already: commands could not tell which you mean",
                        key.text
                    ),
                );
            }
            entities.push(self.entity(&name, value, systems));
        }
        self.one_file_each(&entities);
        entities
    }

    fn entity(&mut self, name: &Name, node: &Node, systems: &[&str]) -> EntityDraft {
        let mut entity =
            EntityDraft { name: name.value.clone(), place: name.place, ..EntityDraft::default() };
        let what = format!("entity `{}`", name.value);
        let Some(entries) = self.entries(node, &keys::entity::ENTITY, &what, &[]) else {
            return entity;
        };
        if let Some(node) = entries.get("in") {
            entity.bindings = self.bindings(node, &keys::entity::BINDING, systems);
        }
        entity.when = self.text_of(&entries, "when");
        if let Some(node) = entries.get("validate") {
            entity.validate = self.validate(node);
        }
        if let Some(node) = entries.get("match") {
            entity.matching = self.matching(node);
        }
        if let Some(node) = entries.get("fields") {
            (entity.fields, entity.never) = self.fields(node, systems);
        }
        entity.units = entries.get("units").map_or_else(Vec::new, |node| self.units(node));
        entity.from = self.systems_of(&entries, "from", systems);
        entity.to = self.systems_of(&entries, "to", systems);
        entity.common = self.common(&entries, systems);
        entity.schedule = entries.get("schedule").and_then(|node| self.schedule(node));
        if let Some(node) = entries.get("lines") {
            entity.lines = self.lines(&entity, node, systems).map(Box::new);
        }
        self.in_files(&mut entity);
        entity
    }

    fn schedule(&mut self, node: &Node) -> Option<Schedule> {
        let entries = self.entries(node, &keys::entity::SCHEDULE, "`schedule`", &[])?;
        let every = self.duration_of(&entries, "every").map(|ms| Schedule::Every(ms.max(100)));
        let cron = self.text_of(&entries, "cron").filter(|text| match cron::parse(&text.value) {
            Ok(_) => true,
            Err(why) => {
                self.complain(
                    Complaint::error("config.value", text.place, format!("`cron`: {why}")).fix(
                        "minute, hour, day, month, weekday: `0 2 * * *` is every night at two",
                    ),
                );
                false
            }
        });
        match (every, cron) {
            (Some(_), Some(_)) => {
                self.wrong(node.place, "`schedule` takes `every` or `cron`, not both");
                None
            }
            (Some(every), None) => Some(every),
            (None, Some(cron)) => Some(Schedule::Cron(cron)),
            (None, None) => {
                if entries.get("every").is_none() && entries.get("cron").is_none() {
                    self.wrong(node.place, "`schedule` takes `every` or `cron`");
                }
                None
            }
        }
    }

    fn lines(
        &mut self,
        parent: &EntityDraft,
        node: &Node,
        systems: &[&str],
    ) -> Option<EntityDraft> {
        let entries = self.entries(node, &keys::entity::LINES, "`lines`", &[])?;
        let mut lines = EntityDraft {
            name: Text::new(format!("{}.lines", parent.name)),
            place: node.place,
            ..EntityDraft::default()
        };
        if let Some(node) = entries.get("in") {
            lines.bindings = self.bindings(node, &keys::entity::LINES_BINDING, systems);
        }
        if let Some(node) = entries.get("key")
            && let Some(fields) = self.texts(node, "key")
        {
            lines.matching = vec![Spanned { value: fields, place: node.place }];
        }
        if let Some(node) = entries.get("fields") {
            (lines.fields, lines.never) = self.fields(node, systems);
        }
        let mut bindings = std::mem::take(&mut lines.bindings);
        bindings.retain_mut(|binding| self.held_in(parent, &lines, binding).is_some());
        lines.bindings = bindings;
        Some(lines)
    }

    /// What lines that their parent's item holds have from it. `None`: they cannot be held there.
    fn held_in(
        &mut self,
        parent: &EntityDraft,
        lines: &EntityDraft,
        binding: &mut BindingDraft,
    ) -> Option<()> {
        let Some(within) = binding.within.clone() else { return Some(()) };
        let system = &binding.system.value;
        let Some(holder) = parent.binding(system) else {
            let message =
                format!("{} does not live in {system}: nothing holds its lines", parent.name);
            self.wrong(within.place, message);
            return None;
        };
        let path = self.path(&within)?;
        if path.is_root() {
            self.wrong(within.place, "the list is inside the item: write line_items");
            return None;
        }
        // Names that no path can have: see the REST adapter.
        let of_parent = |name: &Name| {
            let value = Text::new(format!("..{}", name.value));
            Spanned { value, place: within.place }
        };
        binding.table = holder.table.clone();
        binding.parent = holder.key.iter().map(of_parent).collect();
        binding.cursor = holder.cursor.as_ref().map(of_parent);
        binding.key.clone_from(&binding.parent);
        for name in lines.matching.iter().flat_map(|rule| &rule.value) {
            let field = lines.fields.iter().find(|field| field.name.value == name.value);
            // That there is no such field is said elsewhere.
            let Some(field) = field else { continue };
            let columns = field.cell(system).map(|cell| cell.columns.as_slice());
            let Some([column]) = columns else {
                let message = format!(
                    "`{}` tells lines apart: in {system} it needs a cell with one member",
                    name.value
                );
                self.complain(Complaint::error("config.value", within.place, message));
                return None;
            };
            binding.key.push(column.clone());
        }
        binding.within = Some(Spanned { value: Text::new(path.to_string()), place: within.place });
        Some(())
    }

    /// Names of systems, all known.
    pub(super) fn systems_of(
        &mut self,
        entries: &Entries<'_>,
        key: &str,
        systems: &[&str],
    ) -> Option<Vec<Name>> {
        let names = self.texts_of(entries, key)?;
        for name in &names {
            self.known_system(name, systems);
        }
        Some(names)
    }

    /// Complains about a system that does not exist.
    pub(super) fn known_system(&mut self, name: &Name, systems: &[&str]) -> bool {
        if systems.contains(&name.value.as_str()) {
            return true;
        }
        let message = format!("there is no system `{}`", name.value);
        let complaint = Complaint::error("config.unknown_system", name.place, message);
        self.complain(match similar::nearest(&name.value, systems.iter().copied()) {
            Some(near) => complaint.label(format!("did you mean `{near}`?")).edit(name.place, near),
            None => complaint.fix(format!("systems: {}", systems.join(", "))),
        });
        false
    }

    fn bindings(
        &mut self,
        node: &Node,
        section: &'static Section,
        systems: &[&str],
    ) -> Vec<BindingDraft> {
        let Kind::Map(pairs) = &node.kind else {
            self.wrong(node.place, "`in` takes the table of each system: {crm: contacts}");
            return Vec::new();
        };
        let mut bindings = Vec::new();
        for (key, value) in pairs {
            let system = Spanned { value: Text::new(&key.text), place: key.place };
            if !self.known_system(&system, systems) {
                continue;
            }
            bindings.extend(self.one_binding(system, value, section));
        }
        if bindings.is_empty() && pairs.is_empty() {
            self.wrong(node.place, "`in` names no system");
        }
        bindings
    }

    fn one_binding(
        &mut self,
        system: Name,
        node: &Node,
        section: &'static Section,
    ) -> Option<BindingDraft> {
        let mut binding = BindingDraft {
            system,
            table: Spanned { value: Text::default(), place: node.place },
            key: Vec::new(),
            changed_at: None,
            changed_by: None,
            cursor: None,
            when: None,
            on_leave: None,
            schedule: None,
            parent: Vec::new(),
            within: None,
        };
        let resources = self.apis.get(&binding.system.value).cloned();
        let are_lines = section.name == keys::entity::LINES_BINDING.name;
        if let (Some(_), true, Kind::Scalar { .. }) = (&resources, are_lines, &node.kind) {
            // Where the list is in its parent's item.
            binding.within = Some(self.text(node, "the list")?);
            return Some(binding);
        }
        let is_push = self.pushes.contains(&binding.system.value);
        if is_push && are_lines {
            self.complain(
                Complaint::error(
                    "config.unsupported",
                    node.place,
                    "this version cannot honour child rows in a system that only tells",
                )
                .fix("keep them as an entity of their own, or leave the system out of `lines`"),
            );
            return None;
        }
        let is_file = self.files.contains_key(&binding.system.value);
        if is_file && are_lines {
            self.complain(
                Complaint::error(
                    "config.unsupported",
                    node.place,
                    "this version cannot honour child rows in a file system",
                )
                .fix("keep them as an entity of their own, or leave the system out of `lines`"),
            );
            return None;
        }
        if let Kind::Scalar { .. } = &node.kind {
            binding.table = self.text(node, "table")?;
            if binding.table.value.is_empty() {
                self.wrong(node.place, "the table has no name");
                return None;
            }
            if let Some(resources) = resources {
                self.resource_of(&mut binding, &resources)?;
            }
            return Some(binding);
        }
        let what = format!("the table in {}", binding.system.value);
        let entries = self.entries(node, section, &what, &[])?;
        let (wanted, others) = match (&resources, is_file) {
            (Some(_), _) => ("resource", ["table", "file"]),
            (None, true) => ("file", ["table", "resource"]),
            (None, false) => ("table", ["resource", "file"]),
        };
        match self.text_of(&entries, wanted) {
            Some(table) => binding.table = table,
            None => {
                let place = crate::config::read::first_line(self.sources, node.place);
                let message = format!("{what} needs `{wanted}`");
                self.complain(Complaint::error("config.missing_key", place, message));
            }
        }
        for other in others {
            if let Some(place) = entries.key(other) {
                let what = &binding.system.value;
                self.wrong(place, format!("in {what} an entity has a `{wanted}`, no `{other}`"));
            }
        }
        if let (true, Some(place)) = (is_file, entries.key("cursor")) {
            self.wrong(place, "a file is read whole: it has no `cursor`");
        }
        if let (true, Some(place)) = (is_push, entries.key("cursor")) {
            self.wrong(place, "it cannot be asked: it has no `cursor`");
        }
        binding.key = self.texts_of(&entries, "key").unwrap_or_default();
        if is_push {
            for part in &mut binding.key {
                part.value = Text::new(self.path(part)?.to_string());
            }
        }
        if let Some(node) = entries.get("changed_at") {
            binding.changed_at = self.changed_at(node);
        }
        binding.changed_by = self.text_of(&entries, "changed_by");
        binding.cursor = self.text_of(&entries, "cursor");
        binding.when = self.text_of(&entries, "when");
        binding.on_leave = self.on_leave(&entries);
        binding.schedule = entries
            .get("schedule")
            .and_then(|node| self.schedule(node).map(|value| Spanned { value, place: node.place }));
        binding.parent = self.texts_of(&entries, "parent").unwrap_or_default();
        if let (Some(_), true, None) = (&resources, are_lines, entries.get("parent")) {
            let message = "lines in a resource of their own need `parent`: where the key of their \
                           parent is in them";
            let place = crate::config::read::first_line(self.sources, node.place);
            self.complain(Complaint::error("config.missing_key", place, message).fix(
                "{resource: line_items, parent: order_id}, or where the list is in the parent's item",
            ));
        }
        if let Some(resources) = resources {
            for key in ["key", "cursor"] {
                if let Some(place) = entries.key(key) {
                    self.wrong(place, format!("`{key}` is said under the system's `resources`"));
                }
            }
            self.resource_of(&mut binding, &resources)?;
        }
        Some(binding)
    }

    /// What a binding has from its resource.
    fn resource_of(
        &mut self,
        binding: &mut BindingDraft,
        resources: &[std::sync::Arc<Resource>],
    ) -> Option<()> {
        let place = binding.table.place;
        let Some(found) = resources.iter().find(|found| found.name == binding.table.value) else {
            let known = resources.iter().map(|resource| resource.name.as_str());
            let near = similar::nearest(&binding.table.value, known.clone());
            let message =
                format!("{} has no resource `{}`", binding.system.value, binding.table.value);
            let complaint = Complaint::error("config.value", place, message);
            self.complain(match near {
                Some(near) => complaint.label(format!("did you mean `{near}`?")).edit(place, near),
                None => {
                    complaint.fix(format!("resources: {}", known.collect::<Vec<_>>().join(", ")))
                }
            });
            return None;
        };
        let named = |path: &syncline_adapters::settings::Path| {
            let value = Text::new(path.to_string());
            Spanned { value, place }
        };
        binding.key = found.key.iter().map(named).collect();
        binding.cursor = found.cursor.as_ref().map(|cursor| named(&cursor.at));
        Some(())
    }

    fn changed_at(&mut self, node: &Node) -> Option<(Name, Option<Name>)> {
        if let Kind::Scalar { .. } = &node.kind {
            return self.text(node, "changed_at").map(|column| (column, None));
        }
        let entries = self.entries(node, &keys::entity::CHANGED_AT, "`changed_at`", &[])?;
        let zone = self.text_of(&entries, "tz").and_then(|zone| self.zone(zone));
        self.text_of(&entries, "column").map(|column| (column, zone))
    }

    fn matching(&mut self, node: &Node) -> Vec<Spanned<Vec<Name>>> {
        let rules: Vec<&Node> = match &node.kind {
            Kind::List(items) => items.iter().collect(),
            Kind::Scalar { .. } | Kind::Map(_) => vec![node],
        };
        if rules.is_empty() {
            self.wrong(node.place, "`match` is an empty list");
        }
        let mut matching = Vec::new();
        for rule in rules {
            let fields = if let Kind::Map(_) = &rule.kind {
                self.entries(rule, &keys::entity::MATCH, "a match rule", &[]).and_then(|entries| {
                    let later = [("review", "similar records come with a later version")];
                    if let Some(node) = entries.get("then") {
                        self.word_now(node, "then", &["link"], &later);
                    }
                    self.texts_of(&entries, "exact")
                })
            } else {
                self.text(rule, "match").map(|field| vec![field])
            };
            if let Some(value) = fields {
                matching.push(Spanned { value, place: rule.place });
            }
        }
        matching
    }

    fn units(&mut self, node: &Node) -> Vec<(Name, Vec<Name>)> {
        let Kind::Map(pairs) = &node.kind else {
            self.wrong(
                node.place,
                "`units` takes lists of fields by name: {address: [street, zip]}",
            );
            return Vec::new();
        };
        let mut units = Vec::new();
        for (key, value) in pairs {
            let name = Spanned { value: Text::new(&key.text), place: key.place };
            if let Some(fields) = self.texts(value, &key.text) {
                if fields.len() < 2 {
                    self.wrong(value.place, "a unit has at least two fields");
                }
                units.push((name, fields));
            }
        }
        units
    }
}
