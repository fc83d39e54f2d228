//! What the file says of alerts: who is told of what, and how.

use syncline_adapters::settings::channel::{Form, MailTls};

use crate::config::{
    draft::{Name, Spanned},
    secrets::Reference,
};

/// Who is told what happens.
#[derive(Clone, Debug, Default)]
pub(crate) struct AlertsDraft {
    /// Those who are told.
    pub(crate) channels: Vec<ChannelDraft>,
    /// Who is told of what.
    pub(crate) rules: Vec<RuleDraft>,
    /// How e-mail is sent.
    pub(crate) smtp: Option<SmtpDraft>,
}

/// Somebody who is told.
#[derive(Clone, Debug)]
pub(crate) struct ChannelDraft {
    /// As rules name it.
    pub(crate) name: Name,
    /// How it is told.
    pub(crate) kind: ChannelKind,
    /// What happened is told together.
    pub(crate) digest: Option<Digest>,
    /// It may be in a private network.
    pub(crate) private: bool,
}

/// How somebody is told.
#[derive(Clone, Debug)]
pub(crate) enum ChannelKind {
    /// By a message to a chat; the URL is the secret.
    Slack(Spanned<Reference>),
    /// By an event of `PagerDuty`: the routing key, and where events go.
    Pagerduty(Spanned<Reference>, String),
    /// By e-mail.
    Email(Vec<String>),
    /// By a webhook.
    Webhook(String, Option<Spanned<Reference>>, Form),
}

/// When what happened is told together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Digest {
    /// At the full hour.
    Hourly,
    /// At midnight.
    Daily,
}

/// Who is told of what.
#[derive(Clone, Debug)]
pub(crate) struct RuleDraft {
    /// What happens.
    pub(crate) events: Vec<String>,
    /// The channels.
    pub(crate) to: Vec<String>,
    /// Only of these entities; empty: all.
    pub(crate) entities: Vec<Name>,
    /// Only of these systems; empty: all.
    pub(crate) systems: Vec<Name>,
    /// Only with these codes; empty: all.
    pub(crate) codes: Vec<String>,
    /// Once it is so for so long, in milliseconds.
    pub(crate) after_ms: i64,
    /// Of a share of errors: above this, in hundredths of a percent.
    pub(crate) above: Option<u32>,
    /// Of a share of errors: within so long, in milliseconds.
    pub(crate) within_ms: i64,
}

/// How e-mail is sent.
#[derive(Clone, Debug)]
pub(crate) struct SmtpDraft {
    /// The mail server.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// From whom it comes.
    pub(crate) from: String,
    /// Who we are there.
    pub(crate) user: Option<(String, Spanned<Reference>)>,
    /// How the connection is protected.
    pub(crate) tls: MailTls,
    /// Certificates to trust.
    pub(crate) tls_ca: Option<String>,
}
