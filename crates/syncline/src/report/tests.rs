//! One error model, for people and for programs.

use expect_test::expect;
use serde_json::json;
use syncline_core::error::{ErrorKind, PortError};

use super::*;

#[test]
fn a_failure_reads_as_what_cause_done_fix() {
    let failure = Failure::new("guard.first_run", "contacts has never been approved")
        .cause("no plan of it was applied yet")
        .done("nothing was written")
        .fix("syncline plan contacts --out p.plan\nsyncline apply p.plan");
    expect![[r"
        error[guard.first_run]: contacts has never been approved
          cause: no plan of it was applied yet
          done:  nothing was written
          fix:   syncline plan contacts --out p.plan
                 syncline apply p.plan"]]
    .assert_eq(&failure.render(Paint::Plain));
    assert_eq!(failure.exit.code(), 5);
}

#[test]
fn a_port_error_keeps_the_drivers_words_as_its_cause() {
    let error = PortError::new(ErrorKind::Unauthorized, "connect to erp", "Access denied (1045)");
    let failure = Failure::from(error);
    expect![[r"
        error[connect.auth]: could not connect to erp
          cause: it refused the user or the password: Access denied (1045)
          fix:   Check the user and the password reference; `syncline doctor` prints the GRANT."]]
    .assert_eq(&failure.render(Paint::Plain));
    assert_eq!(failure.exit.code(), 3);
}

#[test]
fn the_envelope_is_the_same_for_good_and_bad() {
    let good = Answer::new("2 changed").with_result(json!({"changed": 2}));
    let (exit, body) = envelope("run", &Ok(good));
    assert_eq!(exit.code(), 0);
    expect![[
        r#"{"command":"run","ok":true,"summary":"2 changed","result":{"changed":2},"error":null}"#
    ]]
    .assert_eq(&body.to_string());
    let (exit, body) = envelope("run", &Err(Failure::new("hub.in_use", "busy").fix("wait")));
    assert_eq!(exit.code(), 3);
    expect![[r#"{"command":"run","ok":false,"summary":"busy","result":null,"error":{"code":"hub.in_use","detail":"busy","fix":"wait"}}"#]]
        .assert_eq(&body.to_string());
}
