//! Objects that are stored in a version which is stored no more are written back in the present one.
//!
//! An older MetalLB stored `BGPPeer` as v1beta1. Such an object stays as it is until somebody writes it, and as long as there may
//! be one, the definition has to serve that version: `status.storedVersions` says which there may be. The leader reads every object,
//! which the API server converts, and writes it back as it is, which stores it anew; then it takes the old version off that list.
//!
//! What has to be done is said by [`Definition::next`], which is pure; [`run`] does it. Nothing waits for it: where conversion does
//! not work yet it is tried again later, and whoever loses an object's race against another writer has won, for that one has
//! stored it.

mod driver;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, GroupVersionKind};

pub(crate) use self::driver::run;

/// The definitions that ever stored more than one version.
const DEFINITIONS: [&str; 1] = ["bgppeers.metallb.io"];

/// What a definition says of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Definition {
    name: String,
    group: String,
    kind: String,
    plural: String,
    /// The version in which objects are stored when they are written.
    storage: String,
    /// The versions in which objects may be stored.
    stored: Vec<String>,
}

/// What has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Every object is stored in the present version.
    Nothing,
    /// The objects are to be written back.
    Rewrite,
}

impl Definition {
    /// `None` if no version is stored: then it is none that an API server has.
    fn read(definition: &CustomResourceDefinition) -> Option<Self> {
        let spec = &definition.spec;
        let storage = spec.versions.iter().find(|version| version.storage)?.name.clone();
        let status = definition.status.as_ref();
        Some(Self {
            name: definition.metadata.name.clone()?,
            group: spec.group.clone(),
            kind: spec.names.kind.clone(),
            plural: spec.names.plural.clone(),
            storage,
            stored: status.and_then(|status| status.stored_versions.clone()).unwrap_or_default(),
        })
    }

    /// An empty list of stored versions is one that the API server has not written yet: then there are no objects either.
    fn next(&self) -> Next {
        if self.stored.iter().all(|version| *version == self.storage) { Next::Nothing } else { Next::Rewrite }
    }

    /// Whether objects that were written as `self` says are stored as `now` says: nobody made another version the stored one
    /// meanwhile.
    fn holds(&self, now: &Self) -> bool {
        self.storage == now.storage
    }

    /// The kind in the version that is stored: what is read in it is written in it.
    fn resource(&self) -> ApiResource {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(&self.group, &self.storage, &self.kind), &self.plural)
    }
}

/// What became of the objects of a definition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Account {
    /// Written back by us.
    written: usize,
    /// Written or deleted by somebody else between our reading and our writing: stored anew, or gone.
    overtaken: usize,
}

#[cfg(test)]
#[path = "migrate_tests.rs"]
mod tests;
