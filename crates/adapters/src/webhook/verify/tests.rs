//! Published vectors of each style, and what must not be believed.

use super::*;
use crate::settings::{Path, hook::Network};

const NOON: Timestamp = Timestamp(1_700_000_000 * SECONDS);

fn hook(style: Style, secrets: &[&str]) -> Hook {
    Hook {
        style,
        secrets: secrets.iter().map(|it| Secret::new(*it)).collect(),
        max_age: std::time::Duration::from_secs(300),
        topic: None,
        id: None,
        batch: Path::default(),
        topics: Vec::new(),
        from: Vec::new(),
        trusts: false,
        public_url: Some("https://sync.example/".into()),
    }
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

fn judged(hook: &Hook, sent: &[(&str, &str)], body: &str, now: Timestamp) -> Result<(), Refusal> {
    let headers = headers(sent);
    let request = Request {
        method: "POST",
        target: "/hooks/crm",
        token: None,
        headers: &headers,
        body: body.as_bytes(),
        peer: IpAddr::from([127, 0, 0, 1]),
        now,
    };
    verify(hook, &request)
}

const STANDARD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const STANDARD_SENT: [(&str, &str); 3] = [
    ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
    ("webhook-timestamp", "1614265330"),
    ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
];
const STANDARD_BODY: &str = r#"{"test": 2432232314}"#;
const STANDARD_TIME: Timestamp = Timestamp(1_614_265_330 * SECONDS);

#[test]
fn the_vector_of_the_standard_webhooks_specification_is_believed() {
    let hook = hook(Style::Standard, &[STANDARD_SECRET]);
    assert_eq!(judged(&hook, &STANDARD_SENT, STANDARD_BODY, STANDARD_TIME), Ok(()));
}

#[test]
fn one_signature_of_several_is_enough_and_so_is_one_secret_of_several() {
    let mut sent = STANDARD_SENT;
    let listed = format!("v1,AAAA v2,nonsense {}", sent[2].1);
    sent[2].1 = &listed;
    let hook = hook(Style::Standard, &["whsec_AAAAAAAAAAAAAAAAAAAAAAAA", STANDARD_SECRET]);
    assert_eq!(judged(&hook, &sent, STANDARD_BODY, STANDARD_TIME), Ok(()));
}

#[test]
fn a_changed_body_time_or_number_is_not_believed() {
    let hook = hook(Style::Standard, &[STANDARD_SECRET]);
    let no = Err(Refusal::Signature);
    assert_eq!(judged(&hook, &STANDARD_SENT, r#"{"test": 2432232315}"#, STANDARD_TIME), no);
    for at in 0..2 {
        let mut sent = STANDARD_SENT;
        sent[at].1 = "1614265331";
        assert_eq!(judged(&hook, &sent, STANDARD_BODY, STANDARD_TIME), no);
    }
    assert_eq!(judged(&hook, &[], STANDARD_BODY, STANDARD_TIME), no);
}

#[test]
fn what_was_signed_long_ago_or_for_later_is_not_believed() {
    let hook = hook(Style::Standard, &[STANDARD_SECRET]);
    for seconds in [-301, 301] {
        let now = Timestamp(STANDARD_TIME.0 + seconds * SECONDS);
        assert_eq!(judged(&hook, &STANDARD_SENT, STANDARD_BODY, now), Err(Refusal::Age));
    }
}

#[test]
fn an_ed25519_signature_is_believed_by_its_public_key() {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let message = format!("msg_1.1700000000.{STANDARD_BODY}");
    let tag = format!("v1a,{}", STANDARD.encode(pair.sign(message.as_bytes())));
    let sent = [
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", "1700000000"),
        ("webhook-signature", tag.as_str()),
    ];
    let public = format!("whpk_{}", STANDARD.encode(pair.public_key()));
    let hook = hook(Style::Standard, &[&public]);
    assert_eq!(judged(&hook, &sent, STANDARD_BODY, NOON), Ok(()));
    assert_eq!(judged(&hook, &sent, "{}", NOON), Err(Refusal::Signature));
}

/// A style, a secret, the headers that were sent, and the body.
type Vector<'a> = (Style, &'a str, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn the_vectors_of_the_vendors_are_believed_and_nothing_beside_them() {
    let seven = r#"{"id":7}"#;
    let vectors: [Vector<'_>; 4] = [
        (
            Style::Github,
            "It's a Secret to Everybody",
            &[(
                "X-Hub-Signature-256",
                "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
            )],
            "Hello, World!",
        ),
        (
            Style::Stripe,
            "whsec_test",
            &[(
                "Stripe-Signature",
                "t=1700000000,v1=00ff,v1=752e6be570ce41e61bb9b76bd112f81f566efb26dd67c6dde67ba4f404e130f4",
            )],
            seven,
        ),
        (
            Style::Shopify,
            "hush",
            &[("X-Shopify-Hmac-Sha256", "H2U/SEYbRNpyMb2K3HUYu69pcSP2i4aiJUA14KwhhUY=")],
            seven,
        ),
        (
            Style::Hubspot,
            "hush",
            &[
                ("X-HubSpot-Request-Timestamp", "1700000000000"),
                ("X-HubSpot-Signature-v3", "dhaioB7mxWnQRaZOO9vVmUfHVWrtEW5aE1UyoSFCs8w="),
            ],
            seven,
        ),
    ];
    for (style, secret, sent, body) in vectors {
        let word = style.word();
        let right = hook(style.clone(), &[secret]);
        assert_eq!(judged(&right, sent, body, NOON), Ok(()), "{word}");
        let wrong = hook(style, &["another"]);
        assert_eq!(judged(&wrong, sent, body, NOON), Err(Refusal::Signature), "{word}");
        let changed = format!("{body} ");
        assert_eq!(judged(&right, sent, &changed, NOON), Err(Refusal::Signature), "{word}");
    }
}

#[test]
fn what_is_signed_here_is_believed_here() {
    let custom = Custom {
        header: "X-Signature".into(),
        prefix: "sig ".into(),
        signed: vec![
            Piece::Method,
            Piece::Url,
            Piece::Id,
            Piece::Timestamp,
            Piece::Text(".".into()),
            Piece::Body,
        ],
        algorithm: Algorithm::Sha512,
        encoding: Encoding::Base64,
        timestamp: Some(Part::Header("X-Time".into())),
    };
    let mut own = hook(Style::Custom(custom), &["hush"]);
    own.id = Some(Part::Header("X-Event".into()));
    let bearer = Style::Bearer("Authorization".into(), "Bearer ".into());
    let all = [
        hook(Style::Standard, &[STANDARD_SECRET]),
        hook(Style::Github, &["hush"]),
        hook(Style::Stripe, &["hush"]),
        hook(Style::Shopify, &["hush"]),
        hook(Style::Hubspot, &["hush"]),
        hook(bearer, &["hush"]),
        own,
    ];
    for hook in all {
        let word = hook.style.word();
        let headers = sign(&hook, "/hooks/crm", "e-1", b"{}", NOON).unwrap();
        let sent: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(judged(&hook, &sent, "{}", NOON), Ok(()), "{word}");
        assert_eq!(judged(&hook, &[], "{}", NOON), Err(Refusal::Signature), "{word}");
    }
}

#[test]
fn a_secret_in_the_path_or_a_header_is_compared_whole_and_an_empty_one_fits_nothing() {
    let told = |hook: &Hook, token: Option<&str>| {
        let headers = HeaderMap::new();
        let request = Request {
            method: "POST",
            target: "/hooks/crm/x",
            token,
            headers: &headers,
            body: b"{}",
            peer: IpAddr::from([10, 0, 0, 1]),
            now: NOON,
        };
        verify(hook, &request)
    };
    let path = hook(Style::Path, &["open-sesame", ""]);
    assert_eq!(told(&path, Some("open-sesame")), Ok(()));
    for token in [None, Some(""), Some("open-sesam"), Some("open-sesame1")] {
        assert_eq!(told(&path, token), Err(Refusal::Signature), "{token:?}");
    }
    let mut open = hook(Style::None, &[]);
    open.from = vec![Network::parse("10.0.0.0/8").unwrap()];
    assert_eq!(told(&open, None), Ok(()));
    open.from = vec![Network::parse("127.0.0.1").unwrap()];
    assert_eq!(told(&open, None), Err(Refusal::Address));
}
