//! Every kind of lens, for the laws.

use super::*;

/// Every kind of lens, for the laws.
pub(in crate::lens) fn law_catalogue() -> Vec<(FieldType, CellSpec)> {
    let native = |native| CellSpec { native: Some(native), ..spec() };
    let format = |format: &str| CellSpec { format: Some(format.into()), ..spec() };
    let zone = |spec: CellSpec, zone: &str| CellSpec { zone: Some(zone.into()), ..spec };
    let eur = || FieldType::Money { currency: Some("EUR".into()) };
    let open = || FieldType::Money { currency: None };
    let spain = || FieldType::Phone { region: Some("ES".into()) };
    let linear = |multiply: i64, divide: i64, offset: i64| CellSpec {
        unit: Some(Unit::Linear {
            multiply: multiply.into(),
            divide: divide.into(),
            offset: offset.into(),
        }),
        scale: Some(3),
        ..spec()
    };
    let words = (vec![text("O"), num("1")], vec![text("N"), num("0")]);
    let split = |from_end| Some(Split { separator: " ".into(), parts: 2, from_end });
    let rounded = CellSpec { scale: Some(2), rounding: Some(Rounding::HalfEven), ..spec() };
    let german = CellSpec {
        decimal_separator: Some(','),
        group_separator: Some('.'),
        scale: Some(2),
        lossy: true,
        ..spec()
    };
    vec![
        (FieldType::Any, spec()),
        (FieldType::Text, spec()),
        (FieldType::Text, native(NativeKind::Num)),
        (FieldType::Text, native(NativeKind::Bytes)),
        (FieldType::Text, CellSpec { trim: true, ..spec() }),
        (FieldType::Text, CellSpec { trim: true, collapse: true, ..spec() }),
        (FieldType::Text, CellSpec { case: Some(Case::Upper), ..spec() }),
        (FieldType::Text, CellSpec { case: Some(Case::Lower), trim: true, ..spec() }),
        (FieldType::Text, CellSpec { case: Some(Case::Fold), ..spec() }),
        (FieldType::Text, CellSpec { max: Some(5), ..spec() }),
        (FieldType::Text, CellSpec { max: Some(5), lossy: true, ..spec() }),
        (FieldType::Text, CellSpec { max: Some(3), lossy: true, trim: true, ..spec() }),
        (
            FieldType::Text,
            CellSpec { max: Some(3), lossy: true, case: Some(Case::Upper), ..spec() },
        ),
        (FieldType::Text, CellSpec { blank_is_null: true, ..spec() }),
        (FieldType::Text, CellSpec { blank_is_null: true, default: Some(text("")), ..spec() }),
        (FieldType::Text, CellSpec { default: Some(text("n/a")), ..spec() }),
        (FieldType::Text, CellSpec { constant: Some(text("EU")), ..spec() }),
        (FieldType::Text, CellSpec { split: split(false), ..spec() }),
        (FieldType::Text, CellSpec { split: split(true), ..spec() }),
        (FieldType::Any, CellSpec { join: split(true), ..spec() }),
        (FieldType::Int, spec()),
        (FieldType::Int, native(NativeKind::Text)),
        (FieldType::Int, CellSpec { default: Some(num("0")), ..spec() }),
        (FieldType::Int, CellSpec { digits: Some(5), ..spec() }),
        (FieldType::Decimal, native(NativeKind::Text)),
        (FieldType::Decimal, native(NativeKind::Float)),
        (FieldType::Decimal, CellSpec { lossy: true, ..native(NativeKind::Float) }),
        (FieldType::Decimal, CellSpec { scale: Some(2), ..spec() }),
        (FieldType::Decimal, CellSpec { scale: Some(0), lossy: true, ..spec() }),
        (FieldType::Decimal, rounded.clone()),
        (FieldType::Decimal, CellSpec { digits: Some(6), ..rounded }),
        (FieldType::Decimal, german.clone()),
        (FieldType::Decimal, linear(1_000, 1, 0)),
        (FieldType::Decimal, linear(9, 5, 32)),
        (FieldType::Decimal, linear(1, 3, -7)),
        (eur(), CellSpec { unit: Some(Unit::Minor), ..spec() }),
        (eur(), CellSpec { unit: Some(Unit::Minor), lossy: true, ..spec() }),
        (eur(), CellSpec { format: Some("{amount} {currency}".into()), ..german }),
        (open(), CellSpec { currency: Some(CellCurrency::Column), ..spec() }),
        (
            open(),
            CellSpec {
                currency: Some(CellCurrency::Constant("JPY".into())),
                unit: Some(Unit::Minor),
                ..spec()
            },
        ),
        (open(), format("{currency}{amount}")),
        (FieldType::Bool, spec()),
        (FieldType::Bool, native(NativeKind::Num)),
        (FieldType::Bool, native(NativeKind::Text)),
        (FieldType::Bool, CellSpec { boolean: Some(words), ..spec() }),
        (FieldType::Date, spec()),
        (FieldType::Date, native(NativeKind::Text)),
        (FieldType::Date, format("%d/%m/%Y")),
        (FieldType::Date, format("%y%j")),
        (FieldType::Date, CellSpec { native: Some(NativeKind::Num), ..format("%Y%m%d") }),
        (FieldType::Date, native(NativeKind::LocalDateTime)),
        (FieldType::Date, zone(native(NativeKind::Instant), "America/Sao_Paulo")),
        (FieldType::Time, spec()),
        (FieldType::Time, native(NativeKind::Text)),
        (FieldType::Time, CellSpec { fraction: Some(0), ..native(NativeKind::Interval) }),
        (FieldType::Time, format("%I.%M %p")),
        (FieldType::Timestamp, spec()),
        (FieldType::Timestamp, native(NativeKind::Text)),
        (FieldType::Timestamp, native(NativeKind::OffsetDateTime)),
        (FieldType::Timestamp, CellSpec { fraction: Some(6), ..spec() }),
        (FieldType::Timestamp, zone(native(NativeKind::LocalDateTime), "Europe/Paris")),
        (
            FieldType::Timestamp,
            CellSpec {
                ambiguous: Some(Ambiguous::Later),
                fraction: Some(0),
                ..zone(native(NativeKind::LocalDateTime), "America/New_York")
            },
        ),
        (FieldType::Timestamp, zone(format("%d/%m/%Y"), "Asia/Kolkata")),
        (
            FieldType::Timestamp,
            CellSpec { lossy: true, ..zone(format("%d/%m/%Y"), "Asia/Kolkata") },
        ),
        (
            FieldType::Timestamp,
            zone(CellSpec { native: Some(NativeKind::Text), ..spec() }, "Asia/Kolkata"),
        ),
        (FieldType::Timestamp, format("%Y-%m-%d %H:%M:%S%.f %z")),
        (FieldType::Timestamp, format("%s%3f")),
        (FieldType::LocalTimestamp, spec()),
        (FieldType::LocalTimestamp, native(NativeKind::Text)),
        (FieldType::LocalTimestamp, zone(native(NativeKind::Instant), "Europe/Paris")),
        table::status(),
        (FieldType::Enum(["lead", "customer"].map(Text::new).to_vec()), spec()),
        (FieldType::Email, spec()),
        (spain(), spec()),
        (spain(), CellSpec { phone: Some(PhoneFormat::National), ..spec() }),
        (spain(), CellSpec { phone: Some(PhoneFormat::International), ..spec() }),
        (FieldType::Uuid, native(NativeKind::Text)),
        (FieldType::Uuid, native(NativeKind::Bytes)),
        (FieldType::Bytes, spec()),
        (FieldType::Bytes, format("hex")),
        (FieldType::Bytes, format("base64")),
        (FieldType::Json, native(NativeKind::Text)),
        (FieldType::Set, spec()),
        (FieldType::Set, native(NativeKind::Text)),
        (FieldType::Float, native(NativeKind::Num)),
        (FieldType::Float, native(NativeKind::Text)),
        (FieldType::Interval, native(NativeKind::Text)),
        (FieldType::Interval, native(NativeKind::Time)),
        (FieldType::Ref, spec()),
    ]
}
