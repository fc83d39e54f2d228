//! `auth:` and `headers:` of a REST system.

use syncline_adapters::settings::api::token_url;
use syncline_core::Text;

use crate::config::{
    address,
    complaint::Complaint,
    draft::{
        Name, Spanned,
        rest::{AuthDraft, GrantDraft},
    },
    keys,
    read::Reader,
    secrets::Reference,
    tree::{Kind, Node},
};

const CLIENT_AUTH: [&str; 2] = ["basic", "body"];
/// What a request for a token says already.
const SAID_ELSEWHERE: [&str; 7] =
    ["grant_type", "client_id", "client_secret", "refresh_token", "scope", "audience", "code"];

impl Reader<'_> {
    pub(super) fn auth(&mut self, node: &Node) -> Option<AuthDraft> {
        let entries = self.entries(node, &keys::rest::AUTH, "`auth`", &[])?;
        let mut found = Vec::new();
        if let Some(node) = entries.get("bearer") {
            found.push(AuthDraft::Bearer(self.secret(node, "bearer", true)?));
        }
        if let Some(node) = entries.get("basic") {
            let basic = self.entries(node, &keys::rest::BASIC, "`basic`", &[])?;
            // Hidden in what is shown, whatever else is wrong.
            let password = basic.get("password").and_then(|it| self.secret(it, "password", true));
            let user = self.text_of(&basic, "user")?.value.to_string();
            let password = password?;
            found.push(AuthDraft::Basic(user, password));
        }
        for key in ["header", "query"] {
            let Some(node) = entries.get(key) else { continue };
            let named = self.entries(node, &keys::rest::NAMED, &format!("`{key}`"), &[])?;
            let value = named.get("value").and_then(|it| self.secret(it, "value", true));
            let name = self.text_of(&named, "name")?;
            let value = value?;
            found.push(if key == "header" {
                self.header_name(&name);
                AuthDraft::Header(name.value.to_string(), value)
            } else {
                AuthDraft::Query(name.value.to_string(), value)
            });
        }
        if let Some(node) = entries.get("oauth2") {
            found.push(AuthDraft::OAuth2(Box::new(self.grant(node)?)));
        }
        if found.len() != 1 {
            self.wrong(node.place, "`auth` takes one of bearer, basic, header, query, oauth2");
        }
        found.pop()
    }

    fn grant(&mut self, node: &Node) -> Option<GrantDraft> {
        let entries = self.entries(node, &keys::rest::OAUTH2, "`oauth2`", &[])?;
        let url = self.text_of(&entries, "token_url").and_then(|text| self.token_url(&text));
        let client_id = self.text_of(&entries, "client_id");
        let mut secret = |key| match entries.get(key) {
            Some(node) => self.secret(node, key, true).map(Some),
            None => Some(None),
        };
        let (client_secret, refresh_token) = (secret("client_secret"), secret("refresh_token"));
        if let (Some(None), Some(None)) = (&client_secret, &refresh_token) {
            self.wrong(node.place, "`oauth2` takes a client_secret, a refresh_token, or both");
        }
        let is_in_body = self.word_of(&entries, "client_auth", &CLIENT_AUTH) == Some("body");
        let mut parameters = Vec::new();
        for key in ["scope", "audience"] {
            parameters.extend(
                self.text_of(&entries, key).map(|text| (key.to_owned(), text.value.to_string())),
            );
        }
        if let Some(node) = entries.get("parameters") {
            self.parameters(node, &mut parameters);
        }
        Some(GrantDraft {
            url: url?,
            client_id: client_id?.value.to_string(),
            client_secret: client_secret?,
            is_in_body,
            parameters,
            refresh_token: refresh_token?,
        })
    }

    fn parameters(&mut self, node: &Node, parameters: &mut Vec<(String, String)>) {
        let Kind::Map(pairs) = &node.kind else {
            return self.wrong(node.place, "`parameters` takes texts by name");
        };
        for (key, value) in pairs {
            if SAID_ELSEWHERE.contains(&key.text.as_str()) {
                self.wrong(key.place, format!("`{}` is no parameter of your own", key.text));
            }
            parameters.extend(
                self.text(value, &key.text).map(|text| (key.text.clone(), text.value.to_string())),
            );
        }
    }

    /// Where tokens are handed out; the secret is not sent there in the clear.
    fn token_url(&mut self, text: &Name) -> Option<String> {
        let found = match token_url(&text.value) {
            Ok(found) => found,
            Err(why) => {
                let complaint =
                    Complaint::error("config.value", text.place, "this URL is not understood")
                        .fix(why);
                // It may hold a password: then it is not shown.
                let holds_password = text.value.contains('@');
                if holds_password {
                    self.sources.mask(text.place);
                }
                self.complain(if holds_password { complaint.hidden() } else { complaint });
                return None;
            }
        };
        if !found.is_encrypted && !address::is_local(&found.host) {
            self.complain(
                Complaint::error("config.value", text.place, "the secret would go in the clear")
                    .fix("write https://"),
            );
            return None;
        }
        Some(found.url)
    }

    pub(in crate::config::read) fn headers(
        &mut self,
        node: &Node,
    ) -> Vec<(String, Spanned<Reference>)> {
        let Kind::Map(pairs) = &node.kind else {
            self.wrong(node.place, "`headers` takes texts by name");
            return Vec::new();
        };
        let mut headers = Vec::new();
        for (key, value) in pairs {
            self.header_name(&Spanned { value: Text::new(&key.text), place: key.place });
            if let Some(value) = self.secret(value, &key.text, false) {
                headers.push((key.text.clone(), value));
            }
        }
        headers
    }

    pub(in crate::config::read) fn header_name(&mut self, name: &Name) {
        let is_token = name.value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if name.value.is_empty() || !is_token {
            self.wrong(name.place, format!("`{}` cannot name a header", name.value));
        }
    }

    /// A secret's reference; one that stands there itself is hidden, and warned of where it is one
    /// for certain.
    pub(in crate::config::read) fn secret(
        &mut self,
        node: &Node,
        what: &str,
        is_secret: bool,
    ) -> Option<Spanned<Reference>> {
        let text = self.text(node, what)?;
        if text.value.is_empty() {
            self.wrong(node.place, format!("`{what}` is empty"));
            return None;
        }
        match Reference::parse(&text.value) {
            Ok(value) => {
                if let (Reference::Literal(_), true) = (&value, is_secret) {
                    self.literal(text.place);
                }
                Some(Spanned { value, place: text.place })
            }
            Err(why) => {
                self.wrong(text.place, why);
                None
            }
        }
    }
}
