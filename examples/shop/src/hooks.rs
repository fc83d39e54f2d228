//! Tells a neighbour what changed, by signed webhooks: the news are in the shop's file with what they
//! are about, and stay there until the neighbour has taken them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{
    body::{Body, Bytes},
    http::{Request, Uri, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper_util::rt::TokioIo;
use ring::hmac;
use serde_json::json;

use crate::{Shop, weather::Weather};

/// How often it is looked for news.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// A neighbour that does not take them is called again so much later.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// So long a neighbour may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells for as long as it is let.
pub(crate) async fn tell(shop: &Shop, url: &str, secret: &str) {
    loop {
        let Ok(Some((number, topic, item))) = shop.store.news() else {
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        };
        let body = json!({ "type": topic, "data": { "id": item } }).to_string();
        let times = match shop.sky.now() {
            Weather::LostHooks => 0,
            Weather::RepeatedHooks => 3,
            Weather::Fair
            | Weather::Out
            | Weather::Closed
            | Weather::CutLists
            | Weather::Busy
            | Weather::TakesBack
            | Weather::LostCreates => 1,
        };
        let mut is_taken = true;
        for _ in 0..times {
            let id = format!("news-{number}");
            let sent = send(url, secret, &id, &body);
            is_taken &= matches!(tokio::time::timeout(PATIENCE, sent).await, Ok(Some(())));
        }
        if !is_taken || shop.store.heard(number).is_err() {
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }
}

/// Sends one. `None`: it was not taken.
async fn send(url: &str, secret: &str, id: &str, body: &str) -> Option<()> {
    let uri: Uri = url.parse().ok()?;
    let at = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let key =
        hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?);
    let tag = hmac::sign(&key, format!("{id}.{at}.{body}").as_bytes());
    let request = Request::post(uri.path())
        .header(header::HOST, uri.authority()?.as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", at)
        .header("webhook-signature", format!("v1,{}", STANDARD.encode(tag)))
        .body(Body::from(Bytes::copy_from_slice(body.as_bytes())))
        .ok()?;
    let stream = tokio::net::TcpStream::connect(uri.authority()?.as_str()).await.ok()?;
    let (mut caller, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    let answer = async {
        let answer = caller.send_request(request).await.ok()?;
        answer.status().is_success().then_some(())
    };
    tokio::select! {
        answer = answer => answer,
        _ = connection => None,
    }
}
