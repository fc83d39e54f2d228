//! What the file says of a REST system.

use std::sync::Arc;

use syncline_adapters::settings::api::Resource;

use crate::config::{
    draft::{DeleteConflict, Draft, EntityDraft, PolicyDraft, Spanned},
    secrets::Reference,
};

/// What is said of a REST system alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct RestDraft {
    /// How it knows us.
    pub(crate) auth: AuthDraft,
    /// Sent with every request.
    pub(crate) headers: Vec<(String, Spanned<Reference>)>,
    /// How many requests it takes at most.
    pub(crate) max_rate: Option<syncline_engine::pace::Rate>,
    /// How many requests may be under way at once.
    pub(crate) concurrency: usize,
    /// Its resources.
    pub(crate) resources: Vec<Arc<Resource>>,
}

/// How a REST system knows us.
#[derive(Clone, Debug, Default)]
pub(crate) enum AuthDraft {
    /// It does not.
    #[default]
    None,
    /// By a token.
    Bearer(Spanned<Reference>),
    /// By a user and a password.
    Basic(String, Spanned<Reference>),
    /// By a header.
    Header(String, Spanned<Reference>),
    /// By a parameter.
    Query(String, Spanned<Reference>),
    /// By tokens that another place hands out.
    OAuth2(Box<GrantDraft>),
}

/// How access tokens are got by `OAuth2`.
#[derive(Clone, Debug)]
pub(crate) struct GrantDraft {
    /// Where.
    pub(crate) url: String,
    /// Who asks.
    pub(crate) client_id: String,
    /// How that is proven.
    pub(crate) client_secret: Option<Spanned<Reference>>,
    /// The client is named in the body of the request.
    pub(crate) is_in_body: bool,
    /// Sent with every request for a token.
    pub(crate) parameters: Vec<(String, String)>,
    /// What a person consented to.
    pub(crate) refresh_token: Option<Spanned<Reference>>,
}

impl Draft {
    /// Where the newest change wins, a resource's `cursor` says when an item changed, unless `changed_at` does.
    pub(crate) fn times_of_items(&mut self) {
        let default = self.defaults.conflicts.as_ref();
        let of_default = default.is_some_and(|it| it.value.policy == PolicyDraft::Newest)
            || self
                .defaults
                .delete_conflict
                .as_ref()
                .is_some_and(|it| it.value == DeleteConflict::Newest);
        let systems = &self.systems;
        let time_of = |system: &str, resource: &str| {
            let found = systems.iter().find(|it| it.name.value == system)?;
            let resources = &found.rest.as_ref()?.resources;
            resources.iter().find(|it| it.name == resource)?.changed_at.clone()
        };
        for entity in &mut self.entities {
            let asks = of_default || asks_when(entity);
            for one in std::iter::once(&mut *entity.bindings)
                .chain(entity.lines.as_mut().map(|lines| &mut *lines.bindings))
            {
                for binding in one.iter_mut().filter(|it| it.within.is_none()) {
                    if !asks || binding.changed_at.is_some() {
                        continue;
                    }
                    let time = time_of(&binding.system.value, &binding.table.value);
                    let place = binding.table.place;
                    binding.changed_at =
                        time.map(|path| (Spanned { value: path.to_string().into(), place }, None));
                }
            }
        }
    }
}

/// Whether the newest change wins anywhere in an entity.
fn asks_when(entity: &EntityDraft) -> bool {
    let fields = entity.fields.iter().filter_map(|field| field.conflicts.as_ref());
    let mut rules = entity.common.conflicts.iter().chain(fields);
    rules.any(|rule| rule.value.policy == PolicyDraft::Newest)
        || entity
            .common
            .delete_conflict
            .as_ref()
            .is_some_and(|it| it.value == DeleteConflict::Newest)
        || entity.lines.as_deref().is_some_and(asks_when)
}
