//! The shop of `examples/shop`, opened by tokens of `OAuth2` that end, change and are taken back.

use std::{fs, time::Duration};

use syncline_shop::Weather;

use crate::shop::Town;

const HOUR: Duration = Duration::from_secs(3_600);
const SECOND: Duration = Duration::from_secs(1);

impl Town {
    /// The shop knows us by `OAuth2`, as these settings say besides.
    fn by_oauth2(contacts: usize, besides: &str) -> Self {
        let town = Self::with(contacts);
        let file = fs::read_to_string(town.world.path("syncline.yaml")).unwrap();
        let host = file.split("url: ").nth(2).and_then(|rest| rest.split("/api/").next()).unwrap();
        let auth = format!(
            "{{oauth2: {{token_url: {host}/oauth2/token, client_id: syncline, \
             client_secret: file:token, {besides}}}}}"
        );
        town.world.edit("{bearer: file:token}", &auth);
        town
    }
}

#[test]
fn one_token_serves_all_requests_of_a_run() {
    let town = Town::by_oauth2(12, "scope: customers, parameters: {tenant: acme}");
    town.world.run(&["run", "--yes"]).ends(0, &[]);
    assert_eq!(town.shop.tokens(), 1);
    assert_eq!((town.customers().as_str(), town.shop.refused()), ("12", 0));
    town.world.agrees();
}

#[test]
fn a_token_is_renewed_before_it_ends() {
    let town = Town::by_oauth2(20, "client_auth: body");
    town.world.edit("    resources:", "    max_rate: 8/s\n    resources:");
    town.shop.tokens_last(SECOND, SECOND);
    town.world.run(&["run", "--yes"]).ends(0, &[]);
    assert!(town.shop.tokens() > 2, "{}", town.shop.tokens());
    assert_eq!(town.customers(), "20");
}

#[test]
fn asking_for_a_token_counts_as_a_request() {
    let town = Town::by_oauth2(10, "");
    town.world.edit("    resources:", "    max_rate: 10/s\n    resources:");
    // Each serves one request: 22 requests and as many tokens, of which ten may come at once.
    town.shop.tokens_last(HOUR, Duration::ZERO);
    let begun = std::time::Instant::now();
    town.world.run(&["run", "--yes"]).ends(0, &[]);
    let (took, tokens) = (begun.elapsed(), town.shop.tokens());
    assert_eq!(town.customers(), "10");
    assert!(tokens >= 20, "{tokens}");
    assert!(took > SECOND * 2, "{tokens} tokens and as many requests took {took:?}");
}

#[test]
fn a_token_that_is_taken_back_is_renewed_once_and_nothing_is_lost() {
    let town = Town::by_oauth2(20, "");
    town.world.edit("    resources:", "    max_rate: 8/s\n    resources:");
    // It says that it holds for an hour.
    town.shop.tokens_last(SECOND, HOUR);
    town.world.run(&["run", "--yes"]).ends(0, &[]);
    // At most those that were under way at once came with the old one.
    assert!(town.shop.refused() > 0);
    assert!(town.shop.tokens() <= town.shop.refused() + 1, "{}", town.shop.tokens());
    assert_eq!(town.customers(), "20");
    town.world.agrees();
}

#[test]
fn a_refresh_token_that_changes_is_kept_for_the_next_start() {
    let town = Town::by_oauth2(3, "refresh_token: file:consent");
    town.world.file("consent", "first-refresh\n");
    let mut said = town.world.run(&["run", "--yes"]).ends(0, &[]).said();
    let kept = town.world.path("syncline.hub.db.shop.refresh_token");
    let read = || -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(&kept).unwrap()).unwrap()
    };
    let first = read()["refresh_token"].as_str().unwrap().to_owned();
    // The one of the file holds no more.
    said += &town.world.run(&["-v", "run"]).ends(0, &[]).said();
    town.world.agrees();
    let second = read()["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let hub = fs::read(town.world.path("syncline.hub.db")).unwrap();
    for token in ["first-refresh", &first, &second] {
        assert!(!said.contains(token), "{said}");
        assert!(!hub.windows(token.len()).any(|bytes| bytes == token.as_bytes()));
    }
    // Consent was given anew: what was kept follows another one.
    town.world.file("consent", "another");
    town.world.run(&["doctor", "shop"]).ends(3, &["it refused the credentials", "invalid_grant"]);
}

#[test]
fn a_place_that_hands_out_no_token_is_named_and_nothing_is_written() {
    let town = Town::by_oauth2(3, "client_auth: body");
    for (weather, words) in [
        (
            Weather::Closed,
            ["could not get a token for", "its answer is no JSON object: check token_url"],
        ),
        (Weather::Out, ["it cannot be reached", "it answered 502"]),
    ] {
        town.shop.weather(weather);
        town.world.run(&["doctor", "shop"]).ends(3, &words);
    }
    town.shop.weather(Weather::Fair);
    town.world.file("token", "wr0ng-secret");
    let words = [
        "it refused the credentials",
        "get a token for \"shop\" from 127.0.0.1",
        "invalid_client",
        "`auth`",
    ];
    let said = town.world.run(&["doctor", "shop"]).ends(3, &words).said();
    assert!(!said.contains("wr0ng-secret"), "{said}");
    assert_eq!(town.customers(), "0");
}
