//! How a REST system gives a list in pages.

use syncline_adapters::settings::api::Next;

use crate::config::{
    keys,
    read::Reader,
    tree::{Kind, Node},
};

impl Reader<'_> {
    /// Where the next page is.
    pub(super) fn next(&mut self, node: &Node) -> Option<Next> {
        const FORMS: &str = "`next` takes link_header, or one of url, cursor, page, offset, after";
        if let Some(text) = node.text() {
            let is_known = text == "link_header";
            if !is_known {
                self.wrong(node.place, FORMS);
            }
            return is_known.then_some(Next::LinkHeader);
        }
        let entries = self.entries(node, &keys::rest::NEXT, "`next`", &[])?;
        let mut found = Vec::new();
        if let Some(path) = self.path_of(&entries, "url") {
            found.push(Next::Url(path));
        }
        let param = self.text_of(&entries, "param");
        if let Some(path) = self.path_of(&entries, "cursor") {
            match &param {
                Some(param) => found.push(Next::Cursor(path, param.value.to_string())),
                None => self.wrong(node.place, "`cursor` needs the `param` that takes it"),
            }
        } else if let Some(param) = &param {
            self.wrong(param.place, "`param` belongs to `cursor`");
        }
        let first = self.count_of(&entries, "first", 0..=1);
        if let Some(param) = self.text_of(&entries, "page") {
            found.push(Next::Page(param.value.to_string(), first.unwrap_or(1)));
        } else if let Some(place) = entries.key("first") {
            self.wrong(place, "`first` belongs to `page`");
        }
        if let Some(param) = self.text_of(&entries, "offset") {
            found.push(Next::Offset(param.value.to_string()));
        }
        if let Some(param) = self.text_of(&entries, "after") {
            found.push(Next::After(param.value.to_string()));
        }
        if found.len() > 1 || found.is_empty() {
            self.wrong(node.place, FORMS);
        }
        found.pop()
    }

    /// The parameter that says how long a page is, and how long that is.
    pub(super) fn size(&mut self, node: &Node) -> Option<(String, u32)> {
        let only = match &node.kind {
            Kind::Map(pairs) => pairs.first().filter(|_| pairs.len() == 1),
            Kind::Scalar { .. } | Kind::List(_) => None,
        };
        let found = only.and_then(|(key, value)| {
            let number = value.text()?.parse::<u32>().ok().filter(|number| *number > 0)?;
            Some((key.text.clone(), number))
        });
        if found.is_none() {
            self.wrong(node.place, "`size` takes a parameter and a number: {limit: 100}");
        }
        found
    }
}
