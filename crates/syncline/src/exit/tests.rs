//! Several outcomes in one run end it with the first of 3, 1, 5, 4.

use super::Exit;

#[test]
fn the_first_of_3_1_5_4_wins() {
    let ranked = [Exit::Environment, Exit::Failed, Exit::Refused, Exit::SetAside, Exit::Done];
    for (at, first) in ranked.iter().enumerate() {
        for later in &ranked[at..] {
            assert_eq!(first.and(*later), *first);
            assert_eq!(later.and(*first), *first);
        }
    }
    assert_eq!(ranked.map(Exit::code), [3, 1, 5, 4, 0]);
}

#[test]
fn codes_decide_how_a_command_ends() {
    #[track_caller]
    fn check(code: &str, expected: u8) {
        assert_eq!(Exit::of_code(code).code(), expected, "{code}");
    }
    check("connect.auth", 3);
    check("secret.unresolved", 3);
    check("hub.in_use", 3);
    check("config.unknown_key", 2);
    check("guard.first_run", 5);
    check("plan.stale", 5);
    check("write.value_too_long", 1);
    check("bug.unexpected", 1);
}

#[test]
fn a_number_stands_for_one_outcome() {
    for number in [0, 1, 2, 3, 4, 5, 10, 130, 143] {
        assert_eq!(Exit::of_number(number).map(|exit| u64::from(exit.code())), Some(number));
    }
    assert_eq!(Exit::of_number(7), None);
}
