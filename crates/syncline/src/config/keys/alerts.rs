//! `alerts:`: who is told what happens.

use crate::config::keys::{Section, Shape, TEXTS, key};

pub(crate) static ALERTS: Section = Section {
    name: "alerts",
    doc: "Who is told what happens.",
    keys: &[
        key("channels", Shape::Map(&Shape::Keys(&CHANNEL)), "Those who are told, by name."),
        key("rules", Shape::List(&Shape::Keys(&RULE)), "Who is told of what."),
        key("smtp", Shape::Keys(&SMTP), "How e-mail is sent."),
    ],
    named: None,
    required: &["channels", "rules"],
};

pub(crate) static CHANNEL: Section = Section {
    name: "channel",
    doc: "Somebody who is told, in one way: slack, pagerduty, email or webhook.",
    keys: &[
        key(
            "slack",
            Shape::Secret,
            "A message to a chat: where the URL of an incoming webhook is, of Slack or of what takes the same.",
        ),
        key("pagerduty", Shape::Secret, "An event of PagerDuty: where the routing key is."),
        key("email", TEXTS, "A mail to these addresses; `smtp` says how."),
        key("webhook", Shape::Text, "A POST to this URL."),
        key(
            "secret",
            Shape::Secret,
            "Of `webhook`: signed with it as https://www.standardwebhooks.com says; begins with whsec_.",
        ),
        key(
            "format",
            Shape::Word(&["standard", "cloudevents"]),
            "Of `webhook`: the body as https://www.standardwebhooks.com says, or an event as https://cloudevents.io \
             says, in structured mode; `standard` unless said.",
        ),
        key(
            "url",
            Shape::Text,
            "Of `pagerduty`: where events go, if elsewhere than to the vendor.",
        ),
        key(
            "digest",
            Shape::Word(&["hourly", "daily"]),
            "What happened is told together, at the full hour or at midnight.",
        ),
        key("private", Shape::Bool, "It may be in a private network, or on this machine."),
    ],
    named: None,
    required: &[],
};

/// As the file names what can happen.
pub(crate) const EVENTS: [&str; 18] = [
    "*",
    "conflict_opened",
    "conflict_resolved",
    "conflict_waiting",
    "record_quarantined",
    "record_released",
    "record_waiting",
    "guard_tripped",
    "guard_released",
    "loop_suspected",
    "system_down",
    "system_up",
    "field_paused",
    "stale",
    "error_rate",
    "run_finished",
    "run_failed",
    "config_loaded",
];

pub(crate) static RULE: Section = Section {
    name: "rule",
    doc: "Who is told of what. Whoever is told that something is wrong is told when it is over.",
    keys: &[
        key(
            "event",
            Shape::Either(&[Shape::Word(&EVENTS), Shape::List(&Shape::Word(&EVENTS))]),
            "What happens; `*`: anything.",
        ),
        key("to", TEXTS, "The channels."),
        key("entity", TEXTS, "Only of these entities."),
        key("system", TEXTS, "Only of these systems."),
        key("code", TEXTS, "Only with these error codes."),
        key(
            "after",
            Shape::Duration,
            "Of `stale`: without success for so long; of `conflict_waiting` and `record_waiting`: each that waits for \
             so long; of the others: once it is so for so long.",
        ),
        key(
            "above",
            Shape::Text,
            "Of `error_rate`: `5%` of what changed was set aside or refused.",
        ),
        key("for", Shape::Duration, "Of `error_rate`: within so long; 10m unless said."),
    ],
    named: None,
    required: &["event", "to"],
};

pub(crate) static SMTP: Section = Section {
    name: "smtp",
    doc: "How e-mail is sent.",
    keys: &[
        key("host", Shape::Text, "The mail server."),
        key("port", Shape::Count, "Its port; 587, or 465 with `tls: implicit`, unless said."),
        key("from", Shape::Text, "From whom mail comes: `Syncline <sync@example.com>`."),
        key("user", Shape::Text, "Who we are there."),
        key("password", Shape::Secret, "Where the password is."),
        key(
            "tls",
            Shape::Word(&["starttls", "implicit", "off"]),
            "How the connection is protected; `starttls` unless said, `off` on this machine alone.",
        ),
        key("tls_ca", Shape::Text, "A file of certificates to trust beside the system's own."),
    ],
    named: None,
    required: &["host", "from"],
};
