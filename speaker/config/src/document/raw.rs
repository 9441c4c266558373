//! What was typed: the configuration file word by word, nothing judged but the names of the fields.
//!
//! Every value is text with its line, so that one pass of [`super::validate`] can report all wrong ones. Optional lists
//! may be `null`, as in MetalLB's objects; those that say what is answered, and by whom, may not.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_saphyr::Spanned;

/// A value and where it stands.
pub(super) type Text = Spanned<String>;
/// A list that has to be written: `None` where it is not mentioned, and within where nothing stands below its name. A file
/// that is cut off looks like either.
pub(super) type Listed<T> = Option<Spanned<Option<Vec<T>>>>;

/// A field that is mentioned, whatever it says.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) node: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cluster: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generation: Option<Text>,
    #[serde(default, deserialize_with = "present")]
    pub(super) announcements: Listed<Spanned<RawAnnouncement>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) interfaces: Option<Vec<Spanned<RawInterface>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gratuitous: Option<RawGratuitous>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lease: Option<RawLease>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) succession: Option<RawSuccession>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bgp: Option<RawBgp>,
}

/// Each object is a name and what MetalLB's specification of its kind says, judged by the rules of the kinds.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawBgp {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) peers: Option<Vec<Spanned<Value>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bfd_profiles: Option<Vec<Spanned<Value>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) communities: Option<Vec<Spanned<Value>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advertisements: Option<Vec<Spanned<Value>>>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAnnouncement {
    pub(super) address: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pool: Option<Text>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(super) l2: Option<Spanned<Option<RawL2>>>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawL2 {
    #[serde(default, deserialize_with = "present")]
    pub(super) candidates: Listed<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) interfaces: Option<Vec<Text>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mode: Option<Text>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawInterface {
    pub(super) name: Option<Text>,
    pub(super) attach: Option<Text>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGratuitous {
    pub(super) refresh: Option<Text>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLease {
    pub(super) renew: Option<Text>,
    pub(super) duration: Option<Text>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSuccession {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failover: Option<Text>,
    pub(super) heartbeat: Option<Text>,
    pub(super) misses: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) witnesses: Option<Vec<Text>>,
    pub(super) evacuate: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_file: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) proxy_arp: Option<Text>,
}
