//! `check --fix`: replaces misspelt words where the right one is beyond doubt. Nothing else of the
//! file changes, so comments and layout stay.

use std::collections::BTreeMap;

use crate::{
    config::{Edit, Loaded},
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
        write(&source.path, &text)?;
    }
    Ok(mended)
}

/// Replaces a file as a whole, or not at all.
fn write(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    let refuse = |error: std::io::Error| {
        Failure::new("config.not_written", format!("{} cannot be written", path.display()))
            .cause(error.to_string())
            .done("the file is as it was")
            .with_exit(crate::exit::Exit::Environment)
    };
    let beside = path.with_extension("yaml.new");
    std::fs::write(&beside, text).map_err(refuse)?;
    if let Ok(found) = std::fs::metadata(path) {
        let _ = std::fs::set_permissions(&beside, found.permissions());
    }
    std::fs::rename(&beside, path).map_err(refuse)
}
