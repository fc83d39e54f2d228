//! Rows as a file has them: new ones, and those of which only some cells change.

use syncline_core::{Text, change::Outcome, value::Value};

use crate::{
    file::{
        bound::Bound,
        csv,
        rows::{Entry, Head, Raw, Wide},
        xlsx::{self, Written},
    },
    settings::folder::{Csv, Form, Formulas, is_wide},
    sql::{invalid, json},
};

/// Prints rows of one file.
pub(super) struct Printer<'a> {
    bound: &'a Bound,
}

impl<'a> Printer<'a> {
    pub(super) fn new(bound: &'a Bound) -> Self {
        Self { bound }
    }

    /// What a new file begins with.
    pub(super) fn head(&self) -> Head {
        let form = match &self.bound.system.folder.form {
            Form::Csv(form) => form,
            Form::JsonLines => return Head::default(),
            Form::Xlsx { sheet } => {
                let names = self.bound.header();
                return Head { names, sheet: sheet.clone(), ..Head::default() };
            }
        };
        let is_big = form.encoding == encoding_rs::UTF_16BE;
        // Without a mark, most programs take it for something else.
        let wide = is_wide(form.encoding).then_some(Wide { is_big, has_mark: true });
        if let Some(names) = &form.header {
            return Head { names: names.clone(), wide, ..Head::default() };
        }
        let mut raw = Vec::new();
        if form.bom && form.encoding == encoding_rs::UTF_8 {
            raw.extend_from_slice(b"\xef\xbb\xbf");
        }
        let names = self.bound.header();
        for (at, name) in names.iter().enumerate() {
            if at > 0 {
                raw.push(form.separator);
            }
            // A name that cannot be written is looked for in vain when it is read back.
            let _is_read_back = csv::write(&mut raw, Some(name), form.separator, form.letters());
        }
        raw.extend_from_slice(b"\r\n");
        Head { raw, names, wide, sheet: None }
    }

    /// A line with an end: the last one may have none.
    pub(super) fn ended(&self, raw: &[u8], head: &Head) -> Vec<u8> {
        let mut line = raw.to_vec();
        if csv::line_end(raw).is_empty() {
            line.extend_from_slice(self.line_end(head));
        }
        line
    }

