//! Gathers the pages of `docs/errors` into the program, so that `syncline help CODE` needs no file.

use std::{env, fmt::Write as _, fs, io, path::Path};

fn main() -> io::Result<()> {
    let home = env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?;
    let pages = Path::new(&home).join("../../docs/errors");
    println!("cargo::rerun-if-changed={}", pages.display());
    let mut codes: Vec<String> = fs::read_dir(&pages)?
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".md")?.to_owned()))
        .collect();
    codes.sort();
    let mut table = String::from("&[\n");
    for code in codes {
        let path = pages.join(format!("{code}.md"));
        let _ = writeln!(table, "    ({code:?}, include_str!({:?})),", path.display().to_string());
    }
    table.push(']');
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("pages.rs"), table)
}
