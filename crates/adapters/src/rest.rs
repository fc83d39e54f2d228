//! REST systems: class C where every resource that is written has a version, else E
//! (correctness.md 1.4).
//!
//! What a resource is, the configuration says: where it is listed, what tells its items apart, how
//! one is created, changed and deleted. Members of an item are the columns of its row, by path.

mod bound;
mod bulk;
mod catalog;
mod client;
mod create;
mod document;
mod lines;
mod lookup;
mod outcome;
mod pace;
mod pages;
mod payload;
mod poll;
mod quota;
mod source;
mod target;
mod token;
mod width;

use std::sync::Arc;

use syncline_core::{
    error::{ErrorKind, PortError},
    name::SystemIndex,
    plan::{Class, Plan},
};
use syncline_ports::catalog::Catalog;

pub(crate) use self::payload::Payloads;
use crate::{
    Connector,
    rest::{catalog::RestCatalog, client::Client, source::RestSource, target::RestTarget},
    settings::{Settings, api::Api},
};

/// How long this system, known by its name, wants to be left alone from now on; `None`: it does not.
pub fn asks_to_wait(system: &str) -> Option<std::time::Duration> {
    pace::asks_to_wait(system)
}

/// A REST system, ready to be asked.
#[derive(Debug)]
struct System {
    name: String,
    api: Arc<Api>,
    client: Client,
}

impl System {
    fn new(settings: &Settings) -> Result<Arc<Self>, PortError> {
        let api = settings.api.clone().ok_or_else(|| {
            let action = format!("open \"{}\"", settings.name);
            PortError::new(ErrorKind::SchemaDrift, action, "it has no resources")
        })?;
        let client = Client::new(settings, &api)?;
        Ok(Arc::new(Self { name: settings.name.clone(), api, client }))
    }
}

/// Prepares a REST system to be described. Nothing is asked yet.
///
/// # Errors
/// `Tls` or `Secret` where a request could never be made.
pub(crate) fn catalog(settings: &Settings) -> Result<Box<dyn Catalog>, PortError> {
    Ok(Box::new(RestCatalog::new(System::new(settings)?)))
}

/// Prepares a REST system to be read and written.
///
/// # Errors
/// As [`catalog()`].
pub(crate) fn open(
    settings: &Settings,
    plan: Arc<Plan>,
    system: SystemIndex,
) -> Result<Connector, PortError> {
    let opened = System::new(settings)?;
    let class = class(&opened.api, &plan, system);
    Ok(Connector {
        source: Box::new(RestSource::new(Arc::clone(&opened), Arc::clone(&plan))),
        target: Box::new(RestTarget::new(opened, plan)),
        class,
    })
}

/// Waits for all of these, so many at once; the answers in the same order.
async fn at_once<F: Future>(futures: Vec<F>, most: usize) -> Vec<F::Output> {
    use futures_util::StreamExt as _;
    futures_util::stream::iter(futures).buffered(most.max(1)).collect().await
}

/// Versioned if every resource that is bound, and can be changed, has a version.
fn class(api: &Api, plan: &Plan, system: SystemIndex) -> Class {
    let mut bound = plan.bindings.iter().filter(|binding| binding.system == system);
    let is_versioned = bound.all(|binding| {
        let resource = api.resource(&binding.table.table);
        resource.is_some_and(|resource| resource.is_conditional())
    });
    if is_versioned { Class::Versioned } else { Class::Blind }
}
