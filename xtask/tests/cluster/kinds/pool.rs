//! `IPAddressPool`: MetalLB behaviours 1.1, 3.2, 31, 32, 39.

use super::Table;

pub(super) const TABLE: Table = Table {
    kind: "IPAddressPool",
    plural: "ipaddresspools",
    version: "v1beta1",
    there: "
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: home, namespace: metallb-system}
spec: {addresses: [192.0.2.0/25, '2001:db8:1::/64']}
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: work, namespace: metallb-system}
spec: {addresses: [203.0.113.0/24]}
",
    accepts: &[
        (
            "what is left out is filled in",
            "spec: {addresses: [198.51.100.0/24]}",
            "{addresses: [198.51.100.0/24], autoAssign: true, avoidBuggyIPs: false}",
        ),
        (
            "null is the same as left out",
            "spec: {addresses: [198.51.100.0/24], autoAssign: null, avoidBuggyIPs: null}",
            "{addresses: [198.51.100.0/24], autoAssign: true, avoidBuggyIPs: false}",
        ),
        (
            "null lists, as clients in Go write them",
            "spec: {addresses: [198.51.100.0/24], serviceAllocation: {namespaces: null, namespaceSelectors: null, serviceSelectors: null, priority: null}}",
            "{addresses: [198.51.100.0/24], autoAssign: true, avoidBuggyIPs: false, serviceAllocation: {}}",
        ),
        ("host bits are masked off", "spec: {addresses: [198.51.100.10/24]}", ""),
        ("a range", "spec: {addresses: [198.51.100.1-198.51.100.9]}", ""),
        ("spaces around the dash", "spec: {addresses: ['198.51.100.1 - 198.51.100.9']}", ""),
        ("a range of one", "spec: {addresses: [198.51.100.1-198.51.100.1]}", ""),
        ("one address with its mask", "spec: {addresses: [198.51.100.1/32, '2001:db8:2::1/128']}", ""),
        ("both families in one pool", "spec: {addresses: [198.51.100.0/24, '2001:db8:2::/64']}", ""),
        ("a huge network", "spec: {addresses: ['2001:db8:8000::/33']}", ""),
        ("next to another pool", "spec: {addresses: [192.0.2.128/25]}", ""),
        ("not given unasked", "spec: {addresses: [198.51.100.0/24], autoAssign: false, avoidBuggyIPs: true}", ""),
        ("a priority alone", "spec: {addresses: [198.51.100.0/24], serviceAllocation: {priority: 10}}", ""),
        ("a negative priority", "spec: {addresses: [198.51.100.0/24], serviceAllocation: {priority: -1}}", ""),
        (
            "scope by names, labels and Services",
            "spec: {addresses: [198.51.100.0/24], serviceAllocation: {priority: 1, namespaces: [a, b],
             namespaceSelectors: [{matchLabels: {team: a}}, {matchExpressions: [{key: team, operator: In, values: [b, c]}]}],
             serviceSelectors: [{matchExpressions: [{key: app, operator: Exists}]}, {}]}}",
            "",
        ),
        (
            "a namespace that is not there yet",
            "spec: {addresses: [198.51.100.0/24], serviceAllocation: {namespaces: [later]}}",
            "",
        ),
        (
            "fields of MetalLB 0.12 are dropped",
            "spec: {addresses: [198.51.100.0/24], protocol: layer2, auto-assign: false}",
            "{addresses: [198.51.100.0/24], autoAssign: true, avoidBuggyIPs: false}",
        ),
    ],
    warns: &[],
    rejects: &[
        ("no spec", "", &["spec: Required value"]),
        ("a spec that is null", "spec: null", &["spec"]),
        ("an empty spec", "spec: {}", &["spec.addresses: Required value"]),
        ("no list", "spec: {addresses: 192.0.2.0/24}", &["spec.addresses", "array"]),
        ("a number for an address", "spec: {addresses: [192]}", &["spec.addresses[0]", "string"]),
        ("text for a boolean", "spec: {addresses: [198.51.100.0/24], autoAssign: 'no'}", &["spec.autoAssign", "boolean"]),
        ("text for a priority", "spec: {addresses: [198.51.100.0/24], serviceAllocation: {priority: high}}", &["priority", "integer"]),
        ("an empty list", "spec: {addresses: []}", &["spec.addresses", "lists no addresses"]),
        ("point 32: no network", "spec: {addresses: [198.51.100.0/33]}", &["spec.addresses[0] \"198.51.100.0/33\"", "not a prefix length from 0 to 32"]),
        ("point 32: no network of IPv6", "spec: {addresses: ['2001:db8::/129']}", &["not a prefix length from 0 to 128"]),
        ("point 32: no address", "spec: {addresses: [198.51.100.256/24]}", &["is not an IP address"]),
        ("point 32: an address without its mask", "spec: {addresses: [198.51.100.1]}", &["write 198.51.100.1/32 for it alone"]),
        ("point 32: the end before the start", "spec: {addresses: [198.51.100.9-198.51.100.1]}", &["ends before it starts", "write 198.51.100.1-198.51.100.9"]),
        ("point 32: half a range", "spec: {addresses: [198.51.100.1-]}", &["is no range"]),
        ("point 32: the short form of a range", "spec: {addresses: [198.51.100.1-9]}", &["is no range"]),
        ("point 32: a name", "spec: {addresses: [home]}", &["is neither a network nor a range"]),
        ("from one family to the other", "spec: {addresses: ['198.51.100.1-2001:db8::1']}", &["goes from one address family to the other"]),
        ("all faults are told", "spec: {addresses: [a, b]}", &["spec.addresses[0] \"a\"", "spec.addresses[1] \"b\""]),
        ("point 31: overlaps another pool", "spec: {addresses: [192.0.2.64/26]}", &["spec.addresses[0] \"192.0.2.64/26\" overlaps with already defined CIDR 192.0.2.0/25 of IPAddressPool metallb-system/home", "give each address to one pool"]),
        ("point 31: a range overlaps a network", "spec: {addresses: [192.0.2.127-192.0.2.130]}", &["overlaps with already defined CIDR 192.0.2.0/25 of IPAddressPool metallb-system/home"]),
        ("point 31: in IPv6", "spec: {addresses: ['2001:db8:1::ffff/128']}", &["of IPAddressPool metallb-system/home"]),
        ("point 31: around another pool", "spec: {addresses: [0.0.0.0/0]}", &["overlaps"]),
        ("point 31: within the same pool", "spec: {addresses: [198.51.100.0/24, 198.51.100.7/32]}", &["spec.addresses[1]", "overlaps with already defined CIDR 198.51.100.0/24 of the same pool"]),
        ("point 39: a namespace twice", "spec: {addresses: [198.51.100.0/24], serviceAllocation: {namespaces: [a, a]}}", &["spec.serviceAllocation.namespaces[1] \"a\" repeats"]),
        ("point 39: a selector twice", "spec: {addresses: [198.51.100.0/24], serviceAllocation: {namespaceSelectors: [{matchLabels: {a: b}}, {matchLabels: {a: b}}]}}", &["spec.serviceAllocation.namespaceSelectors[1] \"a=b\" repeats"]),
        ("point 39: a selector of Services twice", "spec: {addresses: [198.51.100.0/24], serviceAllocation: {serviceSelectors: [{}, {}]}}", &["spec.serviceAllocation.serviceSelectors[1]", "repeats"]),
        ("point 39: a value twice", "spec: {addresses: [198.51.100.0/24], serviceAllocation: {serviceSelectors: [{matchExpressions: [{key: a, operator: In, values: [b, b]}]}]}}", &["values[1] \"b\" repeats"]),
        ("point 39: an expression twice", "spec: {addresses: [198.51.100.0/24], serviceAllocation: {serviceSelectors: [{matchExpressions: [{key: a, operator: Exists}, {key: a, operator: Exists}]}]}}", &["matchExpressions[1]", "repeats"]),
        ("no operator that there is", "spec: {addresses: [198.51.100.0/24], serviceAllocation: {serviceSelectors: [{matchExpressions: [{key: a, operator: Is}]}]}}", &["operator"]),
        ("no key of a label", "spec: {addresses: [198.51.100.0/24], serviceAllocation: {serviceSelectors: [{matchLabels: {'a b': c}}]}}", &["is no key of a label"]),
        ("In without values", "spec: {addresses: [198.51.100.0/24], serviceAllocation: {serviceSelectors: [{matchExpressions: [{key: a, operator: In}]}]}}", &["is empty, but In compares with values"]),
    ],
    changes: &[
        ("a pool may shrink", "home", "spec: {addresses: [192.0.2.0/26]}", &[]),
        ("and grow", "home", "spec: {addresses: [192.0.2.0/24]}", &[]),
        ("but not into another", "home", "spec: {addresses: [203.0.113.9/32]}", &["overlaps with already defined CIDR 203.0.113.0/24 of IPAddressPool metallb-system/work"]),
        ("nor lose all its addresses", "home", "spec: {addresses: []}", &["lists no addresses"]),
        ("labels are its owner's business", "home", "metadata: {labels: {zone: a}}", &[]),
    ],
};
