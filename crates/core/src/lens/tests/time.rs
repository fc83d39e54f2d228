//! Dates, times and zones (S1, S2, S3).

use super::*;

#[test]
fn a_date_is_written_day_first_and_read_back() {
    let format = Some(Text::new("%d/%m/%Y"));
    let lens = lens(&FieldType::Date, &CellSpec { format, ..spec() });
    check_both(
        &lens,
        &[(date(2024, 1, 1), text("01/01/2024")), (date(2024, 4, 3), text("03/04/2024"))],
    );
    check_reads(&lens, text("3/4/2024"), date(2024, 4, 3));
    let refused = "\"29/02/2023\" is no date of the form %d/%m/%Y";
    check_refuses_to_read(&lens, text("29/02/2023"), "map.invalid", refused);
    for bad in ["", "2024-01-01", "01/01/24", "01/01/2024 ", "32/01/2024", "01/13/2024", "01/01"] {
        assert!(lens.get0(&text(bad)).is_err(), "{bad}");
    }
    // The system's own form stays as long as it means the same.
    assert_eq!(lens.put(&date(2024, 4, 3), Some(&text("3/4/2024"))), Ok(text("3/4/2024")));
}

#[test]
fn patterns_of_dates_and_times() {
    let zone = |kind: &FieldType| (*kind == FieldType::Timestamp).then(|| Text::new("UTC"));
    let check = |format: &str, kind: FieldType, golden: Value, native: &str| {
        let spec = CellSpec { format: Some(Text::new(format)), zone: zone(&kind), ..spec() };
        check_both(&lens(&kind, &spec), &[(golden, text(native))]);
    };
    let day = date(2024, 2, 9);
    check("%Y%m%d", FieldType::Date, day.clone(), "20240209");
    check("%d.%m.%y", FieldType::Date, day.clone(), "09.02.24");
    check("%-d/%-m/%Y", FieldType::Date, day.clone(), "9/2/2024");
    check("%a, %d %b %Y", FieldType::Date, day.clone(), "Fri, 09 Feb 2024");
    check("%A %e %B %Y", FieldType::Date, day.clone(), "Friday 9 February 2024");
    check("%Y-%j", FieldType::Date, day, "2024-040");
    check("100%% %F", FieldType::Date, date(2024, 2, 9), "100% 2024-02-09");
    let noon = local("2024-02-09 13:05:09.25");
    check(
        "%Y-%m-%dT%H:%M:%S%.f",
        FieldType::LocalTimestamp,
        noon.clone(),
        "2024-02-09T13:05:09.25",
    );
    check(
        "%d/%m/%Y %I:%M:%S.%f %p",
        FieldType::LocalTimestamp,
        noon,
        "09/02/2024 01:05:09.250000 PM",
    );
    let instant = instant("2024-02-09T13:05:09.125Z");
    check("%Y%m%d%H%M%S%3f", FieldType::Timestamp, instant.clone(), "20240209130509125");
    check("%F %T%.3f%:z", FieldType::Timestamp, instant.clone(), "2024-02-09 13:05:09.125+00:00");
    check("%s%3f", FieldType::Timestamp, instant, "1707483909125");
    check("%H%M", FieldType::Time, Value::Time(5_400_000_000_000), "0130");
}

#[test]
fn numbers_that_are_dates() {
    let format = Some(Text::new("%Y%m%d"));
    let native = Some(NativeKind::Num);
    let dates = lens(&FieldType::Date, &CellSpec { native, format, ..spec() });
    check_both(&dates, &[(date(2024, 2, 9), num("20240209"))]);
    assert!(dates.get0(&num("20240230")).is_err());
    let format = Some(Text::new("%H%M%S"));
    let times = lens(&FieldType::Time, &CellSpec { native, format, ..spec() });
    check_both(
        &times,
        &[(Value::Time(5_401_000_000_000), num("13001")), (Value::Time(0), num("0"))],
    );
    let format = Some(Text::new("%s"));
    let seconds = lens(&FieldType::Timestamp, &CellSpec { native, format, ..spec() });
    check_both(&seconds, &[(instant("2023-11-14T22:13:20.5Z"), num("1700000000.5"))]);
}

#[test]
fn a_date_never_moves_with_a_zone() {
    let stay = lens(&FieldType::Date, &CellSpec { native: Some(NativeKind::Date), ..spec() });
    assert!(stay.is_identity());
    for zone in ["America/New_York", "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Apia"] {
        let zone = Some(Text::new(zone));
        for native in [NativeKind::Instant, NativeKind::OffsetDateTime, NativeKind::LocalDateTime] {
            let cell = CellSpec { native: Some(native), zone: zone.clone(), ..spec() };
            let lens = lens(&FieldType::Date, &cell);
            // 2018-11-04 has no midnight in São Paulo; 2017-11-05 has an hour twice in New York.
            for day in [date(2017, 11, 1), date(2017, 11, 5), date(2018, 11, 4), date(1900, 1, 1)] {
                let mut value = day.clone();
                for _ in 0..10 {
                    value = lens.get0(&lens.put0(&value).expect("writes")).expect("reads");
                }
                assert_eq!(value, day, "{zone:?} {native:?}");
            }
        }
    }
}

