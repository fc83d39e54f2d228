//! YAML 1.2 as a tree in which every key and value knows its place.
//!
//! Strict where YAML is treacherous: scalars keep their text (`no` is the word "no"), a key may
//! stand only once, one document a file, no anchors, aliases or tags. Size and depth are bounded,
//! so a hostile file costs nothing.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use crate::config::{
    complaint::Complaint,
    source::{Place, Sources},
};

/// The most bytes of a file.
pub(crate) const BYTES_MAX: usize = 4 * 1024 * 1024;
/// How deeply a file may nest.
const DEPTH_MAX: usize = 32;
/// The most keys and values of a file.
const NODES_MAX: usize = 400_000;

/// A value and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Where it is.
    pub(crate) place: Place,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A text, number or word; which one is for the reader to say.
    Scalar {
        /// Its letters, unquoted.
        text: String,
        /// It stands in quotes, or is a block: certainly a text.
        is_quoted: bool,
    },
    /// Values in order.
    List(Vec<Node>),
    /// Values by name, in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// A name and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// Where it is.
    pub(crate) place: Place,
    /// Its letters.
    pub(crate) text: String,
}

impl Node {
    /// The text, if it is a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// It is nothing: an empty value, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar { text, is_quoted } => {
                !is_quoted && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            Kind::List(_) | Kind::Map(_) => false,
        }
    }

    /// The value of this key.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => {
                entries.iter().find(|(key, _)| key.text == name).map(|(_, value)| value)
            }
            Kind::Scalar { .. } | Kind::List(_) => None,
        }
    }

    /// What it is, as people call it.
    pub(crate) fn what(&self) -> &'static str {
        match &self.kind {
            _ if self.is_null() => "nothing",
            Kind::Scalar { .. } => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "keys and values",
        }
    }
}

/// Something that is open: what was begun and not yet ended.
enum Open {
    List { start: Place, items: Vec<Node> },
    Map { start: Place, entries: Vec<(Key, Node)>, key: Option<Key>, seen: BTreeMap<String, usize> },
}

struct Builder<'s> {
    file: usize,
    text: &'s str,
    /// The byte of each character, if they differ.
    bytes: Option<Vec<usize>>,
    stack: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    nodes: usize,
    complaints: Vec<Complaint>,
}

/// Parses a file. A syntax error ends it; everything else is complained about and goes on.
pub(crate) fn parse(sources: &Sources, file: usize) -> (Option<Node>, Vec<Complaint>) {
    let text = sources.files.get(file).map_or("", |source| source.text.as_str());
    let whole = Place { file, start: 0, end: 0 };
    if text.len() > BYTES_MAX {
        let message = format!("the file has more than {} MiB", BYTES_MAX / 1024 / 1024);
        return (None, vec![Complaint::error("config.syntax", whole, message)]);
    }
    // A byte order mark says nothing; the parser would take it for a letter of the first key.
    let skipped = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let text = text.get(skipped..).unwrap_or_default();
    let bytes = (!text.is_ascii() || skipped > 0).then(|| {
        let ends = text.char_indices().map(|(at, _)| at + skipped);
        ends.chain(std::iter::once(text.len() + skipped)).collect()
    });
    let mut builder = Builder {
        file,
        text: sources.files.get(file).map_or("", |source| source.text.as_str()),
        bytes,
        stack: Vec::new(),
        root: None,
        documents: 0,
        nodes: 0,
        complaints: Vec::new(),
    };
    let mut parser = Parser::new(StrInput::new(text));
    while let Some(event) = parser.next_event() {
        let outcome = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                let at = builder.byte(error.marker().index());
                let place = Place { file, start: at, end: at };
                Err(Complaint::error("config.syntax", place, syntax(error.info())))
            }
        };
        if let Err(complaint) = outcome {
            builder.complaints.push(complaint);
            return (None, builder.complaints);
        }
    }
    let root = builder.root.or_else(|| {
        builder.complaints.push(
            Complaint::error("config.syntax", whole, "the file is empty")
                .fix("syncline init writes a first one"),
        );
        None
    });
    (root, builder.complaints)
}

/// The parser's words, put as a sentence.
fn syntax(info: &str) -> String {
    let hint = if info.split(' ').any(|word| word.starts_with("tab")) {
        "; indent with spaces"
    } else {
        ""
    };
    format!("this is not YAML: {info}{hint}")
}

