use serde_json::json;
use syncline_core::error::ErrorKind;

use super::*;
use crate::settings::api::Refresh;

fn tokens() -> Tokens {
    Tokens {
        http: reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config("shop", false, None).unwrap())
            .build()
            .unwrap(),
        url: Url::parse("https://login.example/token").unwrap(),
        grant: Grant {
            url: "https://login.example/token".into(),
            client_id: "us".into(),
            client_secret: Some(Secret::new("s3cr et")),
            is_in_body: false,
            parameters: Vec::new(),
            refresh: None,
        },
        action: "get a token".into(),
        state: Arc::default(),
    }
}

fn understood(json: &Json) -> Result<(Access, Option<Secret>), ErrorKind> {
    tokens().understood(Some(json), Instant::now()).map_err(|error| error.kind)
}

#[tokio::test]
async fn a_token_is_renewed_a_little_before_it_ends() {
    let due = |life: Json| {
        let answer = json!({"access_token": "t", "token_type": "Bearer", "expires_in": life});
        understood(&answer)
            .unwrap()
            .0
            .due
            .map(|due| (due - Instant::now()).as_secs_f64().round() as u64)
    };
    assert_eq!(due(json!(3600)), Some(3540));
    assert_eq!(due(json!("10")), Some(9));
    assert_eq!(due(json!(1e300)), Some(LIFE_MAX - 60));
    assert_eq!(due(json!(-5)), Some(0));
    assert_eq!(due(Json::Null), None);
}

#[tokio::test]
async fn nonsense_is_no_token() {
    for answer in [
        json!([]),
        json!({"token": "t"}),
        json!({"access_token": ""}),
        json!({"access_token": "line\nbreak"}),
        json!({"access_token": "t", "token_type": "mac"}),
        json!({"access_token": "t", "expires_in": "soon"}),
    ] {
        assert_eq!(understood(&answer).err(), Some(ErrorKind::Answer), "{answer}");
    }
}

#[tokio::test]
async fn what_a_server_quotes_is_not_repeated() {
    let said =
        json!({"error": "invalid_client", "error_description": "s3cr et or s3cr+et or r3fresh"});
    let refresh = Secret::new("r3fresh");
    let error = tokens().refusal(StatusCode::UNAUTHORIZED, Some(&said), Some(&refresh));
    assert_eq!(error.kind, ErrorKind::Credentials);
    let words = "it answered 401: invalid_client: (secret) or (secret) or (secret)";
    assert_eq!(error.detail, words);
}

#[tokio::test]
async fn another_consent_is_a_new_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let refresh =
        |token: &str| Refresh { token: Secret::new(token), kept: folder.path().join("kept") };
    let (old, new) = (refresh("old"), refresh("new"));
    let held = kept::hold(&old).await.unwrap();
    assert_eq!(held.token().unwrap().reveal(), "old");
    held.keep(&Secret::new("next")).unwrap();
    assert_eq!(held.token().unwrap().reveal(), "next");
    drop(held);
    assert_eq!(kept::hold(&new).await.unwrap().token().unwrap().reveal(), "new");
    std::fs::write(folder.path().join("kept"), "{").unwrap();
    assert!(kept::hold(&old).await.unwrap().token().unwrap_err().ends_with("it is damaged"));
}
