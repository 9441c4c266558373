//! Annotations, labels and names that users, controller and speakers agree on.

use std::net::IpAddr;

use crate::model::stable_hash;

/// Which pool to draw from. Read on Services; the old prefix too, the new one wins.
pub const POOL: &str = "metallb.io/address-pool";
/// Which addresses to give, separated by commas.
pub const ADDRESSES: &str = "metallb.io/loadBalancerIPs";
/// The key under which Services share an address.
pub const SHARING: &str = "metallb.io/allow-shared-ip";
/// The pool an address came from. Written on Services.
pub const ALLOCATED_FROM: &str = "metallb.io/ip-allocated-from-pool";
/// Prefix of MetalLB's annotations up to 0.14.
pub const OLD_PREFIX: &str = "metallb.universe.tf/";
/// A node with this label, whatever its value, announces nothing.
pub const EXCLUDE: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
/// A node with this annotation (`true`) is evacuated: others take over all that it owns.
pub const EVACUATE: &str = "arpeggio.io/evacuate";
/// Annotation on the Secret with the key of the speakers: any value that it did not have before asks for another key.
pub const ROTATE: &str = "arpeggio.io/rotate";
/// Name of that Secret, unless told otherwise.
pub const KEY_SECRET: &str = "arpeggio-succession-key";
/// Label on the leases of speakers, with the value [`SPEAKER_COMPONENT`].
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// See [`COMPONENT`].
pub const SPEAKER_COMPONENT: &str = "arpeggio-speaker";
/// The namespace of MetalLB's kinds, of our leases and pods, unless told otherwise: that of MetalLB, so that files stay as they are.
pub const NAMESPACE: &str = "metallb-system";

/// Name of the Service through which the API server reaches our webhooks: that of MetalLB, so that its definitions and ours mean
/// the same.
pub const WEBHOOK_SERVICE: &str = "metallb-webhook-service";
/// Where the webhook is that makes one version of a kind out of another.
pub const CONVERSION_PATH: &str = "/convert";
/// Annotation on a `BGPPeer` of version v1beta1: the fields of v1beta2 that v1beta1 does not have, as JSON.
pub const BGP_PEER_REST: &str = "arpeggio.io/bgppeer-v1beta2";

/// Type of the condition on pools and advertisements that says whether they are in force as written: reason [`VALID`],
/// [`INVALID`] with every fault in the message, or [`PENDING`] with what is missing.
pub const ACCEPTED: &str = "Accepted";
/// See [`ACCEPTED`].
pub const VALID: &str = "Valid";
/// See [`ACCEPTED`].
pub const INVALID: &str = "Invalid";
/// See [`ACCEPTED`]: the object keeps the rules, but waits for another one that is not there yet.
pub const PENDING: &str = "Pending";

/// Type of the condition on Announcements that says whether the address is answered for.
pub const ANNOUNCED: &str = "Announced";
/// The field manager of that condition and of all that stands beside it: one for all speakers, and for the controller where no
/// speaker is to answer. Whoever writes replaces the whole of what was written before.
pub const ANNOUNCER: &str = "arpeggio-speaker";

/// Longest name of an object, in characters.
pub const LONGEST_NAME: usize = 253;
/// Longest value of a label, in characters.
pub const LONGEST_VALUE: usize = 63;
/// Annotation on the lease of a speaker whose name had to be shortened: the name of the node.
pub const LEASE_NODE: &str = "arpeggio.io/node";

/// Name of the lease that says that the speaker of a node lives: `speaker-` and the node's name, which may itself be as long as a name
/// can be: then the end is a hash of it.
pub fn speaker_lease(node: &str) -> String {
    shortened(&format!("speaker-{node}"), LONGEST_NAME)
}

/// The text, if it is no longer than `most`; else its beginning and a hash of all of it. For names of objects and values of labels,
/// which are ASCII.
pub fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let head = &text[..text.floor_char_boundary(most.saturating_sub(17))];
    format!("{}-{:016x}", head.trim_end_matches(['-', '.']), stable_hash(text.bytes()))
}

/// Name of the Announcement of an address: the address; IPv6 in full, with `-` for `:`.
pub fn announcement(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => v6.segments().map(|segment| format!("{segment:04x}")).join("-"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lease_of_a_node_with_a_long_name_has_a_name_that_can_be() {
        let long = |end: &str| format!("{}{end}", "a".repeat(240));
        assert_eq!(speaker_lease("node-a"), "speaker-node-a");
        assert_eq!(speaker_lease(&long(".east")), format!("speaker-{}", long(".east")), "it just fits");
        let (one, other) = (speaker_lease(&long(".a-further-one")), speaker_lease(&long(".a-further-two")));
        assert!(one.len() <= LONGEST_NAME && one != other, "{one}");
        assert!(speaker_lease(&"a.".repeat(126)).len() <= LONGEST_NAME);
    }

    #[test]
    fn an_announcement_is_named_after_its_address() {
        assert_eq!(announcement("192.0.2.10".parse().unwrap()), "192.0.2.10");
        assert_eq!(announcement("2001:db8::a".parse().unwrap()), "2001-0db8-0000-0000-0000-0000-0000-000a");
        assert_eq!(announcement("::ffff:192.0.2.10".parse().unwrap()), "192.0.2.10");
    }
}