impl Builder<'_> {
    fn byte(&self, index: usize) -> usize {
        let byte = match &self.bytes {
            Some(bytes) => bytes.get(index).or(bytes.last()).copied().unwrap_or(0),
            None => index,
        };
        byte.min(self.text.len())
    }

    fn place(&self, span: Span) -> Place {
        let start = self.byte(span.start.index());
        let end = self.byte(span.end.index()).max(start);
        // The end of a block reaches to the next token: what counts is its last letter.
        let body = self.text.get(start..end).unwrap_or_default();
        Place { file: self.file, start, end: start + body.trim_end().len() }
    }

    fn refuse(place: Place, message: impl Into<String>) -> Complaint {
        Complaint::error("config.syntax", place, message)
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Complaint> {
        let place = self.place(span);
        let (anchor, tag) = match &event {
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(anchor, tag)
            | Event::MappingStart(anchor, tag) => (*anchor, tag.is_some()),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::Alias(_)
            | Event::SequenceEnd
            | Event::MappingEnd => (0, false),
        };
        if anchor != 0 {
            return Err(Self::refuse(place, "anchors (`&name`) are not taken")
                .fix("say what is common under `defaults:`"));
        }
        if tag {
            return Err(Self::refuse(place, "tags (`!name`) are not taken")
                .fix("leave it out; put texts that look like numbers in quotes"));
        }
        match event {
            Event::Alias(_) => Err(Self::refuse(place, "aliases (`*name`) are not taken").fix(
                "say what is common under `defaults:`; put a text that begins with * in quotes",
            )),
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Self::refuse(place, "the file holds more than one document")
                        .fix("keep one; overlays are files of their own: syncline.NAME.yaml"));
                }
                Ok(())
            }
            Event::Scalar(text, style, ..) => {
                let is_quoted = !matches!(style, ScalarStyle::Plain);
                self.put(Node { place, kind: Kind::Scalar { text: text.into_owned(), is_quoted } })
            }
            Event::SequenceStart(..) => self.open(Open::List { start: place, items: Vec::new() }),
            Event::MappingStart(..) => self.open(Open::Map {
                start: place,
                entries: Vec::new(),
                key: None,
                seen: BTreeMap::new(),
            }),
            Event::SequenceEnd | Event::MappingEnd => self.close(place),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn open(&mut self, open: Open) -> Result<(), Complaint> {
        let (Open::List { start, .. } | Open::Map { start, .. }) = &open;
        if self.stack.len() >= DEPTH_MAX {
            return Err(Self::refuse(*start, format!("more than {DEPTH_MAX} levels deep")));
        }
        self.stack.push(open);
        Ok(())
    }

    fn close(&mut self, end: Place) -> Result<(), Complaint> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let node = match open {
            // A daemon keeps the tree: without room for what does not come any more.
            Open::List { start, mut items } => {
                items.shrink_to_fit();
                let last = items.last().map_or(start, |item| item.place);
                Node { place: self.extent(start, last, end), kind: Kind::List(items) }
            }
            Open::Map { start, mut entries, .. } => {
                entries.shrink_to_fit();
                let first = entries.first().map_or(start, |(key, _)| key.place);
                let start = if start.start == start.end { first } else { start };
                let last = entries.last().map_or(start, |(key, value)| {
                    if value.is_null() { key.place } else { value.place }
                });
                Node { place: self.extent(start, last, end), kind: Kind::Map(entries) }
            }
        };
        self.put(node)
    }

    /// From `start` to the closing bracket, or to the end of the last value of a block.
    fn extent(&self, start: Place, last: Place, end: Place) -> Place {
        let closing = self.text.get(end.start..end.end).unwrap_or_default();
        let to = if closing.starts_with(['}', ']']) { end.end } else { last.end };
        Place { end: to.max(start.end), ..start }
    }

    fn put(&mut self, node: Node) -> Result<(), Complaint> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Self::refuse(node.place, "the file has too many values"));
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, seen, .. }) => match key.take() {
                None => match node.kind {
                    Kind::Scalar { text, .. } => *key = Some(Key { place: node.place, text }),
                    Kind::List(_) | Kind::Map(_) => {
                        return Err(Self::refuse(node.place, "a key must be a word")
                            .fix("put a text that begins with [ or { in quotes"));
                    }
                },
                Some(name) => {
                    if let Some(first) = seen.get(&name.text) {
                        let line =
                            1 + self.text.get(..*first).unwrap_or_default().matches('\n').count();
                        self.complaints.push(
                            Complaint::error(
                                "config.duplicate_key",
                                name.place,
                                format!("`{}` stands here twice", name.text),
                            )
                            .label(format!("already in line {line}")),
                        );
                    } else {
                        seen.insert(name.text.clone(), name.place.start);
                        entries.push((name, node));
                    }
                }
            },
        }
        Ok(())
    }
}

/// Lays an overlay over a tree: keys are merged as deeply as both have them, anything else is
/// replaced, and a key that holds nothing takes the key away. Places stay those of each file.
pub(crate) fn overlay(below: Node, above: Node) -> Node {
    let (place, below, above) = match (below, above) {
        (Node { kind: Kind::Map(below), place }, Node { kind: Kind::Map(above), .. }) => {
            (place, below, above)
        }
        (_, above) => return above,
    };
    let mut merged = below;
    for (key, value) in above {
        let found = merged.iter().position(|(known, _)| known.text == key.text);
        match found {
            Some(at) if value.is_null() => {
                merged.remove(at);
            }
            Some(at) => {
                let (known, old) = merged.remove(at);
                let both = matches!((&old.kind, &value.kind), (Kind::Map(_), Kind::Map(_)));
                let key = if both { known } else { key };
                merged.insert(at, (key, overlay(old, value)));
            }
            None => merged.push((key, value)),
        }
    }
    Node { place, kind: Kind::Map(merged) }
}
