//! Cells of dates and times.

use crate::lens::{
    Problem,
    compile::Compiler,
    convert::Conversion,
    pattern::Pattern,
    spec::{Ambiguous, NativeKind},
    time::{Form as TimeForm, Kind, Time},
    zone::Zone,
};

impl Compiler<'_> {
    pub(super) fn time(&mut self, kind: Kind) -> Option<Conversion> {
        let spec = self.spec;
        let zone_name = spec.zone.as_deref().or(self.default_zone);
        let zone = match zone_name.map(|name| (name, Zone::get(name))) {
            None => None,
            Some((_, Some(zone))) => Some(zone),
            Some((name, None)) => {
                self.problems.push(Problem::new("map.zone", format!("\"{name}\" is no time zone")));
                return None;
            }
        };
        let form = self.time_form(kind)?;
        let same = match kind {
            Kind::Date => NativeKind::Date,
            Kind::Time => NativeKind::Time,
            Kind::Instant => NativeKind::Instant,
            Kind::Local => NativeKind::LocalDateTime,
        };
        let full = spec.fraction.is_none_or(|digits| digits >= 9);
        if spec.native == Some(same) && full && matches!(form, TimeForm::Iso) {
            return Some(Conversion::Copy);
        }
        if zone.is_none() && self.needs_zone(kind, &form) {
            self.problems.push(Problem::new(
                "map.zone",
                "these times carry no offset: say their zone with `tz:`, or `timezone:` for the \
                 whole file",
            ));
            return None;
        }
        let time = Time {
            kind,
            native: spec.native,
            form,
            zone,
            zone_is_own: spec.zone.is_some(),
            ambiguous: spec.ambiguous.unwrap_or(Ambiguous::Reject),
            fraction: spec.fraction.filter(|digits| *digits < 9),
            lossy: spec.lossy,
        };
        let plain = matches!(time.form, TimeForm::Iso);
        let kinds: &[NativeKind] = match kind {
            Kind::Time => &[NativeKind::Time, NativeKind::Interval],
            Kind::Date | Kind::Instant | Kind::Local => &[
                NativeKind::Date,
                NativeKind::LocalDateTime,
                NativeKind::Instant,
                NativeKind::OffsetDateTime,
            ],
        };
        let texts = [NativeKind::Text, NativeKind::Json, NativeKind::Num];
        let texts = texts.iter().filter(|native| !plain || **native != NativeKind::Num);
        let kinds: Vec<NativeKind> = kinds.iter().chain(texts).copied().collect();
        self.takes(Conversion::Time(Box::new(time)), &kinds)
    }

    fn time_form(&mut self, kind: Kind) -> Option<TimeForm> {
        let Some(format) = &self.spec.format else { return Some(TimeForm::Iso) };
        let unix = match format.as_str() {
            "%s" => Some(0),
            "%s%3f" => Some(3),
            "%s%6f" => Some(6),
            "%s%9f" => Some(9),
            _ => None,
        };
        if let Some(digits) = unix {
            if kind == Kind::Instant {
                return Some(TimeForm::Unix(digits));
            }
            return self.complain("seconds since 1970 need `type: timestamp`");
        }
        let columns = [NativeKind::Text, NativeKind::Json, NativeKind::Num];
        if self.spec.native.is_some_and(|native| !columns.contains(&native)) {
            return self.complain("a format means nothing for a column that holds dates or times");
        }
        let pattern = match Pattern::parse(format) {
            Ok(pattern) => pattern,
            Err(directive) => {
                return self
                    .complain(format!("the format \"{format}\" has an unknown {directive}"));
            }
        };
        let (enough, wanted) = match kind {
            Kind::Date | Kind::Instant | Kind::Local => (pattern.has_date(), "year, month and day"),
            Kind::Time => (pattern.has_time(), "hour"),
        };
        if !enough {
            return self.complain(format!("the format \"{format}\" names no {wanted}"));
        }
        Some(TimeForm::Pattern(pattern, format.clone()))
    }

    fn needs_zone(&self, kind: Kind, form: &TimeForm) -> bool {
        use NativeKind::{Date, Instant, LocalDateTime, OffsetDateTime};
        match kind {
            Kind::Instant => {
                matches!(self.spec.native, Some(Date | LocalDateTime))
                    || matches!(form, TimeForm::Pattern(pattern, _) if !pattern.has_offset())
            }
            Kind::Date | Kind::Local => {
                matches!(self.spec.native, Some(Instant | OffsetDateTime))
            }
            Kind::Time => false,
        }
    }
}