#[test]
fn local_times_need_a_zone_and_keep_the_instant() {
    let native = Some(NativeKind::LocalDateTime);
    let bare = CellSpec { native, ..spec() };
    check_refuses_to_compile(
        &FieldType::Timestamp,
        &bare,
        "map.zone: these times carry no offset: say their zone with `tz:`, or `timezone:` for the \
         whole file",
    );
    let by_file = compile(&FieldType::Timestamp, &bare, Some("Europe/Paris")).expect("compiles");
    check_both(
        &by_file,
        &[
            (instant("2024-01-15T11:00:00Z"), local("2024-01-15 12:00:00")),
            (instant("2024-07-15T10:00:00.000001Z"), local("2024-07-15 12:00:00.000001")),
        ],
    );
    let wrong = CellSpec { zone: Some("Europe/Pariss".into()), ..bare };
    check_refuses_to_compile(
        &FieldType::Timestamp,
        &wrong,
        "map.zone: \"Europe/Pariss\" is no time zone",
    );
}

#[test]
fn a_repeated_hour_is_refused_unless_a_rule_is_declared() {
    let cell = |ambiguous| CellSpec {
        native: Some(NativeKind::LocalDateTime),
        zone: Some("Europe/Paris".into()),
        ambiguous,
        ..spec()
    };
    let (first, second) = (instant("2024-10-27T00:30:00Z"), instant("2024-10-27T01:30:00Z"));
    let shown = local("2024-10-27 02:30:00");
    let strict = lens(&FieldType::Timestamp, &cell(None));
    check_refuses_to_read(
        &strict,
        shown.clone(),
        "map.ambiguous_time",
        "2024-10-27 02:30:00 is a time that the clocks there repeat or skip",
    );
    assert_eq!(strict.put0(&first).expect_err("refused").code, "map.ambiguous_time");
    check_refuses_to_read(
        &strict,
        local("2024-03-31 02:30:00"),
        "map.ambiguous_time",
        "2024-03-31 02:30:00 is a time that the clocks there repeat or skip",
    );
    for (rule, expected) in [(Ambiguous::Earlier, &first), (Ambiguous::Later, &second)] {
        let lens = lens(&FieldType::Timestamp, &cell(Some(rule)));
        assert_eq!(lens.get0(&shown).as_ref(), Ok(expected));
        // Both instants can be written, and the hub remembers which one it was.
        for instant in [&first, &second] {
            assert_eq!(lens.put0(instant), Ok(shown.clone()));
            assert_eq!(lens.get(&shown, Some(instant)).as_ref(), Ok(instant));
        }
    }
}

#[test]
fn timestamps_as_text() {
    let native = Some(NativeKind::Text);
    let plain = lens(&FieldType::Timestamp, &CellSpec { native, ..spec() });
    check_both(&plain, &[(instant("2024-02-09T13:05:09.5Z"), text("2024-02-09T13:05:09.5Z"))]);
    check_reads(&plain, text("2024-02-09 15:05:09.5+02:00"), instant("2024-02-09T13:05:09.5Z"));
    assert!(plain.get0(&text("2024-02-09 13:05:09")).is_err(), "no offset and no zone");
    assert!(plain.get0(&text("2024-02-09T23:59:60Z")).is_err(), "a leap second");
    let zone = Some(Text::new("Europe/Paris"));
    let here = lens(&FieldType::Timestamp, &CellSpec { native, zone, ..spec() });
    check_both(&here, &[(instant("2024-02-09T13:05:09Z"), text("2024-02-09 14:05:09"))]);
    check_reads(&here, text("2024-02-09T13:05:09Z"), instant("2024-02-09T13:05:09Z"));
    let utc = CellSpec { native, zone: Some("UTC".into()), ..spec() };
    check_both(
        &lens(&FieldType::Timestamp, &utc),
        &[(instant("2024-02-09T13:05:09Z"), text("2024-02-09 13:05:09"))],
    );
}

#[test]
fn a_coarse_column_cuts_and_the_hub_remembers() {
    let cell = CellSpec { native: Some(NativeKind::Instant), fraction: Some(0), ..spec() };
    let lens = lens(&FieldType::Timestamp, &cell);
    let (fine, coarse) = (instant("2024-02-09T13:05:09.999999Z"), instant("2024-02-09T13:05:09Z"));
    assert_eq!(lens.put0(&fine), Ok(coarse.clone()));
    assert_eq!(lens.get(&coarse, Some(&fine)), Ok(fine.clone()));
    assert_eq!(lens.normalise(&fine), coarse);
    // Somebody moved it there: the tail is gone, by their own doing.
    let moved = instant("2024-02-09T13:06:00Z");
    assert_eq!(lens.get(&moved, Some(&fine)), Ok(moved));
}

#[test]
fn a_form_without_the_time_of_day_refuses_times() {
    let format = Some(Text::new("%d/%m/%Y"));
    let zone = Some(Text::new("UTC"));
    let cell = CellSpec { format, zone, ..spec() };
    let strict = lens(&FieldType::Timestamp, &cell);
    check_both(&strict, &[(instant("2024-02-09T00:00:00Z"), text("09/02/2024"))]);
    check_refuses_to_write(
        &strict,
        instant("2024-02-09T13:05:09Z"),
        "map.lossy",
        "2024-02-09T13:05:09Z would come back changed if it were written here",
    );
    let lossy = lens(&FieldType::Timestamp, &CellSpec { lossy: true, ..cell });
    assert_eq!(lossy.put0(&instant("2024-02-09T13:05:09Z")), Ok(text("09/02/2024")));
}
