//! `Community`: MetalLB behaviours 1.5, 3.2, 35.

use super::Table;

pub(super) const TABLE: Table = Table {
    kind: "Community",
    plural: "communities",
    version: "v1beta1",
    there: "
apiVersion: metallb.io/v1beta1
kind: Community
metadata: {name: names, namespace: metallb-system}
spec: {communities: [{name: no-export, value: '65535:65281'}]}
",
    accepts: &[
        ("no spec", "", ""),
        ("an empty spec", "spec: {}", "{}"),
        ("a null list", "spec: {communities: null}", "{}"),
        (
            "point 35: two numbers",
            "spec: {communities: [{name: a, value: '0:0'}, {name: b, value: '65535:65535'}]}",
            "",
        ),
        ("point 35: a large one", "spec: {communities: [{name: a, value: 'large:4294967295:0:1'}]}", ""),
        ("one value under two names", "spec: {communities: [{name: a, value: '1:1'}, {name: b, value: '1:1'}]}", ""),
    ],
    warns: &[],
    rejects: &[
        ("no list", "spec: {communities: '1:1'}", &["spec.communities", "array"]),
        ("point 35: no value", "spec: {communities: [{name: a}]}", &["spec.communities[0].value \"\" is no community"]),
        ("point 35: a number too high", "spec: {communities: [{name: a, value: '65536:1'}]}", &["is no community"]),
        (
            "point 35: a large number too high",
            "spec: {communities: [{name: a, value: 'large:1:2:4294967296'}]}",
            &["is no community"],
        ),
        (
            "point 35: large with two numbers",
            "spec: {communities: [{name: a, value: 'large:1:2'}]}",
            &["is no community"],
        ),
        ("point 35: one number", "spec: {communities: [{name: a, value: '1'}]}", &["is no community"]),
        ("point 35: a name for a value", "spec: {communities: [{name: a, value: no-export}]}", &["is no community"]),
        ("point 35: spaces", "spec: {communities: [{name: a, value: '1: 1'}]}", &["is no community"]),
        (
            "a name twice",
            "spec: {communities: [{name: a, value: '1:1'}, {name: a, value: '1:2'}]}",
            &["spec.communities[1].name \"a\" repeats spec.communities[0].name"],
        ),
        (
            "a name of another object",
            "spec: {communities: [{name: no-export, value: '1:1'}]}",
            &["\"no-export\" is defined by Community metallb-system/names too"],
        ),
    ],
    changes: &[
        ("another value", "names", "spec: {communities: [{name: no-export, value: '1:1'}]}", &[]),
        ("no value", "names", "spec: {communities: [{name: no-export, value: '1'}]}", &["is no community"]),
    ],
};
