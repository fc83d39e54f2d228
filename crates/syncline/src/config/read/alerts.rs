//! `alerts:`: channels, rules, and how mail is sent.

use syncline_adapters::settings::channel::{Form, MailTls};

use crate::config::{
    complaint::Complaint,
    draft::{
        Name,
        alerts::{AlertsDraft, ChannelDraft, ChannelKind, Digest, RuleDraft, SmtpDraft},
    },
    keys,
    read::{Entries, Reader},
    similar,
    tree::{Kind, Node},
};

/// Where events of `PagerDuty` go.
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";
/// How long a share of errors is counted over, unless said otherwise.
const WITHIN_MS: i64 = 600_000;

/// Events that are about how long something has waited.
const AGES: [&str; 2] = ["conflict_waiting", "record_waiting"];

impl Reader<'_> {
    /// Who is told what happens.
    pub(super) fn alerts(&mut self, node: &Node) -> AlertsDraft {
        let mut alerts = AlertsDraft::default();
        let Some(entries) = self.entries(node, &keys::alerts::ALERTS, "`alerts`", &[]) else {
            return alerts;
        };
        alerts.smtp = entries.get("smtp").and_then(|node| self.smtp(node));
        if let Some(node) = entries.get("channels") {
            let Kind::Map(pairs) = &node.kind else {
                self.wrong(node.place, "`channels` takes channels by name");
                return alerts;
            };
            for (key, value) in pairs {
                let name = self.name(key, "a channel", true);
                alerts.channels.extend(self.channel(name, value, alerts.smtp.is_some()));
            }
        }
        if let Some(node) = entries.get("rules") {
            let Kind::List(rules) = &node.kind else {
                self.wrong(node.place, "`rules` takes a list of rules");
                return alerts;
            };
            let known: Vec<String> =
                alerts.channels.iter().map(|it| it.name.value.to_string()).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            for rule in rules {
                alerts.rules.extend(self.rule(rule, &known));
            }
        }
        alerts
    }

    fn channel(&mut self, name: Name, node: &Node, has_smtp: bool) -> Option<ChannelDraft> {
        let what = format!("channel `{}`", name.value);
        let entries = self.entries(node, &keys::alerts::CHANNEL, &what, &[])?;
        // Whatever else is wrong: secrets that stand there themselves are hidden in what is shown.
        let mut hidden = |key: &str| entries.get(key).and_then(|it| self.secret(it, key, true));
        let (slack, pagerduty, secret) = (hidden("slack"), hidden("pagerduty"), hidden("secret"));
        let mut kinds = Vec::new();
        kinds.extend(slack.map(ChannelKind::Slack));
        if let Some(key) = pagerduty {
            let url = self.url_of(&entries, "url").unwrap_or_else(|| PAGERDUTY.to_owned());
            kinds.push(ChannelKind::Pagerduty(key, url));
        }
        if let Some(to) = entries.get("email").and_then(|_| self.texts_of(&entries, "email")) {
            for address in &to {
                if !address.value.contains('@') {
                    self.wrong(address.place, format!("`{}` is no address", address.value));
                }
            }
            if !has_smtp {
                self.complain(
                    Complaint::error("config.value", node.place, "nobody says how e-mail is sent")
                        .fix("say `alerts: {smtp: {host: …, from: …}}`"),
                );
            }
            let to = to.into_iter().map(|address| address.value.to_string()).collect();
            kinds.push(ChannelKind::Email(to));
        }
        if let Some(url) = self.url_of(&entries, "webhook") {
            let form = match self.word_of(&entries, "format", &["standard", "cloudevents"]) {
                Some("cloudevents") => Form::CloudEvents,
                Some(_) | None => Form::Standard,
            };
            kinds.push(ChannelKind::Webhook(url, secret, form));
        }
        let own = [("secret", "webhook"), ("format", "webhook"), ("url", "pagerduty")];
        for (key, owner) in own {
            if let (Some(place), None) = (entries.key(key), entries.get(owner)) {
                self.wrong(place, format!("`{key}` belongs to `{owner}`"));
            }
        }
        let digest = match self.word_of(&entries, "digest", &["hourly", "daily"]) {
            Some("hourly") => Some(Digest::Hourly),
            Some(_) => Some(Digest::Daily),
            None => None,
        };
        let private = self.bool_of(&entries, "private") == Some(true);
        if kinds.len() != 1 {
            self.wrong(node.place, format!("{what} takes one of slack, pagerduty, email, webhook"));
        }
        let kind = kinds.pop()?;
        if let (Some(place), ChannelKind::Pagerduty(..) | ChannelKind::Webhook(..)) =
            (entries.key("digest"), &kind)
        {
            self.wrong(place, "`digest` is for people: for slack and email");
        }
        Some(ChannelDraft { name, kind, digest, private })
    }

    fn url_of(&mut self, entries: &Entries<'_>, key: &str) -> Option<String> {
        let text = self.text_of(entries, key)?;
        let is_url = text.value.starts_with("https://") || text.value.starts_with("http://");
        if !is_url {
            self.wrong(text.place, format!("`{key}` takes a URL"));
            return None;
        }
        Some(text.value.to_string())
    }

    fn rule(&mut self, node: &Node, channels: &[&str]) -> Option<RuleDraft> {
        let entries = self.entries(node, &keys::alerts::RULE, "a rule", &[])?;
        let events = self.texts_of(&entries, "event")?;
        for event in &events {
            self.known(event, "event", &keys::alerts::EVENTS);
        }
        let to = self.texts_of(&entries, "to")?;
        for channel in &to {
            self.known(channel, "channel", channels);
        }
        let is = |word: &str| events.iter().any(|event| event.value == word);
        let above = self.text_of(&entries, "above").and_then(|text| self.percent(&text));
        let within_ms = self.duration_of(&entries, "for");
        if is("error_rate") && above.is_none() {
            self.wrong(node.place, "`error_rate` needs `above: 5%`");
        }
        for key in ["above", "for"] {
            if let (Some(place), false) = (entries.key(key), is("error_rate")) {
                self.wrong(place, format!("`{key}` belongs to `error_rate`"));
            }
        }
        let after_ms = self.duration_of(&entries, "after");
        if is("stale") && after_ms.is_none() {
            self.wrong(node.place, "`stale` needs `after: 10m`");
        }
        let of_age = events.iter().filter(|event| AGES.contains(&event.value.as_str()));
        if let (Some(event), true) = (of_age.clone().next(), after_ms.is_none()) {
            self.wrong(node.place, format!("`{}` needs `after: 4h`", event.value));
        }
        let mut list = |key: &str| match entries.get(key) {
            Some(_) => self.texts_of(&entries, key).unwrap_or_default(),
            None => Vec::new(),
        };
        let (entities, systems, codes) = (list("entity"), list("system"), list("code"));
        Some(RuleDraft {
            events: events.into_iter().map(|event| event.value.to_string()).collect(),
            to: to.into_iter().map(|channel| channel.value.to_string()).collect(),
            entities,
            systems,
            codes: codes.into_iter().map(|code| code.value.to_string()).collect(),
            after_ms: after_ms.unwrap_or(0),
            above,
            within_ms: within_ms.unwrap_or(WITHIN_MS),
        })
    }

    fn known(&mut self, name: &Name, what: &str, known: &[&str]) {
        if known.contains(&name.value.as_str()) {
            return;
        }
        let message = format!("there is no {what} `{}`", name.value);
        let complaint = Complaint::error("config.value", name.place, message);
        let near = similar::nearest(&name.value, known.iter().copied());
        self.complain(match near {
            Some(near) => complaint.label(format!("did you mean `{near}`?")),
            None => complaint.fix(format!("known here: {}", known.join(", "))),
        });
    }

    /// `5%`, in hundredths of a percent.
    fn percent(&mut self, text: &Name) -> Option<u32> {
        let number = text.value.strip_suffix('%').map(str::trim);
        let parsed = number.and_then(|number| {
            let (whole, part) = number.split_once('.').unwrap_or((number, ""));
            let (whole, digits): (u32, String) = (whole.parse().ok()?, format!("{part:0<2}"));
            let part: u32 = digits.parse().ok().filter(|_| digits.len() == 2)?;
            Some(whole.checked_mul(100)? + part).filter(|all| *all <= 10_000)
        });
        if parsed.is_none() {
            self.wrong(text.place, "`above` takes a share such as 5% or 0.5%");
        }
        parsed
    }

    fn smtp(&mut self, node: &Node) -> Option<SmtpDraft> {
        let entries = self.entries(node, &keys::alerts::SMTP, "`smtp`", &[])?;
        let password = entries.get("password").and_then(|it| self.secret(it, "password", true));
        let host = self.text_of(&entries, "host")?;
        let from = self.text_of(&entries, "from")?.value.to_string();
        let tls = match self.word_of(&entries, "tls", &["starttls", "implicit", "off"]) {
            Some("implicit") => MailTls::Implicit,
            Some("off") => MailTls::Off,
            Some(_) | None => MailTls::StartTls,
        };
        let is_here = matches!(host.value.as_str(), "localhost" | "127.0.0.1" | "::1");
        if tls == MailTls::Off && !is_here {
            self.wrong(host.place, "`tls: off` is for a mail server on this machine");
        }
        let unsaid = if tls == MailTls::Implicit { 465 } else { 587 };
        let port = self.count_of(&entries, "port", 1..=65_535).map_or(unsaid, |port| port as u16);
        let user = self.text_of(&entries, "user").map(|text| text.value.to_string());
        if user.is_some() != password.is_some() {
            self.wrong(node.place, "`user` and `password` go together");
        }
        let tls_ca = self.text_of(&entries, "tls_ca").map(|text| text.value.to_string());
        let host = host.value.to_string();
        Some(SmtpDraft { host, port, from, user: user.zip(password), tls, tls_ca })
    }
}
