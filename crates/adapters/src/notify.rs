//! Tells people and programs what happened: one message, one try. Who is told, when, and what is said
//! is decided elsewhere; here is how it gets there, and nowhere else: no redirect is followed, and an
//! address in a private network is not called unless the file says that it may be.

mod http;
mod mail;

use syncline_core::name::Timestamp;

pub use self::http::is_public;
pub(crate) use self::http::{Called, reach};
use crate::settings::channel::{Channel, Form, Kind};

const JSON: &str = Form::Standard.content_type();

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    /// The same each time that it is sent.
    pub id: String,
    /// In a line: the subject of an e-mail.
    pub subject: String,
    /// What is sent: JSON, or the text of an e-mail.
    pub body: String,
}

/// How a try went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It was taken.
    Taken,
    /// It may be taken later; why not now.
    Later(String),
    /// It will never be taken; why.
    Never(String),
    /// Nothing is wanted there any more.
    Gone,
}

/// Sends one message to one channel.
pub async fn send(channel: &Channel, message: &Message, now: Timestamp) -> Sent {
    match &channel.kind {
        Kind::Slack(url) => {
            http::post(url.reveal(), JSON, &[], &message.body, channel.is_private).await
        }
        Kind::Pagerduty(_, url) => {
            http::post(url, JSON, &[], &message.body, channel.is_private).await
        }
        Kind::Webhook(url, secret, form) => {
            let headers = match secret {
                None => Vec::new(),
                Some(secret) => match http::signed(secret, &message.id, &message.body, now) {
                    Some(headers) => headers,
                    None => return Sent::Later("its secret does not begin with whsec_".into()),
                },
            };
            let content = form.content_type();
            http::post(url, content, &headers, &message.body, channel.is_private).await
        }
        Kind::Email(to, mailer) => mail::send(mailer, to, message).await,
    }
}