    fn line_end<'h>(&self, head: &'h Head) -> &'h [u8] {
        match (&self.bound.system.folder.form, csv::line_end(&head.raw)) {
            (Form::Csv(_), b"") => b"\r\n",
            (Form::Csv(_), end) => end,
            (Form::JsonLines | Form::Xlsx { .. }, _) => b"\n",
        }
    }

    /// A new row.
    ///
    /// # Errors
    /// A value that the file cannot hold.
    pub(super) fn new_row(&self, values: &[Value], head: &Head) -> Result<Vec<u8>, Outcome> {
        match &self.bound.system.folder.form {
            Form::Csv(form) => {
                let cell = |_: usize| None;
                self.cells(form, values, head, cell)
            }
            Form::JsonLines => self.object(serde_json::Map::new(), values),
            Form::Xlsx { .. } => self.sheet_row(None, values, head).map(|_| Vec::new()),
        }
    }

    /// A row of a sheet with these values; `before` is the row that it was: what is as it was stays.
    ///
    /// # Errors
    /// A value that a workbook cannot hold.
    pub(super) fn sheet_row(
        &self,
        before: Option<&Entry>,
        values: &[Value],
        head: &Head,
    ) -> Result<Vec<Written>, Outcome> {
        let cell = |(at, name): (usize, &Text)| {
            let column = self.bound.shape.column_named(name);
            let was = before.and_then(|entry| match &entry.raw {
                Raw::Sheet(line) => line.cells.get(at),
                Raw::Csv(_) | Raw::Line(_) => None,
            });
            let is_same = column.is_none_or(|column| {
                before.is_some_and(|entry| entry.values.get(column) == values.get(column))
            });
            match (was, is_same) {
                (Some(was), true) => Ok(xlsx::kept(was)),
                (None, true) => Ok(Written::Nothing),
                (_, false) => {
                    let value = column.and_then(|at| values.get(at)).unwrap_or(&Value::Null);
                    let kind = column.and_then(|at| self.bound.kinds.get(at)?.as_ref());
                    xlsx::written(value, kind, name)
                }
            }
        };
        head.names.iter().enumerate().map(cell).collect()
    }

    /// A row of the file with these values: what is as it was stays byte by byte.
    ///
    /// # Errors
    /// A value that the file cannot hold.
    pub(super) fn changed(
        &self,
        entry: &Entry,
        values: &[Value],
        head: &Head,
    ) -> Result<Vec<u8>, Outcome> {
        match (&self.bound.system.folder.form, &entry.raw) {
            (Form::Csv(form), Raw::Csv(record)) => {
                let kept = |at: usize| {
                    let cell = record.cells.get(at)?;
                    let quote = usize::from(cell.is_quoted);
                    record.raw.get(cell.start - quote..cell.end + quote)
                };
                let is_same = |at: usize| {
                    let name = head.names.get(at);
                    let column = name.and_then(|name| self.bound.shape.column_named(name));
                    column.is_none_or(|column| entry.values.get(column) == values.get(column))
                };
                self.cells(form, values, head, |at| kept(at).filter(|_| is_same(at)))
            }
            (Form::JsonLines | Form::Csv(_) | Form::Xlsx { .. }, raw) => {
                let found = serde_json::from_slice(raw.bytes());
                self.object(found.unwrap_or_default(), values)
            }
        }
    }

    /// The cells of a line: those that are kept, as they are.
    fn cells<'r>(
        &self,
        form: &Csv,
        values: &[Value],
        head: &Head,
        kept: impl Fn(usize) -> Option<&'r [u8]>,
    ) -> Result<Vec<u8>, Outcome> {
        let mut line = Vec::new();
        for (at, name) in head.names.iter().enumerate() {
            if at > 0 {
                line.push(form.separator);
            }
            if let Some(bytes) = kept(at) {
                line.extend_from_slice(bytes);
                continue;
            }
            let value = self.bound.shape.column_named(name).and_then(|at| values.get(at));
            let text = text(value.unwrap_or(&Value::Null), name)?;
            if let (Formulas::Refuse, Some(text)) = (form.formulas, &text)
                && text.starts_with(['=', '+', '-', '@'])
                && syncline_core::decimal::Decimal::parse(&text.replace(',', ".")).is_none()
            {
                let why = format!("a spreadsheet would take the text in {name:?} for a formula");
                return Err(invalid("write.formula", why));
            }
            let written = csv::write(&mut line, text.as_deref(), form.separator, form.letters());
            written.map_err(|letter| {
                let encoding = form.encoding.name();
                let why = format!("{encoding} has no letter {letter:?} (column {name:?})");
                invalid("write.encoding", why)
            })?;
        }
        line.extend_from_slice(self.line_end(head));
        Ok(line)
    }

    fn object(
        &self,
        mut members: serde_json::Map<String, serde_json::Value>,
        values: &[Value],
    ) -> Result<Vec<u8>, Outcome> {
        for name in self.bound.header() {
            let value = self.bound.shape.column_named(&name).and_then(|at| values.get(at));
            let json = json::to_json(value.unwrap_or(&Value::Null)).ok_or_else(|| {
                invalid("write.json", format!("JSON has no value of the kind of {name:?}"))
            })?;
            let is_new_null = json.is_null() && !members.contains_key(name.as_str());
            if !is_new_null {
                members.insert(name.to_string(), json);
            }
        }
        let mut line = serde_json::Value::Object(members).to_string().into_bytes();
        line.push(b'\n');
        Ok(line)
    }
}

/// A value as a cell of a text file has it.
fn text(value: &Value, column: &Text) -> Result<Option<String>, Outcome> {
    match value {
        Value::Null => Ok(None),
        Value::List(_) | Value::Set(_) | Value::Map(_) => json::print(value)
            .map(Some)
            .ok_or_else(|| invalid("write.type", format!("{column:?} takes no {}", value.kind()))),
        Value::Bool(_)
        | Value::Num(_)
        | Value::Float(_)
        | Value::Text(_)
        | Value::Bytes(_)
        | Value::Uuid(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::LocalDateTime(..)
        | Value::Instant(..)
        | Value::OffsetDateTime(..)
        | Value::Interval(..)
        | Value::Ref(_) => Ok(Some(value.to_string())),
    }
}
