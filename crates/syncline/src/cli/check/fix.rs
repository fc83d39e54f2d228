//! `check --fix`: replaces misspelt words where the right one is beyond doubt. Nothing else of the
//! file changes, so comments and layout stay.

use std::collections::BTreeMap;

use crate::{
    config::{self, Edit, Loaded},
    report::Failure,
};

/// Mends the files; how many places were mended.
pub(super) fn apply(loaded: &Loaded) -> Result<usize, Failure> {
    let mut by_file: BTreeMap<usize, Vec<&Edit>> = BTreeMap::new();
    for edit in loaded.complaints.iter().filter_map(|found| found.edit.as_ref()) {
        by_file.entry(edit.place.file).or_default().push(edit);
    }
    let mut mended = 0;
    for (file, mut edits) in by_file {
        let Some(source) = loaded.sources.files.get(file) else { continue };
        edits.sort_by_key(|edit| std::cmp::Reverse(edit.place));
        let mut text = source.text.clone();
        let mut before = text.len();
        for edit in edits {
            let range = edit.place.start..edit.place.end;
            // A word that stands in quotes keeps them; overlapping edits wait for the next run.
            let old = text.get(range.clone()).unwrap_or_default();
            if old.is_empty() || old.starts_with(['"', '\'']) || range.end > before {
                continue;
            }
            before = range.start;
            text.replace_range(range, &edit.text);
            mended += 1;
        }
        config::replace(&source.path, &text)?;
    }
    Ok(mended)
}
