//! How a REST system is asked, its secrets resolved.

use std::sync::Arc;

use syncline_adapters::settings::{
    Settings,
    api::{Api, Auth, Grant, Refresh, Resource},
};

use crate::{
    config::{
        draft::rest::{AuthDraft, GrantDraft, RestDraft},
        load::Loaded,
    },
    report::Failure,
};

impl Loaded {
    pub(super) async fn api(
        &self,
        system: &str,
        settings: &Settings,
        rest: &RestDraft,
    ) -> Result<Api, Failure> {
        let auth = match &rest.auth {
            AuthDraft::None => Auth::None,
            AuthDraft::Bearer(token) => {
                Auth::Bearer(self.secret(system, "auth.bearer", token).await?)
            }
            AuthDraft::Basic(user, password) => {
                let password = self.secret(system, "auth.basic.password", password).await?;
                Auth::Basic(user.clone(), password)
            }
            AuthDraft::Header(name, value) => {
                Auth::Header(name.clone(), self.secret(system, "auth.header.value", value).await?)
            }
            AuthDraft::OAuth2(grant) => Auth::OAuth2(Arc::new(self.grant(system, grant).await?)),
            AuthDraft::Query(name, value) => {
                Auth::Query(name.clone(), self.secret(system, "auth.query.value", value).await?)
            }
        };
        let mut headers = Vec::with_capacity(rest.headers.len());
        for (name, value) in &rest.headers {
            let key = format!("headers.{name}");
            headers.push((name.clone(), self.secret(system, &key, value).await?));
        }
        Ok(Api {
            base: settings.database.clone(),
            auth,
            headers,
            max_rate: rest.max_rate.map(|rate| (rate.rows, rate.span)),
            concurrency: rest.concurrency,
            resources: self.resources(system, rest),
        })
    }

    /// The resources; where payloads count, with what tells older states from newer ones.
    fn resources(&self, system: &str, rest: &RestDraft) -> Vec<Arc<Resource>> {
        let hook = self.draft.system(system).and_then(|it| it.detect.webhook.as_ref());
        let Some(hook) = hook.filter(|it| it.hook.trusts) else { return rest.resources.clone() };
        let with_order = |resource: &Arc<Resource>| {
            let order = hook.orders(resource).into_iter().next();
            Arc::new(Resource { order, ..Resource::clone(resource) })
        };
        rest.resources.iter().map(with_order).collect()
    }

    async fn grant(&self, system: &str, draft: &GrantDraft) -> Result<Grant, Failure> {
        let client_secret = match &draft.client_secret {
            Some(secret) => Some(self.secret(system, "auth.oauth2.client_secret", secret).await?),
            None => None,
        };
        let refresh = match &draft.refresh_token {
            Some(token) => {
                let token = self.secret(system, "auth.oauth2.refresh_token", token).await?;
                // Whatever the reference is, a variable, a mount or a program: it may not be ours
                // to write.
                let mut kept = self.hub_path().into_os_string();
                kept.push(format!(".{system}.refresh_token"));
                Some(Refresh { token, kept: kept.into() })
            }
            None => None,
        };
        Ok(Grant {
            url: draft.url.clone(),
            client_id: draft.client_id.clone(),
            client_secret,
            is_in_body: draft.is_in_body,
            parameters: draft.parameters.clone(),
            refresh,
        })
    }
}
