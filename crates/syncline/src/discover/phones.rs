//! Telephone numbers that two systems write differently: in which country the numbers without one
//! must be, so that both mean the same.

use syncline_core::{
    lens::{self, CellSpec, FieldType, NativeKind},
    value::Value,
};

use crate::discover::{facts::Facts, rows::Rows};

/// Countries that are tried.
const REGIONS: [&str; 34] = [
    "FR", "DE", "ES", "IT", "GB", "US", "CH", "AT", "BE", "NL", "LU", "PT", "IE", "DK", "SE", "NO",
    "FI", "PL", "CZ", "SK", "HU", "RO", "GR", "CA", "MX", "BR", "AR", "CL", "CO", "AU", "NZ", "IN",
    "JP", "ZA",
];

/// So many rows are looked at.
const ROWS_MAX: usize = 200;

/// How the numbers of a column are to be read.
pub(crate) struct Region {
    /// The country, as an ISO 3166 code.
    pub(crate) code: &'static str,
    /// The share of rows on which both sides then mean the same.
    pub(crate) share: f64,
}

/// The country with which most rows agree, if nearly all do.
pub(crate) fn region(left: &Facts, right: &Facts, rows: &Rows) -> Option<Region> {
    let pairs: Vec<(&Value, &Value)> = rows
        .iter()
        .filter_map(|(one, other)| Some((left.values.get(*one)?, right.values.get(*other)?)))
        .filter(|(one, other)| !one.is_null() && !other.is_null())
        .take(ROWS_MAX)
        .collect();
    let share = |code: &'static str| {
        let kind = FieldType::Phone { region: Some(code.into()) };
        let spec = CellSpec { native: Some(NativeKind::Text), ..CellSpec::default() };
        let lens = lens::compile(&kind, &spec, None).ok()?;
        let agree = pairs.iter().filter(|(one, other)| {
            matches!((lens.get0(one), lens.get0(other)), (Ok(one), Ok(other)) if one == other)
        });
        Some(Region { code, share: agree.count() as f64 / (pairs.len() as f64).max(1.0) })
    };
    let both = left.native == NativeKind::Text && right.native == NativeKind::Text;
    let found = REGIONS.into_iter().filter(|_| both).filter_map(share);
    // Of countries that do as well, the first.
    let best = found.reduce(|best, other| if other.share > best.share { other } else { best })?;
    (best.share > 0.95).then_some(best)
}

/// Whether a column writes numbers as people of its country do, and has room for their blanks.
pub(crate) fn is_national(facts: &Facts) -> bool {
    const ROOM: u32 = 20;
    let texts = facts
        .values
        .iter()
        .filter_map(|value| if let Value::Text(text) = value { Some(text.as_str()) } else { None });
    let (all, abroad) = texts.fold((0, 0), |(all, abroad), text| {
        (all + 1, abroad + usize::from(text.starts_with('+') || text.starts_with("00")))
    });
    all > 0 && abroad * 2 < all && facts.column.length_max.is_none_or(|length| length >= ROOM)
}
