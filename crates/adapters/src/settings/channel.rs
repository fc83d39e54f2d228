//! What the configuration says of those who are told what happens.

use crate::settings::Secret;

/// Somebody who is told.
#[derive(Clone, Debug)]
pub struct Channel {
    /// As rules name it.
    pub name: String,
    /// How it is told.
    pub kind: Kind,
    /// It may be on this machine or in a private network.
    pub is_private: bool,
}

/// How somebody is told.
#[derive(Clone, Debug)]
pub enum Kind {
    /// By a message to a chat: an incoming webhook of Slack, or of what understands the same. Its URL is
    /// the secret.
    Slack(Secret),
    /// By an event of `PagerDuty`: the routing key, and where events go.
    Pagerduty(Secret, String),
    /// By a webhook, signed as <https://www.standardwebhooks.com> says if there is a secret.
    Webhook(String, Option<Secret>, Form),
    /// By e-mail to these addresses.
    Email(Vec<String>, Mailer),
}

/// How an event is written in a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As <https://www.standardwebhooks.com> says.
    Standard,
    /// As <https://cloudevents.io> says, in structured mode.
    CloudEvents,
}

impl Form {
    /// What a body is.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Standard => "application/json",
            Self::CloudEvents => "application/cloudevents+json",
        }
    }
}

/// How e-mail is sent.
#[derive(Clone, Debug)]
pub struct Mailer {
    /// Host name of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who we are there, if it asks.
    pub user: Option<(String, Secret)>,
    /// From whom it comes.
    pub from: String,
    /// The connection is encrypted from the beginning, later on, or not at all.
    pub tls: MailTls,
    /// A file of certificates to trust beside the system's own.
    pub tls_ca: Option<String>,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// From the beginning.
    Implicit,
    /// After `STARTTLS`, which must be offered.
    StartTls,
    /// Not at all: on this machine.
    Off,
}
