//! Workbooks that would take all memory are refused before they do.

use std::io::{Seek as _, Write as _};

use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

fn opened(book: &mut Workbook) -> Result<Sheet, Unread> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&book.save_to_buffer().unwrap()).unwrap();
    file.rewind().unwrap();
    Sheet::open(file, None)
}

fn refused(found: Result<Sheet, Unread>) -> String {
    match found {
        Err(Unread::TooLarge(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_workbook_that_unpacks_to_more_than_it_may_is_not_unpacked() {
    let mut packed = ZipWriter::new(tempfile::tempfile().unwrap());
    packed.start_file("xl/worksheets/sheet1.xml", SimpleFileOptions::default()).unwrap();
    let blanks = vec![b' '; 64 << 10];
    for _ in 0..UNPACKED_MAX * 2 / blanks.len() as u64 {
        packed.write_all(&blanks).unwrap();
    }
    let mut file = packed.finish().unwrap();
    let size = file.seek(io::SeekFrom::End(0)).unwrap();
    assert!(size < UNPACKED_MAX / 100, "a bomb of {size} bytes");
    assert_eq!(refused(Sheet::open(file, None)), "it unpacks to more than 4 MiB");
}

#[test]
fn two_cells_at_the_far_ends_of_a_sheet_take_no_place_for_all_between_them() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "Mail").unwrap();
    sheet.write(1_048_575, 16_383, "far away").unwrap();
    let said = "its sheet spans 1048576 rows and 16384 columns: more than 5000000 cells";
    assert_eq!(refused(opened(&mut book)), said);
}

#[test]
fn one_text_in_very_many_cells_is_counted_as_often_as_it_is_there() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    let text = "x".repeat(30_000);
    for row in 0..40 {
        sheet.write(row, 0, &text).unwrap();
    }
    assert_eq!(refused(opened(&mut book)), "its sheet holds more than 1 MiB of texts");
}

#[test]
fn formulas_far_away_count_like_cells() {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "Mail").unwrap();
    for (row, column) in [(1, 1), (900_000, 9_000)] {
        sheet
            .write_formula(row, column, rust_xlsxwriter::Formula::new("=1+1").set_result(""))
            .unwrap();
    }
    assert!(refused(opened(&mut book)).contains("cells"));
}
