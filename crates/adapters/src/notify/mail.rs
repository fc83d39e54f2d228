//! Messages by e-mail.

use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message as Mail, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};

use crate::{
    notify::{Message, Sent},
    settings::channel::{MailTls, Mailer},
};

/// So long each answer of the server may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends one e-mail to all of them.
pub(super) async fn send(mailer: &Mailer, to: &[String], message: &Message) -> Sent {
    let mail = match mail(mailer, to, message) {
        Ok(mail) => mail,
        Err(why) => return Sent::Never(why),
    };
    let transport = match transport(mailer) {
        Ok(transport) => transport,
        Err(why) => return Sent::Later(why),
    };
    match transport.send(mail).await {
        Ok(_) => Sent::Taken,
        // What the server says may name addresses and no more; they stand in the file.
        Err(error) if error.is_permanent() => {
            let code = error.status().map(|code| code.to_string()).unwrap_or_default();
            Sent::Never(format!("the mail server refused it ({code})"))
        }
        Err(error) if error.is_timeout() => Sent::Later("the mail server is too slow".into()),
        Err(error) => {
            let code = error.status().map(|code| format!(" ({code})")).unwrap_or_default();
            Sent::Later(format!("the mail server did not take it{code}"))
        }
    }
}

fn mail(mailer: &Mailer, to: &[String], message: &Message) -> Result<Mail, String> {
    let address =
        |text: &str| text.parse::<Mailbox>().map_err(|_| format!("`{text}` is no e-mail address"));
    let mut mail = Mail::builder()
        .from(address(&mailer.from)?)
        .subject(message.subject.clone())
        // The same mail once more is known by this.
        .message_id(Some(format!("<{}@syncline>", message.id)))
        .header(ContentType::TEXT_PLAIN);
    for one in to {
        mail = mail.to(address(one)?);
    }
    mail.body(message.body.clone()).map_err(|_| "it cannot be written as a mail".to_owned())
}

fn transport(mailer: &Mailer) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&mailer.host)
        .port(mailer.port)
        .timeout(Some(PATIENCE));
    if mailer.tls != MailTls::Off {
        let mut parameters = TlsParameters::builder(mailer.host.clone());
        if let Some(path) = &mailer.tls_ca {
            let read = std::fs::read(path).map_err(|error| format!("tls_ca {path}: {error}"))?;
            let authority = Certificate::from_pem(&read)
                .map_err(|_| format!("tls_ca {path} is no certificate"))?;
            parameters = parameters.add_root_certificate(authority);
        }
        let parameters = parameters.build().map_err(|error| error.to_string())?;
        builder = builder.tls(match mailer.tls {
            MailTls::Implicit => Tls::Wrapper(parameters),
            MailTls::StartTls | MailTls::Off => Tls::Required(parameters),
        });
    }
    if let Some((user, password)) = &mailer.user {
        let password = password.reveal().trim().to_owned();
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(builder.build())
}
