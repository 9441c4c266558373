//! `L2Advertisement`: MetalLB behaviours 1.2, 3.2, 39.

use super::Table;

pub(super) const TABLE: Table = Table {
    kind: "L2Advertisement",
    plural: "l2advertisements",
    version: "v1beta1",
    there: "
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: lan, namespace: metallb-system}
spec: {ipAddressPools: [home]}
",
    accepts: &[
        ("no spec: all pools, nodes and interfaces", "", ""),
        ("a spec that is null", "spec: null", ""),
        ("an empty spec", "spec: {}", "{}"),
        (
            "null lists, as clients in Go write them",
            "spec: {ipAddressPools: null, ipAddressPoolSelectors: null, nodeSelectors: null, interfaces: null, serviceSelectors: null, preferredNodeSelectors: null}",
            "{}",
        ),
        (
            "pools by labels",
            "spec: {ipAddressPoolSelectors: [{matchLabels: {zone: a}}, {matchExpressions: [{key: zone, operator: NotIn, values: [b]}]}]}",
            "",
        ),
        (
            "nodes and interfaces",
            "spec: {nodeSelectors: [{matchLabels: {rack: a}}, {}], interfaces: [eth0, br-lan.7]}",
            "",
        ),
        ("an interface twice, as MetalLB takes it", "spec: {interfaces: [eth0, eth0]}", ""),
        ("Services by labels", "spec: {serviceSelectors: [{matchLabels: {app: web}}]}", ""),
        (
            "preferred nodes; one preference twice adds up",
            "spec: {preferredNodeSelectors: [{weight: 1, preference: {}}, {weight: 100, preference: {matchLabels: {rack: a}}}, {weight: 100, preference: {matchLabels: {rack: a}}}]}",
            "",
        ),
        ("another of the same content", "spec: {ipAddressPools: [home]}", ""),
        ("unknown fields are dropped", "spec: {interface: eth0}", "{}"),
    ],
    warns: &[
        (
            "pools that are not there yet",
            "spec: {ipAddressPools: [later, never]}",
            &["spec.ipAddressPools \"later\" names no IPAddressPool that exists", "\"never\""],
        ),
        (
            "no name of an interface: it is left out",
            "spec: {interfaces: ['eth 0']}",
            &["spec.interfaces \"eth 0\" cannot be the name of an interface", "it is left out"],
        ),
        (
            "a pattern for an interface, beside one that can be",
            "spec: {interfaces: [eth0, 'this-is-longer-than-any']}",
            &["1 to 15 characters"],
        ),
    ],
    rejects: &[
        ("text for a list", "spec: {ipAddressPools: home}", &["spec.ipAddressPools", "array"]),
        ("a number for a name", "spec: {interfaces: [7]}", &["spec.interfaces[0]", "string"]),
        (
            "point 39: a pool twice",
            "spec: {ipAddressPools: [home, home]}",
            &["spec.ipAddressPools[1] \"home\" repeats spec.ipAddressPools[0]"],
        ),
        (
            "point 39: a selector of pools twice",
            "spec: {ipAddressPoolSelectors: [{matchLabels: {a: b}}, {matchLabels: {a: b}}]}",
            &["spec.ipAddressPoolSelectors[1] \"a=b\" repeats"],
        ),
        (
            "point 39: a selector of nodes twice",
            "spec: {nodeSelectors: [{matchLabels: {a: b, c: d}}, {matchLabels: {c: d, a: b}}]}",
            &["spec.nodeSelectors[1]", "repeats"],
        ),
        (
            "point 39: values in another order are the same",
            "spec: {nodeSelectors: [{matchExpressions: [{key: a, operator: In, values: [b, c]}]}, {matchExpressions: [{key: a, operator: In, values: [c, b]}]}]}",
            &["spec.nodeSelectors[1]", "repeats"],
        ),
        (
            "point 39: a selector of Services twice",
            "spec: {serviceSelectors: [{}, {}]}",
            &["spec.serviceSelectors[1]", "repeats"],
        ),
        (
            "point 39: a value twice",
            "spec: {nodeSelectors: [{matchExpressions: [{key: a, operator: In, values: [b, b]}]}]}",
            &["values[1] \"b\" repeats"],
        ),
        ("no operator", "spec: {nodeSelectors: [{matchExpressions: [{key: a}]}]}", &["operator", "Required value"]),
        ("no key", "spec: {nodeSelectors: [{matchExpressions: [{operator: Exists}]}]}", &["key", "Required value"]),
        (
            "Exists with values",
            "spec: {nodeSelectors: [{matchExpressions: [{key: a, operator: Exists, values: [b]}]}]}",
            &["is not empty, but Exists compares with no value"],
        ),
        (
            "no value of a label",
            "spec: {nodeSelectors: [{matchLabels: {a: 'b c'}}]}",
            &["cannot be the value of a label"],
        ),
        ("too light", "spec: {preferredNodeSelectors: [{weight: 0, preference: {}}]}", &["greater than or equal to 1"]),
        (
            "too heavy",
            "spec: {preferredNodeSelectors: [{weight: 101, preference: {}}]}",
            &["less than or equal to 100"],
        ),
        ("no weight", "spec: {preferredNodeSelectors: [{preference: {}}]}", &["weight", "Required value"]),
        ("no preference", "spec: {preferredNodeSelectors: [{weight: 1}]}", &["preference", "Required value"]),
        (
            "a preference that is none",
            "spec: {preferredNodeSelectors: [{weight: 1, preference: {matchExpressions: [{key: a, operator: In}]}}]}",
            &["is empty, but In compares with values"],
        ),
    ],
    changes: &[
        ("another pool", "lan", "spec: {ipAddressPools: [home, work]}", &[]),
        ("a pool twice", "lan", "spec: {ipAddressPools: [home, home]}", &["repeats"]),
        ("all pools", "lan", "spec: null", &[]),
    ],
};
