//! `fields:`: one row per field, one cell per system.

use syncline_core::{
    Text,
    decimal::Decimal,
    lens::{Ambiguous, Case, PhoneFormat, Rounding},
};

use crate::config::{
    complaint::Complaint,
    draft::{
        Atom, CellDraft, CurrencyDraft, FieldDraft, LookupDraft, Name, Sensitive, Spanned,
        UnitDraft, ValueMap,
    },
    keys,
    read::{Entries, Reader},
    source::Place,
    tree::{Kind, Node},
};

impl Reader<'_> {
    /// All fields of an entity, and those that are known and never read.
    pub(super) fn fields(
        &mut self,
        node: &Node,
        systems: &[&str],
    ) -> (Vec<FieldDraft>, Vec<FieldDraft>) {
        let Kind::Map(pairs) = &node.kind else {
            self.wrong(node.place, format!("`fields` takes fields by name, not {}", node.what()));
            return (Vec::new(), Vec::new());
        };
        if pairs.is_empty() {
            self.wrong(node.place, "there are no fields");
        }
        let (mut fields, mut never) = (Vec::new(), Vec::new());
        for (key, value) in pairs {
            let name = self.name(key, "a field", false);
            match self.field(name, value, systems) {
                Some((field, true)) => never.push(field),
                Some((field, false)) => fields.push(field),
                None => {}
            }
        }
        // A daemon keeps them: there may be thousands.
        fields.shrink_to_fit();
        (fields, never)
    }

    /// A field, and whether it is never read.
    fn field(&mut self, name: Name, node: &Node, systems: &[&str]) -> Option<(FieldDraft, bool)> {
        let what = format!("field `{}`", name.value);
        let entries = self.entries(node, &keys::field::FIELD, &what, systems)?;
        let kind = entries.get("type").and_then(|node| {
            let word = self.word(node, "type", keys::field::TYPES)?;
            Some(Spanned { value: Text::new(word), place: node.place })
        });
        let mut cells = Vec::new();
        for (key, value) in &entries.named {
            let system = Spanned { value: Text::new(&key.text), place: key.place };
            cells.extend(self.cell(system, value));
        }
        cells.shrink_to_fit();
        let words = ["never", "mask", "encrypt", "hash"];
        let sensitive =
            entries.get("sensitive").and_then(|node| self.word(node, "sensitive", &words));
        let field = FieldDraft {
            name,
            kind,
            sensitive: match sensitive {
                Some("mask") => Sensitive::Mask,
                Some("encrypt") => Sensitive::Encrypt,
                Some("hash") => Sensitive::Hash,
                Some(_) | None => Sensitive::Open,
            },
            values: self.texts_of(&entries, "values"),
            currency: self.text_of(&entries, "currency").and_then(|code| self.currency_code(code)),
            region: self.text_of(&entries, "region"),
            reference: self.text_of(&entries, "ref"),
            from: self.systems_of(&entries, "from", systems),
            to: self.systems_of(&entries, "to", systems),
            compute: self.text_of(&entries, "compute"),
            conflicts: entries.get("conflicts").and_then(|node| self.conflicts(node, systems)),
            cells,
        };
        Some((field, sensitive == Some("never")))
    }

    fn currency_code(&mut self, code: Name) -> Option<Name> {
        let is_code = code.value.len() == 3 && code.value.bytes().all(|b| b.is_ascii_uppercase());
        if !is_code {
            self.complain(
                Complaint::error(
                    "config.value",
                    code.place,
                    format!("`{}` is no currency code", code.value),
                )
                .fix("write an ISO 4217 code, such as EUR"),
            );
        }
        is_code.then_some(code)
    }

    fn cell(&mut self, system: Name, node: &Node) -> Option<CellDraft> {
        let mut cell = CellDraft::new(system, node.place);
        if let Kind::Scalar { .. } = &node.kind {
            let column = self.text(node, &cell.system.value)?;
            if column.value.is_empty() {
                self.wrong(node.place, "the column has no name");
                return None;
            }
            cell.columns = vec![column];
            self.member(&mut cell)?;
            return Some(cell);
        }
        let what = format!("the cell of {}", cell.system.value);
        let entries = self.entries(node, &keys::field::CELL, &what, &[])?;
        if self.has_items(&cell.system.value) {
            self.cell_member(&entries, &mut cell)?;
        } else {
            self.cell_place(&entries, &mut cell);
        }
        self.cell_form(&entries, &mut cell);
        self.cell_values(&entries, &mut cell);
        Some(cell)
    }

    /// In a REST system, and one that only tells: the path in the item is what elsewhere the column is.
    fn cell_member(&mut self, entries: &Entries<'_>, cell: &mut CellDraft) -> Option<()> {
        for key in ["column", "columns", "separator", "cut"] {
            if let Some(place) = entries.key(key) {
                self.wrong(
                    place,
                    format!("an item of {} has no `{key}`: say `path`", cell.system.value),
                );
            }
        }
        match self.text_of(entries, "path") {
            Some(path) => cell.columns = vec![path],
            None => {
                self.complain(
                    Complaint::error(
                        "config.missing_key",
                        crate::config::read::first_line(self.sources, entries.place),
                        format!("the cell of {} needs `path`", cell.system.value),
                    )
                    .fix("where the field is in the item"),
                );
                return None;
            }
        }
        self.member(cell)
    }

    /// The one column of a cell is a path in an item, written as all paths are.
    fn member(&mut self, cell: &mut CellDraft) -> Option<()> {
        if !self.has_items(&cell.system.value) {
            return Some(());
        }
        for column in &mut cell.columns {
            column.value = Text::new(self.path(column)?.to_string());
        }
        Some(())
    }

    /// Where it is.
    fn cell_place(&mut self, entries: &Entries<'_>, cell: &mut CellDraft) {
        let column = self.text_of(entries, "column");
        let columns = self.texts_of(entries, "columns");
        match (column, columns, entries.key("columns")) {
            (Some(_), Some(_), Some(place)) => self.complain(
                Complaint::error(
                    "config.contradiction",
                    place,
                    "`column` and `columns` cannot both be said",
                )
                .fix("keep one"),
            ),
            (Some(column), ..) => cell.columns = vec![column],
            (None, Some(columns), place) => {
                if columns.len() < 2
                    && let Some(place) = place
                {
                    self.complain(
                        Complaint::error("config.value", place, "`columns` takes at least two")
                            .fix("say `column:`"),
                    );
                }
                cell.columns = columns;
            }
            (None, None, _)
                if entries.key("column").is_none() && entries.key("columns").is_none() =>
            {
                self.complain(
                    Complaint::error(
                        "config.missing_key",
                        crate::config::read::first_line(self.sources, entries.place),
                        format!("the cell of {} needs `column`", cell.system.value),
                    )
                    .fix("the column that holds the field"),
                );
            }
            (None, None, _) => {}
        }
        cell.path = self.text_of(entries, "path");
        cell.separator = self.text_of(entries, "separator").map(|text| text.value);
        cell.from_end = self.word_of(entries, "cut", &["first", "last"]) == Some("first");
        for key in ["separator", "cut"] {
            if let Some(place) = entries.key(key)
                && cell.columns.len() < 2
            {
                self.wrong(place, format!("`{key}` belongs to `columns`"));
            }
        }
        if let Some(path) = &cell.path
            && cell.columns.len() > 1
        {
            self.wrong(path.place, "`path` goes with one `column`");
        }
    }

    /// How it is written.
    fn cell_form(&mut self, entries: &Entries<'_>, cell: &mut CellDraft) {
        cell.format = self.text_of(entries, "format");
        cell.tz = self.text_of(entries, "tz").and_then(|zone| self.zone(zone));
        cell.ambiguous =
            self.word_of(entries, "ambiguous", &["earlier", "later", "reject"]).map(|word| {
                match word {
                    "earlier" => Ambiguous::Earlier,
                    "later" => Ambiguous::Later,
                    _ => Ambiguous::Reject,
                }
            });
        cell.unit = entries.get("unit").and_then(|node| self.unit(node));
        cell.currency =
            entries.get("currency").and_then(|node| self.currency(node, &cell.system.value));
        cell.decimal = self.sign_of(entries, "decimal");
        cell.group = self.sign_of(entries, "group");
        cell.scale = self.count_of(entries, "scale", 0..=38).map(|count| count as u32);
        cell.rounding = self
            .word_of(entries, "rounding", &["half_even", "half_up", "truncate"])
            .map(|word| match word {
                "half_even" => Rounding::HalfEven,
                "half_up" => Rounding::HalfUp,
                _ => Rounding::Truncate,
            });
        cell.trim = self.bool_of(entries, "trim").unwrap_or(false);
        cell.collapse = self.bool_of(entries, "collapse").unwrap_or(false);
        cell.case =
            self.word_of(entries, "case", &["upper", "lower", "fold"]).map(|word| match word {
                "upper" => Case::Upper,
                "lower" => Case::Lower,
                _ => Case::Fold,
            });
        cell.max = self.count_of(entries, "max", 1..=u64::from(u32::MAX)).map(|count| count as u32);
        if let Some(node) = entries.get("lossy") {
            let later = [("translit", "widen the column's character set")];
            let word = self.word_now(node, "lossy", &["true", "false"], &later);
            cell.lossy = word == Some("true");
        }
        cell.list = self.text_of(entries, "list").map(|text| text.value);
        cell.phone =
            self.word_of(entries, "phone", &["e164", "national", "international"]).map(|word| {
                match word {
                    "national" => PhoneFormat::National,
                    "international" => PhoneFormat::International,
                    _ => PhoneFormat::E164,
                }
            });
    }

    /// Which values it takes.
    fn cell_values(&mut self, entries: &Entries<'_>, cell: &mut CellDraft) {
        if let Some(node) = entries.get("values") {
            cell.values = self.values(node);
        }
        cell.lookup = entries.get("lookup").and_then(|node| self.lookup(node));
        cell.boolean = entries.get("bool").and_then(|node| self.boolean(node));
        cell.default = entries.get("default").and_then(|node| self.atom(node, "default"));
        cell.constant = entries.get("constant").and_then(|node| self.atom(node, "constant"));
        cell.blank_is_null = entries.get("blank").is_some_and(|node| {
            if node.text() == Some("null") {
                return true;
            }
            self.word(node, "blank", &["null"]).is_some()
        });
        let ways = ["values", "lookup", "bool", "constant"];
        let said: Vec<(&str, Place)> =
            ways.iter().filter_map(|key| Some((*key, entries.key(key)?))).collect();
        if let [(first, _), (second, place), ..] = said.as_slice() {
            self.complain(
                Complaint::error(
                    "config.contradiction",
                    *place,
                    format!("`{first}` and `{second}` cannot both be said"),
                )
                .fix("keep one"),
            );
        }
    }

    /// A native value, as written.
    pub(super) fn atom(&mut self, node: &Node, what: &str) -> Option<Atom> {
        match &node.kind {
            Kind::Scalar { text, is_quoted } => {
                Some(Atom { text: Text::new(text), is_quoted: *is_quoted, place: node.place })
            }
            Kind::List(_) | Kind::Map(_) => {
                self.wrong(node.place, format!("`{what}` takes one value, not {}", node.what()));
                None
            }
        }
    }

    fn atoms(&mut self, node: &Node, what: &str) -> Option<Vec<Atom>> {
        match &node.kind {
            Kind::List(items) if !items.is_empty() => {
                items.iter().map(|item| self.atom(item, what)).collect()
            }
            Kind::List(_) => {
                self.wrong(node.place, format!("`{what}` is an empty list"));
                None
            }
            Kind::Scalar { .. } | Kind::Map(_) => Some(vec![self.atom(node, what)?]),
        }
    }

    fn values(&mut self, node: &Node) -> Option<Spanned<ValueMap>> {
        let Kind::Map(pairs) = &node.kind else {
            self.wrong(
                node.place,
                "`values` of a cell takes the hub's values and the system's: {paid: \"20\"}",
            );
            return None;
        };
        let mut values = Vec::new();
        for (key, value) in pairs {
            let name = Spanned { value: Text::new(&key.text), place: key.place };
            if let Some(atoms) = self.atoms(value, &key.text) {
                values.push((name, atoms));
            }
        }
        Some(Spanned { value: values, place: node.place })
    }

    fn boolean(&mut self, node: &Node) -> Option<(Vec<Atom>, Vec<Atom>)> {
        let Kind::List(items) = &node.kind else {
            self.wrong(node.place, "`bool` takes the words for true and for false: [\"Y\", \"N\"]");
            return None;
        };
        let [yes, no] = items.as_slice() else {
            self.wrong(node.place, "`bool` takes two words, for true and for false");
            return None;
        };
        Some((self.atoms(yes, "bool")?, self.atoms(no, "bool")?))
    }

    fn unit(&mut self, node: &Node) -> Option<UnitDraft> {
        if let Kind::Scalar { .. } = &node.kind {
            return self.word(node, "unit", &["minor"]).map(|_| UnitDraft::Minor);
        }
        let entries = self.entries(node, &keys::field::UNIT, "`unit`", &[])?;
        let mut number = |key: &str, unsaid: Decimal| match entries.get(key) {
            Some(node) => self.number(node, key),
            None => Some(unsaid),
        };
        let one = Decimal::from(1_i64);
        let (multiply, divide, offset) =
            (number("multiply", one)?, number("divide", one)?, number("offset", Decimal::ZERO)?);
        if multiply.is_zero() || divide.is_zero() {
            self.wrong(node.place, "a unit cannot multiply or divide by zero");
            return None;
        }
        Some(UnitDraft::Linear(multiply, divide, offset))
    }

    fn currency(&mut self, node: &Node, system: &Text) -> Option<CurrencyDraft> {
        if let Kind::Scalar { .. } = &node.kind {
            let code = self.text(node, "currency")?;
            return self.currency_code(code).map(CurrencyDraft::Constant);
        }
        let entries = self.entries(node, &keys::field::CURRENCY, "`currency`", &[])?;
        let is_item = self.has_items(system);
        let (wanted, other) = if is_item { ("path", "column") } else { ("column", "path") };
        if let Some(place) = entries.key(other) {
            self.complain(
                Complaint::error(
                    "config.unsupported",
                    place,
                    format!("the currency in {system} has no `{other}`"),
                )
                .fix(format!("say `{wanted}:`")),
            );
            return None;
        }
        let Some(mut found) = self.text_of(&entries, wanted) else {
            self.wrong(entries.place, format!("`currency` needs `{wanted}`"));
            return None;
        };
        if is_item {
            found.value = Text::new(self.path(&found)?.to_string());
        }
        Some(CurrencyDraft::Column(found))
    }

    fn lookup(&mut self, node: &Node) -> Option<LookupDraft> {
        if let Kind::Scalar { .. } = &node.kind {
            let file = self.text(node, "lookup")?;
            return Some(LookupDraft { file, hub: None, system: None });
        }
        let entries = self.entries(node, &keys::field::LOOKUP, "`lookup`", &[])?;
        let (hub, system) = (self.text_of(&entries, "hub"), self.text_of(&entries, "system"));
        Some(LookupDraft { file: self.text_of(&entries, "file")?, hub, system })
    }

    pub(super) fn sign_of(&mut self, entries: &Entries<'_>, key: &str) -> Option<char> {
        let node = entries.get(key)?;
        let mut letters = node.text().unwrap_or_default().chars();
        match (letters.next(), letters.next()) {
            (Some(sign), None) if !sign.is_ascii_digit() && sign != '-' => Some(sign),
            _ => {
                self.wrong(node.place, format!("`{key}` takes one sign, such as \",\""));
                None
            }
        }
    }
}

impl CellDraft {
    fn new(system: Name, place: Place) -> Self {
        Self {
            system,
            place,
            columns: Vec::new(),
            path: None,
            format: None,
            tz: None,
            ambiguous: None,
            unit: None,
            currency: None,
            values: None,
            lookup: None,
            boolean: None,
            decimal: None,
            group: None,
            scale: None,
            rounding: None,
            trim: false,
            collapse: false,
            case: None,
            max: None,
            lossy: false,
            default: None,
            blank_is_null: false,
            constant: None,
            separator: None,
            from_end: false,
            list: None,
            phone: None,
        }
    }
}
