//! Names in parts, sets, documents, and settings that are refused.

use super::*;

#[test]
fn a_name_in_two_columns() {
    let split = |from_end| Split { separator: " ".into(), parts: 2, from_end };
    let cell = |from_end| CellSpec { split: Some(split(from_end)), ..spec() };
    let first = lens(&FieldType::Text, &cell(false));
    check_both(
        &first,
        &[
            (text("Ana Maria Lopez"), list(&["Ana", "Maria Lopez"])),
            (text("Ana"), list(&["Ana", "-"])),
            (Value::Null, list(&["-", "-"])),
        ],
    );
    let kept = list(&["Ana Maria", "Lopez"]);
    check_reads(&first, kept.clone(), text("Ana Maria Lopez"));
    assert_eq!(first.put(&text("Ana Maria Lopez"), Some(&kept)), Ok(kept), "their own cut stays");
    let last = lens(&FieldType::Text, &cell(true));
    check_both(&last, &[(text("Ana Maria Lopez"), list(&["Ana Maria", "Lopez"]))]);
}

#[test]
fn two_fields_in_one_column() {
    let join = Some(Split { separator: " ".into(), parts: 2, from_end: false });
    let lens = lens(&FieldType::Any, &CellSpec { join, ..spec() });
    let (parts, whole) = (list(&["Ana Maria", "Lopez"]), text("Ana Maria Lopez"));
    assert_eq!(lens.put0(&parts), Ok(whole.clone()));
    assert_eq!(lens.get(&whole, Some(&parts)), Ok(parts), "the hub remembers the cut");
    check_reads(&lens, text("Eva Gil"), list(&["Eva", "Gil"]));
}

#[test]
fn sets_in_one_text() {
    let cell = CellSpec { native: Some(NativeKind::Text), ..spec() };
    let lens = lens(&FieldType::Set, &cell);
    let set = Value::set(vec![text("b"), text("a")]);
    check_both(&lens, &[(set.clone(), text("a,b")), (Value::set(Vec::new()), text(""))]);
    check_reads(&lens, text("b, a,,a"), set.clone());
    assert_eq!(lens.put(&set, Some(&text("b,a"))), Ok(text("b,a")));
    assert_eq!(lens.normalise(&text("b,a")), lens.normalise(&text("a,b")));
    let comma = Value::set(vec![text("a,b")]);
    let refused = "\"a,b\" cannot stand between separators \",\"";
    check_refuses_to_write(&lens, comma, "map.invalid", refused);
}

#[test]
fn documents_uuids_bytes_and_intervals() {
    let textual = CellSpec { native: Some(NativeKind::Text), ..spec() };
    let documents = lens(&FieldType::Json, &textual);
    let value = json::parse("{\"b\":[1.50,null],\"a\":\"é\"}").expect("JSON");
    check_both(&documents, &[(value.clone(), text("{\"a\":\"é\",\"b\":[1.5,null]}"))]);
    let spaced = text("{ \"b\" : [1.5, null], \"a\": \"\\u00e9\" }");
    assert_eq!(documents.put(&value, Some(&spaced)), Ok(spaced), "their own form stays");
    let id = Value::Uuid([0xab; 16]);
    let hyphens = text("abababab-abab-abab-abab-abababababab");
    check_both(&lens(&FieldType::Uuid, &textual), &[(id.clone(), hyphens)]);
    check_reads(
        &lens(&FieldType::Uuid, &textual),
        text("{ABABABABABABABABABABABABABABABAB}"),
        id.clone(),
    );
    let raw = CellSpec { native: Some(NativeKind::Bytes), ..spec() };
    check_both(&lens(&FieldType::Uuid, &raw), &[(id, Value::Bytes(Box::new([0xab; 16])))]);
    let bytes = Value::Bytes(b"\x00\xffab".as_slice().into());
    let coded = |format: &str| CellSpec { format: Some(format.into()), ..textual.clone() };
    check_both(&lens(&FieldType::Bytes, &coded("hex")), &[(bytes.clone(), text("00ff6162"))]);
    check_both(&lens(&FieldType::Bytes, &coded("base64")), &[(bytes, text("AP9hYg=="))]);
    let interval = Value::Interval(14, -3, 5_400_500_000_000);
    check_both(&lens(&FieldType::Interval, &textual), &[(interval, text("P14M-3DT5400.5S"))]);
    check_reads(
        &lens(&FieldType::Interval, &textual),
        text("P1Y2M1W3DT4H5M6.7S"),
        Value::Interval(14, 10, 14_706_700_000_000),
    );
}

#[test]
fn settings_that_mean_nothing_are_refused_all_at_once() {
    let cell = CellSpec {
        format: Some("%d".into()),
        zone: Some("UTC".into()),
        unit: Some(Unit::Minor),
        case: Some(Case::Upper),
        ..spec()
    };
    check_refuses_to_compile(
        &FieldType::Uuid,
        &cell,
        "map.setting: `case` means nothing for a field that holds UUIDs\n\
         map.setting: `format` means nothing for a field that holds UUIDs\n\
         map.setting: `tz` means nothing for a field that holds UUIDs\n\
         map.setting: `unit` means nothing for a field that holds UUIDs",
    );
    check_refuses_to_compile(
        &FieldType::Date,
        &CellSpec { format: Some("%d/%m".into()), ..spec() },
        "map.setting: the format \"%d/%m\" names no year, month and day",
    );
    check_refuses_to_compile(
        &FieldType::Date,
        &CellSpec { format: Some("%d/%Q/%Y".into()), ..spec() },
        "map.setting: the format \"%d/%Q/%Y\" has an unknown %Q",
    );
    check_refuses_to_compile(
        &FieldType::Date,
        &CellSpec { native: Some(NativeKind::Bytes), ..spec() },
        "map.type: the field holds dates, and the column a byte string",
    );
}
