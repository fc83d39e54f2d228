//! 1.7: days and moments in systems that count them otherwise.

use super::stage::{ALL, Given, Kind, Step::*, everywhere, play, written};

/// A day, in three forms, in systems that stand in three zones.
const BORN: Given = Given {
    tables: "create table person (id {id}, email {text} not null unique, name {text}, born {day})",
    rows: ["insert into person (email, name, born) values ('r@x', 'N0', '2017-11-01'), ('s@x', 'N0', '2018-11-04'), ('t@x', 'N0', '2024-03-31')"; 3],
    mapping: "
timezone: Pacific/Apia
entities:
  person:
    in: {@person}
    match: email
    fields:
      email: {@email}
      name: {@name}
      born: {type: date, a: {column: born, tz: America/New_York}, b: {column: born, tz: Asia/Kolkata}, c: born}
",
    show: "select email, born from person order by email",
};

#[test]
fn s2_a_day_stays_the_day_it_is_in_every_zone() {
    everywhere(&BORN, &[], |stage| {
        for (at, kind) in stage.kinds.into_iter().enumerate() {
            if kind == Kind::Postgres {
                let zones = ["America/New_York", "Asia/Kolkata", "Pacific/Apia"];
                let zone = zones[at];
                stage.sql(at, &format!("do $$ begin execute format('alter database %I set timezone to ''{zone}''', current_database()); end $$"));
            }
        }
        stage.take_steps(&[Run([0, 0, 0])]);
        // Ten times there and back: the day is written in one system and read in another.
        for round in 0..5 {
            for (at, month) in [(0, "03"), (1, "11")] {
                let day = &format!("201{round}-{month}-01");
                stage.sql(at, &format!("update person set born = '{day}' where email = 'r@x'"));
                let done = stage.expect(0, &["run"]);
                assert_eq!(written(&done).iter().sum::<u64>(), 2, "{done}");
                for place in 0..3 {
                    let shown = stage.sql(place, "select born from person where email = 'r@x'");
                    assert_eq!(shown, [day.as_str()], "round {round} in {:?}", stage.kinds[place]);
                }
            }
        }
        stage.take_steps(&[
            In("c", "insert into person (email, name, born) values ('u@x', 'N0', '1900-01-01')"),
            Run([1, 1, 0]),
            Query(ALL, "select born from person where email = 'u@x'", &["1900-01-01"]),
        ]);
        stage.take_steps(&[Query(
            ALL,
            "select born from person where email in ('s@x', 't@x') order by email",
            &["2018-11-04", "2024-03-31"],
        )]);
    });
}

/// A moment: `a` keeps the instant, `b` the time of Paris, `c` the time of New York as text.
const MEETING: Given = Given {
    tables: "create table meeting (id {id}, code {text} not null unique, held {instant}, paris {moment}, york {text})",
    rows: [""; 3],
    mapping: "
entities:
  meeting:
    in: {@meeting}
    match: code
    fields:
      code: {@code}
      held:
        type: timestamp
        a: {column: held, tz: UTC}
        b: {column: paris, tz: Europe/Paris, ambiguous: earlier}
        c: {column: york, tz: America/New_York, ambiguous: later, format: \"%d/%m/%Y %H:%M\"}
",
    show: "select code, held from meeting order by code",
};

#[test]
fn s3_a_moment_is_the_same_moment_in_every_form() {
    const INSTANTS: &str = "select code, {epoch} from meeting order by code";
    play(
        &MEETING,
        &[
            In(
                "b",
                "insert into meeting (code, paris) values ('1', '2024-07-01 14:00:00'), ('2', '2024-01-01 00:30:00')",
            ),
            // An hour that Paris has twice: `earlier` is what its cell says.
            In("b", "insert into meeting (code, paris) values ('3', '2024-10-27 02:30:00')"),
            // And the second of the two, which Paris can only show as the same.
            In("a", "{utc}; insert into meeting (code, held) values ('4', '2024-10-27 01:30:00')"),
            // An hour that New York has twice: `later`.
            In("c", "insert into meeting (code, york) values ('5', '03/11/2024 01:30')"),
            Run([4, 2, 4]),
            Query(
                "a",
                INSTANTS,
                &["1|1719835200", "2|1704065400", "3|1729989000", "4|1729992600", "5|1730615400"],
            ),
            Query(
                "b",
                "select code, {minute} from meeting order by code",
                &[
                    "1|2024-07-01 14:00",
                    "2|2024-01-01 00:30",
                    "3|2024-10-27 02:30",
                    "4|2024-10-27 02:30",
                    "5|2024-11-03 07:30",
                ],
            ),
            Query(
                "c",
                "select code, york from meeting order by code",
                &[
                    "1|01/07/2024 08:00",
                    "2|31/12/2023 18:30",
                    "3|26/10/2024 20:30",
                    "4|26/10/2024 21:30",
                    "5|03/11/2024 01:30",
                ],
            ),
            Run([0, 0, 0]),
            // The rest of the record moves, and none of the moments.
            In("b", "update meeting set code = '4b' where code = '4'"),
            Run([1, 0, 1]),
            Query(
                "a",
                INSTANTS,
                &["1|1719835200", "2|1704065400", "3|1729989000", "4b|1729992600", "5|1730615400"],
            ),
        ],
    );
}
