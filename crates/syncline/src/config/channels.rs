//! Those who are told, and whoever takes traces: what the file says of them, with their secrets.

use syncline_adapters::{
    otlp::Collector,
    settings::channel::{self, Channel},
};

use crate::{
    config::{draft::alerts::ChannelKind, load::Loaded},
    report::Failure,
};

impl Loaded {
    /// Those who are told, their secrets resolved.
    ///
    /// # Errors
    /// A secret that cannot be resolved.
    pub(crate) async fn channels(&self) -> Result<Vec<Channel>, Failure> {
        let alerts = &self.draft.alerts;
        let mut channels = Vec::with_capacity(alerts.channels.len());
        for draft in &alerts.channels {
            let name = draft.name.value.to_string();
            let place = format!("alerts.channels.{name}");
            let kind = match &draft.kind {
                ChannelKind::Slack(url) => {
                    channel::Kind::Slack(self.secret_at(&format!("{place}.slack"), url).await?)
                }
                ChannelKind::Pagerduty(key, url) => {
                    let key = self.secret_at(&format!("{place}.pagerduty"), key).await?;
                    channel::Kind::Pagerduty(key, url.clone())
                }
                ChannelKind::Webhook(url, secret, form) => {
                    let secret = match secret {
                        Some(secret) => {
                            Some(self.secret_at(&format!("{place}.secret"), secret).await?)
                        }
                        None => None,
                    };
                    channel::Kind::Webhook(url.clone(), secret, *form)
                }
                ChannelKind::Email(to) => {
                    let Some(smtp) = &alerts.smtp else { continue };
                    let user = match &smtp.user {
                        Some((user, password)) => {
                            let at = "alerts.smtp.password";
                            Some((user.clone(), self.secret_at(at, password).await?))
                        }
                        None => None,
                    };
                    let tls_ca = smtp.tls_ca.as_ref();
                    let mailer = channel::Mailer {
                        host: smtp.host.clone(),
                        port: smtp.port,
                        user,
                        from: smtp.from.clone(),
                        tls: smtp.tls,
                        tls_ca: tls_ca.map(|path| self.folder.join(path).display().to_string()),
                    };
                    channel::Kind::Email(to.clone(), mailer)
                }
            };
            channels.push(Channel { name, kind, is_private: draft.private });
        }
        Ok(channels)
    }

    /// Whoever takes traces; `None`: nobody.
    ///
    /// # Errors
    /// A secret that cannot be resolved.
    pub(crate) async fn collector(&self) -> Result<Option<Collector>, Failure> {
        let Some(draft) = &self.draft.traces else { return Ok(None) };
        let mut headers = Vec::with_capacity(draft.headers.len());
        for (name, value) in &draft.headers {
            let place = format!("traces.headers.{name}");
            headers.push((name.clone(), self.secret_at(&place, value).await?));
        }
        Ok(Some(Collector::new(draft.endpoint.clone(), headers)))
    }
}
