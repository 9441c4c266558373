//! Reading conditions of a status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;

use super::{
    BFDProfile, BGPAdvertisement, BGPPeer, Community, IPAddressPool, L2Advertisement,
    metallb::{AcceptedStatus, IPAddressPoolStatus},
};

/// The condition of this type.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether it holds; `None` if it says neither yes nor no.
#[must_use]
pub fn holds(condition: &Condition) -> Option<bool> {
    match condition.status.as_str() {
        "True" => Some(true),
        "False" => Some(false),
        _ => None,
    }
}

/// A kind whose status has conditions.
pub trait Conditioned: Resource<DynamicType = ()> {
    /// Its conditions; empty without a status.
    fn conditions(&self) -> &[Condition];

    /// Makes these all that its status says.
    fn say_only(&mut self, conditions: Vec<Condition>);
}

macro_rules! conditioned {
    ($($kind:ident: $status:ident),* $(,)?) => {$(
        impl Conditioned for $kind {
            fn conditions(&self) -> &[Condition] {
                self.status.as_ref().map_or(&[], |status| &status.conditions)
            }

            fn say_only(&mut self, conditions: Vec<Condition>) {
                let mut status = $status::default();
                status.conditions = conditions;
                self.status = (status != $status::default()).then_some(status);
            }
        }
    )*};
}

conditioned! {
    IPAddressPool: IPAddressPoolStatus,
    L2Advertisement: AcceptedStatus,
    BGPAdvertisement: AcceptedStatus,
    BGPPeer: AcceptedStatus,
    Community: AcceptedStatus,
    BFDProfile: AcceptedStatus,
}
