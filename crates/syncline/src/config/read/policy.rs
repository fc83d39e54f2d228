//! Policies: what can be said under `defaults:` and on an entity or field.

use syncline_core::{
    decimal::Decimal,
    plan::{BelowMin, DeleteConflict, DeletePolicy, OnLeave, OnParentDelete, OnTargetEdit},
    tally::PerUser,
};

use crate::config::{
    complaint::Complaint,
    draft::{
        Common, Conflicts, DAY_MS, Deletes, GuardsDraft, Name, PolicyDraft, Retention, Spanned,
    },
    keys::{self, Shape},
    read::{Entries, Reader},
    scalar,
    tree::{Kind, Node},
};

const POLICIES: &[&str] = &["priority", "newest", "add", "manual", "merge"];

impl Reader<'_> {
    /// `defaults:`.
    pub(super) fn defaults(&mut self, node: &Node, systems: &[&str]) -> Common {
        match self.entries(node, &keys::policy::DEFAULTS, "`defaults`", &[]) {
            Some(entries) => self.common(&entries, systems),
            None => Common::default(),
        }
    }

    /// What `defaults:` and entities have in common.
    pub(super) fn common(&mut self, entries: &Entries<'_>, systems: &[&str]) -> Common {
        Common {
            conflicts: entries.get("conflicts").and_then(|node| self.conflicts(node, systems)),
            deletes: entries.get("deletes").and_then(|node| self.deletes(node, systems)),
            delete_conflict: self.delete_conflict(entries),
            on_target_edit: self.word_of(entries, "on_target_edit", &["revert", "ignore"]).map(
                |word| if word == "ignore" { OnTargetEdit::Ignore } else { OnTargetEdit::Revert },
            ),
            on_parent_delete: self.on_parent_delete(entries),
            on_leave: self.on_leave(entries),
            max_skew_ms: self.duration_of(entries, "max_skew"),
            reconcile_ms: entries.get("reconcile").and_then(|node| self.reconcile(node)),
            guards: entries
                .get("guards")
                .map_or_else(GuardsDraft::default, |node| self.guards(node)),
            per_user: self.per_user(entries),
            auto_rollback: self.bool_of(entries, "auto_rollback"),
            retention: entries
                .get("retention")
                .map_or_else(Retention::default, |node| self.retention(node)),
        }
    }

    fn delete_conflict(&mut self, entries: &Entries<'_>) -> Option<Spanned<DeleteConflict>> {
        let node = entries.get("delete_conflict")?;
        let words = ["priority", "delete_wins", "update_wins", "newest", "manual"];
        let value = match self.word(node, "delete_conflict", &words)? {
            "delete_wins" => DeleteConflict::DeleteWins,
            "update_wins" => DeleteConflict::UpdateWins,
            "newest" => DeleteConflict::Newest,
            "manual" => DeleteConflict::Manual,
            _ => DeleteConflict::Priority,
        };
        Some(Spanned { value, place: node.place })
    }

    fn on_parent_delete(&mut self, entries: &Entries<'_>) -> Option<OnParentDelete> {
        let words = ["wait", "cascade", "detach", "forbid"];
        let word = self.word_of(entries, "on_parent_delete", &words)?;
        Some(match word {
            "cascade" => OnParentDelete::Cascade,
            "detach" => OnParentDelete::Detach,
            "forbid" => OnParentDelete::Forbid,
            _ => OnParentDelete::Wait,
        })
    }

    /// `on_leave:`.
    pub(super) fn on_leave(&mut self, entries: &Entries<'_>) -> Option<OnLeave> {
        self.word_of(entries, "on_leave", &["freeze", "detach", "delete"]).map(|word| match word {
            "detach" => OnLeave::Detach,
            "delete" => OnLeave::Delete,
            _ => OnLeave::Freeze,
        })
    }

    fn retention(&mut self, node: &Node) -> Retention {
        let Some(entries) = self.entries(node, &keys::policy::RETENTION, "`retention`", &[]) else {
            return Retention::default();
        };
        Retention {
            logs_ms: self.duration_of(&entries, "logs"),
            quarantine_ms: self.duration_of(&entries, "quarantine"),
            history_ms: self.duration_of(&entries, "history"),
        }
    }

    fn reconcile(&mut self, node: &Node) -> Option<Option<i64>> {
        match node.text() {
            Some("hourly") => Some(Some(3_600_000)),
            Some("daily") => Some(Some(DAY_MS)),
            Some("weekly") => Some(Some(7 * DAY_MS)),
            Some("never") => Some(None),
            Some(_) | None => self.duration(node, "reconcile").map(Some),
        }
    }

    fn guards(&mut self, node: &Node) -> GuardsDraft {
        let mut guards = GuardsDraft::default();
        let Some(entries) = self.entries(node, &keys::policy::GUARDS, "`guards`", &[]) else {
            return guards;
        };
        guards.deletes = self.limit(&entries, "deletes");
        guards.updates = self.limit(&entries, "updates");
        guards.blanks = self.limit(&entries, "blanks");
        if let Some(found) = self.part(&entries, "corrupt_values") {
            guards.corrupt_min = self.count_of(&found, "min", 1..=u64::MAX);
        }
        if let Some(found) = self.part(&entries, "empty_source") {
            guards.empty_source_min = self.count_of(&found, "min", 1..=u64::MAX);
        }
        if let Some(found) = self.part(&entries, "loop") {
            guards.loop_reflexes =
                self.count_of(&found, "reflexes", 1..=1_000).map(|count| count as u32);
            guards.loop_within_ms = self.duration_of(&found, "within");
            self.word_of(&found, "then", &["hold_field"]);
        }
        guards
    }

    /// `limits: {per_user: {changes: 500/h, then: hold}}`.
    pub(super) fn per_user(&mut self, entries: &Entries<'_>) -> Option<Spanned<PerUser>> {
        let node = entries.get("limits")?;
        let limits = self.entries(node, &keys::policy::LIMITS, "`limits`", &[])?;
        let node = limits.get("per_user")?;
        let place = node.place;
        let entries = self.entries(node, &keys::policy::PER_USER, "`per_user`", &[])?;
        self.word_of(&entries, "then", &["hold"]);
        let text = self.text_of(&entries, "changes")?;
        let found = text.value.split_once('/').and_then(|(changes, window)| {
            let window = window.trim();
            let is_unit = window.starts_with(|first: char| first.is_ascii_alphabetic());
            let window_ms = if is_unit {
                scalar::duration_ms(&format!("1{window}"))
            } else {
                scalar::duration_ms(window)
            };
            let window_ms = window_ms.filter(|ms| (1_000..=31 * DAY_MS).contains(ms))?;
            let changes = changes.trim().parse().ok().filter(|changes| *changes > 0)?;
            Some(PerUser { changes, window_ms })
        });
        if found.is_none() {
            let message = format!("`changes` takes so many in a time, not `{}`", text.value);
            self.complain(
                Complaint::error("config.value", text.place, message)
                    .fix("write 500/h, 50/10m or 2000/d"),
            );
        }
        Some(Spanned { value: found?, place })
    }

    fn part<'n>(&mut self, entries: &Entries<'n>, name: &str) -> Option<Entries<'n>> {
        let Shape::Keys(section) = keys::policy::GUARDS.key(name)?.shape else { return None };
        self.entries(entries.get(name)?, section, name, &[])
    }

    fn limit(&mut self, entries: &Entries<'_>, name: &str) -> (Option<u64>, Option<u64>) {
        match self.part(entries, name) {
            Some(limit) => (
                self.count_of(&limit, "max", 0..=u64::MAX),
                self.count_of(&limit, "max_percent", 0..=100),
            ),
            None => (None, None),
        }
    }

    /// `conflicts:`.
    pub(super) fn conflicts(
        &mut self,
        node: &Node,
        systems: &[&str],
    ) -> Option<Spanned<Conflicts>> {
        let place = node.place;
        if let Kind::Scalar { .. } = &node.kind {
            let policy = self.policy(node, None, BelowMin::Manual)?;
            return Some(Spanned { value: Conflicts { policy, order: None }, place });
        }
        let entries = self.entries(node, &keys::policy::CONFLICTS, "`conflicts`", &[])?;
        let order = self.texts_of(&entries, "order").inspect(|order| {
            for name in order {
                self.known_system(name, systems);
            }
        });
        let min = entries.get("min").and_then(|node| self.number(node, "min"));
        let below_min = match self.word_of(&entries, "below_min", &["manual", "clamp"]) {
            Some("clamp") => BelowMin::Clamp,
            Some(_) | None => BelowMin::Manual,
        };
        let expr = self.text_of(&entries, "expr");
        let policy = match (expr, entries.get("policy")) {
            (Some(_), Some(policy)) => {
                self.complain(
                    Complaint::error(
                        "config.contradiction",
                        policy.place,
                        "`policy` and `expr` cannot both decide",
                    )
                    .fix("keep one"),
                );
                return None;
            }
            (Some(expr), None) => PolicyDraft::Expr(expr),
            (None, Some(node)) => self.policy(node, min, below_min)?,
            (None, None) => PolicyDraft::Priority,
        };
        if !matches!(policy, PolicyDraft::Add { .. }) {
            for key in ["min", "below_min"] {
                if let Some(place) = entries.key(key) {
                    self.wrong(place, format!("`{key}` belongs to `policy: add`"));
                }
            }
        }
        Some(Spanned { value: Conflicts { policy, order }, place })
    }

    fn policy(
        &mut self,
        node: &Node,
        min: Option<Decimal>,
        below_min: BelowMin,
    ) -> Option<PolicyDraft> {
        Some(match self.word(node, "conflicts", POLICIES)? {
            "newest" => PolicyDraft::Newest,
            "add" => PolicyDraft::Add { min, below_min },
            "manual" => PolicyDraft::Manual,
            "merge" => PolicyDraft::Merge,
            _ => PolicyDraft::Priority,
        })
    }

    /// An exact number.
    pub(super) fn number(&mut self, node: &Node, what: &str) -> Option<Decimal> {
        let found = node.text().and_then(Decimal::parse);
        if found.is_none() {
            self.wrong(node.place, format!("`{what}` takes a number"));
        }
        found
    }

    fn deletes(&mut self, node: &Node, systems: &[&str]) -> Option<Spanned<Deletes>> {
        let place = node.place;
        if let Kind::Scalar { .. } = &node.kind {
            let policy = self.delete_policy(node)?;
            if policy == DeletePolicy::Soft {
                self.complain(
                    Complaint::error("config.value", place, "`soft` must say what to set where")
                        .fix("deletes: {policy: soft, erp: {set: {ACTIVE: \"N\"}}}"),
                );
                return None;
            }
            let value = Deletes { policy, from: None, grace_ms: None, soft: Vec::new() };
            return Some(Spanned { value, place });
        }
        let entries = self.entries(node, &keys::policy::DELETES, "`deletes`", systems)?;
        let from = self.texts_of(&entries, "from").inspect(|from| {
            for name in from {
                self.known_system(name, systems);
            }
        });
        let grace_ms = self.duration_of(&entries, "grace");
        let mut soft = Vec::new();
        for (key, value) in &entries.named {
            let name = Spanned { value: (&key.text).into(), place: key.place };
            if let Some(set) = self.soft(value) {
                soft.push((name, set));
            }
        }
        let policy = match entries.get("policy") {
            Some(node) => self.delete_policy(node)?,
            None if soft.is_empty() => DeletePolicy::Propagate,
            None => DeletePolicy::Soft,
        };
        match (policy == DeletePolicy::Soft, soft.first()) {
            (true, None) => self.complain(
                Complaint::error("config.value", place, "`soft` must say what to set where")
                    .fix("deletes: {policy: soft, erp: {set: {ACTIVE: \"N\"}}}"),
            ),
            (false, Some((name, _))) => self.complain(
                Complaint::error(
                    "config.contradiction",
                    name.place,
                    "`set` belongs to `policy: soft`",
                )
                .fix("say `policy: soft`, or leave `set` out"),
            ),
            _ => {}
        }
        Some(Spanned { value: Deletes { policy, from, grace_ms, soft }, place })
    }

    fn delete_policy(&mut self, node: &Node) -> Option<DeletePolicy> {
        Some(match self.word(node, "deletes", &["propagate", "hold", "ignore", "soft"])? {
            "hold" => DeletePolicy::Hold,
            "ignore" => DeletePolicy::Ignore,
            "soft" => DeletePolicy::Soft,
            _ => DeletePolicy::Propagate,
        })
    }

    fn soft(&mut self, node: &Node) -> Option<Vec<(Name, crate::config::draft::Atom)>> {
        let entries = self.entries(node, &keys::policy::SOFT, "a soft delete", &[])?;
        let set = entries.get("set")?;
        let Kind::Map(pairs) = &set.kind else {
            self.wrong(set.place, "`set` takes columns and their values");
            return None;
        };
        let mut columns = Vec::new();
        for (key, value) in pairs {
            let name = Spanned { value: (&key.text).into(), place: key.place };
            if let Some(atom) = self.atom(value, &key.text) {
                columns.push((name, atom));
            }
        }
        if columns.is_empty() {
            self.wrong(set.place, "`set` is empty");
        }
        Some(columns)
    }
}
