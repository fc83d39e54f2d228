//! Who is told of what, and when: pure functions of the rules.

use syncline_core::name::Timestamp;

use crate::{
    alerts::conditions::{Happening, Kind},
    config::{
        Loaded,
        draft::alerts::{AlertsDraft, ChannelKind, Digest, RuleDraft},
    },
};

/// What happens within so long is one message.
pub(super) const TOGETHER_MS: i64 = 5_000;
const HOUR_MS: i64 = 3_600_000;

/// The channels that are told of this, and when.
pub(super) fn told(
    loaded: &Loaded,
    happening: &Happening,
    now: Timestamp,
) -> Vec<(String, Timestamp)> {
    let alerts = &loaded.draft.alerts;
    let mut told: Vec<(String, Timestamp)> = Vec::new();
    for rule in alerts.rules.iter().filter(|rule| is_meant(rule, happening)) {
        for channel in &rule.to {
            // A person is told that all of it is over, a program of each that is.
            let Some(due) = due(alerts, channel, rule, happening, now) else { continue };
            if told.iter().all(|(known, _)| known != channel) {
                told.push((channel.clone(), due));
            }
        }
    }
    told
}

fn is_meant(rule: &RuleDraft, happening: &Happening) -> bool {
    let names = |event: &str| {
        let (opened, over) = happening.kind.events();
        // Whoever is told that something is so is told when it is over.
        event == "*" || event == opened || (happening.is_over && event == over)
    };
    let is_listed = |listed: &[crate::config::draft::Name], name: &Option<String>| {
        listed.is_empty()
            || name.as_ref().is_some_and(|name| listed.iter().any(|it| it.value.as_str() == name))
    };
    let is_age = matches!(happening.kind, Kind::OldConflict | Kind::OldRecord);
    let is_anything = rule.events.iter().any(|event| event == "*");
    rule.events.iter().any(|event| names(event))
        // Of two rules about different lengths of time each is about its own.
        && (!is_age || is_anything || rule.after_ms == happening.after_ms)
        && is_listed(&rule.entities, &happening.entity)
        && is_listed(&rule.systems, &happening.system)
        && (rule.codes.is_empty()
            || happening.code.as_ref().is_some_and(|code| rule.codes.contains(code)))
}

/// When a channel is told; `None`: it is not.
fn due(
    alerts: &AlertsDraft,
    channel: &str,
    rule: &RuleDraft,
    happening: &Happening,
    now: Timestamp,
) -> Option<Timestamp> {
    let channel = alerts.channels.iter().find(|it| it.name.value == channel)?;
    let is_program = matches!(channel.kind, ChannelKind::Webhook(..));
    if happening.is_over && happening.left > 0 && !is_program {
        return None;
    }
    let wait = match (channel.digest, happening.kind) {
        (Some(Digest::Hourly), _) => return Some(next(now, HOUR_MS)),
        (Some(Digest::Daily), _) => return Some(next(now, 24 * HOUR_MS)),
        // When it is told is what they are about.
        (None, Kind::Stale | Kind::OldConflict | Kind::OldRecord) => 0,
        (None, _) if rule.after_ms > 0 && !happening.is_over => rule.after_ms,
        (None, Kind::Run | Kind::RunFailed | Kind::Config) => 0,
        (None, _) if is_program || happening.is_over => 0,
        // A pager is not kept waiting.
        (None, _) if matches!(channel.kind, ChannelKind::Pagerduty(..)) => 0,
        (None, _) => TOGETHER_MS,
    };
    Some(now.plus_ms(wait))
}

/// The next full hour, or midnight, of UTC.
fn next(now: Timestamp, span_ms: i64) -> Timestamp {
    Timestamp(0).plus_ms((now.ms().div_euclid(span_ms) + 1) * span_ms)
}
