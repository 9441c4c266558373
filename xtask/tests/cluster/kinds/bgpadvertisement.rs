//! `BGPAdvertisement`: MetalLB behaviours 1.4, 3.2, 35 to 39.

use super::Table;

pub(super) const TABLE: Table = Table {
    kind: "BGPAdvertisement",
    plural: "bgpadvertisements",
    version: "v1beta1",
    there: "
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: four, namespace: metallb-system, labels: {family: four}}
spec: {addresses: [192.0.2.0/24, 203.0.113.1-203.0.113.9]}
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: six, namespace: metallb-system, labels: {family: six}}
spec: {addresses: ['2001:db8:1::/64']}
---
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: both, namespace: metallb-system, labels: {family: both}}
spec: {addresses: [198.51.100.0/24, '2001:db8:2::/64']}
---
apiVersion: metallb.io/v1beta1
kind: Community
metadata: {name: names, namespace: metallb-system}
spec: {communities: [{name: no-export, value: '65535:65281'}]}
---
apiVersion: metallb.io/v1beta1
kind: BFDProfile
metadata: {name: echo, namespace: metallb-system}
spec: {echoMode: true}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: echoing, namespace: metallb-system}
spec: {myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.254, bfdProfile: echo}
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: preferred, namespace: metallb-system}
spec:
  ipAddressPools: [four]
  localPref: 200
  peers: [tor-a]
  nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-a}}]
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: mixed, namespace: metallb-system}
spec: {ipAddressPools: [both], localPref: 200, peers: [tor-a]}
",
    accepts: &[
        (
            "a pool and a peer",
            "spec: {ipAddressPools: [four], peers: [tor-b]}",
            "{ipAddressPools: [four], peers: [tor-b], aggregationLength: 32, aggregationLengthV6: 128}",
        ),
        (
            "null lists, as clients in Go write them",
            "spec: {ipAddressPools: [four], peers: [tor-b], communities: null, ipAddressPoolSelectors: null, nodeSelectors: null, serviceSelectors: null, aggregationLength: null, localPref: null}",
            "{ipAddressPools: [four], peers: [tor-b], aggregationLength: 32, aggregationLengthV6: 128}",
        ),
        ("peers and pools that are not there yet", "spec: {ipAddressPools: [later], peers: [never]}", ""),
        ("pools by labels", "spec: {ipAddressPoolSelectors: [{matchLabels: {family: four}}], peers: [tor-b]}", ""),
        ("a preference of 32 bits", "spec: {ipAddressPools: [four], peers: [tor-b], localPref: 4294967295}", ""),
        (
            "Services by labels",
            "spec: {ipAddressPools: [four], peers: [tor-b], serviceSelectors: [{matchLabels: {app: web}}]}",
            "",
        ),
        (
            "point 35: communities by numbers",
            "spec: {ipAddressPools: [four], peers: [tor-b], communities: ['64512:100', 'large:64512:100:1', '0:0', '65535:65535', 'large:4294967295:0:4294967295']}",
            "",
        ),
        (
            "point 36: a community by its name",
            "spec: {ipAddressPools: [four], peers: [tor-b], communities: [no-export]}",
            "",
        ),
        (
            "point 37: as wide as the pool",
            "spec: {ipAddressPoolSelectors: [{matchLabels: {family: both}}], aggregationLength: 24, aggregationLengthV6: 64, peers: [tor-b]}",
            "",
        ),
        ("point 38: the same preference", "spec: {ipAddressPools: [four], localPref: 200, peers: [tor-a]}", ""),
        ("point 38: another peer", "spec: {ipAddressPools: [four], localPref: 100, peers: [tor-b]}", ""),
        (
            "point 38: another node",
            "spec: {ipAddressPools: [four], localPref: 100, peers: [tor-a], nodeSelectors: [{matchLabels: {kubernetes.io/hostname: node-b}}]}",
            "",
        ),
        ("point 38: another pool", "spec: {ipAddressPools: [later], localPref: 100, peers: [tor-a]}", ""),
        (
            "point 38: both lengths differ",
            "spec: {ipAddressPools: [both], localPref: 100, peers: [tor-a], aggregationLength: 30, aggregationLengthV6: 120}",
            "",
        ),
        (
            "point 38: selected Services are looked at one by one",
            "spec: {ipAddressPools: [both], localPref: 100, peers: [tor-a], serviceSelectors: [{matchLabels: {app: web}}]}",
            "",
        ),
    ],
    warns: &[(
        "point 36: a name that nobody defines yet",
        "spec: {ipAddressPools: [four], peers: [tor-b], communities: [later]}",
        &["spec.communities \"later\" names a community that no Community in force defines"],
    )],
    rejects: &[
        ("length 0", "spec: {aggregationLength: 0}", &["greater than or equal to 1"]),
        (
            "point 37: a length beyond IPv4",
            "spec: {ipAddressPools: [four], peers: [tor-b], aggregationLength: 33}",
            &["spec.aggregationLength", "33"],
        ),
        (
            "point 37: a length beyond IPv6",
            "spec: {ipAddressPools: [six], peers: [tor-b], aggregationLengthV6: 129}",
            &["spec.aggregationLengthV6", "129"],
        ),
        (
            "point 37: wider than the pool",
            "spec: {ipAddressPools: [both], aggregationLength: 23, aggregationLengthV6: 64, peers: [tor-b]}",
            &[
                "spec.aggregationLength \"23\" announces more than 198.51.100.0/24 of IPAddressPool both",
                "use 24 or more",
            ],
        ),
        (
            "point 37: wider than the pool in IPv6",
            "spec: {ipAddressPools: [six], aggregationLengthV6: 63, peers: [tor-b]}",
            &["spec.aggregationLengthV6 \"63\" announces more than 2001:db8:1::/64"],
        ),
        (
            "point 37: wider than all that a range holds",
            "spec: {ipAddressPools: [four], aggregationLength: 29, peers: [tor-b]}",
            &["announces more than 203.0.113.1-203.0.113.9"],
        ),
        (
            "selected Services in a network",
            "spec: {ipAddressPools: [four], aggregationLength: 24, serviceSelectors: [{}], peers: [tor-b]}",
            &["serviceSelectors need aggregationLength 32"],
        ),
        (
            "selected Services in a network of IPv6",
            "spec: {ipAddressPools: [six], aggregationLengthV6: 64, serviceSelectors: [{}], peers: [tor-b]}",
            &["aggregationLengthV6"],
        ),
        ("a negative preference", "spec: {ipAddressPools: [four], localPref: -1}", &["spec.localPref"]),
        (
            "point 35: no community",
            "spec: {ipAddressPools: [four], peers: [tor-b], communities: ['64512:65536']}",
            &["spec.communities[0] \"64512:65536\" is no community", "large:64512:100:1"],
        ),
        (
            "point 35: three numbers without large",
            "spec: {ipAddressPools: [four], peers: [tor-b], communities: ['1:2:3']}",
            &["is no community"],
        ),
        (
            "point 35: four numbers",
            "spec: {ipAddressPools: [four], peers: [tor-b], communities: ['1:2:3:4']}",
            &["is no community"],
        ),
        (
            "point 35: a sign",
            "spec: {ipAddressPools: [four], peers: [tor-b], communities: ['-1:2']}",
            &["is no community"],
        ),
        (
            "point 38: another preference",
            "spec: {ipAddressPools: [four], localPref: 100, peers: [tor-a]}",
            &[
                "spec.localPref \"100\" differs from 200 of BGPAdvertisement metallb-system/preferred",
                "IPAddressPool four",
            ],
        ),
        (
            "point 38: none is another too",
            "spec: {ipAddressPools: [four], peers: [tor-a]}",
            &["spec.localPref \"0\" differs from 200"],
        ),
        ("point 38: to all peers", "spec: {ipAddressPools: [four], localPref: 100}", &["spec.localPref", "preferred"]),
        (
            "point 38: the pool by its label",
            "spec: {ipAddressPoolSelectors: [{matchLabels: {family: four}}], localPref: 100, peers: [tor-a, tor-b]}",
            &["spec.localPref", "preferred"],
        ),
        (
            "point 38: of both families one length is the same",
            "spec: {ipAddressPools: [both], localPref: 100, peers: [tor-a], aggregationLength: 30}",
            &["spec.localPref", "mixed"],
        ),
        (
            "IPv6 to a peer with echoes",
            "spec: {ipAddressPools: [six], peers: [echoing]}",
            &["BGPPeer echoing is watched by BFD with echoMode"],
        ),
        (
            "point 39: a pool twice",
            "spec: {ipAddressPools: [four, four], peers: [tor-b]}",
            &["spec.ipAddressPools[1] \"four\" repeats"],
        ),
        (
            "point 39: a peer twice",
            "spec: {ipAddressPools: [four], peers: [tor-b, tor-b]}",
            &["spec.peers[1] \"tor-b\" repeats"],
        ),
        (
            "point 39: a community twice",
            "spec: {ipAddressPools: [four], peers: [tor-b], communities: ['1:1', '1:1']}",
            &["spec.communities[1] \"1:1\" repeats"],
        ),
        (
            "point 39: a selector of pools twice",
            "spec: {ipAddressPoolSelectors: [{matchLabels: {a: b}}, {matchLabels: {a: b}}], peers: [tor-b]}",
            &["spec.ipAddressPoolSelectors[1]", "repeats"],
        ),
        (
            "point 39: a selector of nodes twice",
            "spec: {ipAddressPools: [four], peers: [tor-b], nodeSelectors: [{matchLabels: {a: b}}, {matchLabels: {a: b}}]}",
            &["spec.nodeSelectors[1]", "repeats"],
        ),
        (
            "point 39: a selector of Services twice",
            "spec: {ipAddressPools: [four], peers: [tor-b], serviceSelectors: [{}, {}]}",
            &["spec.serviceSelectors[1]", "repeats"],
        ),
    ],
    changes: &[
        ("another preference", "preferred", "spec: {localPref: 100}", &[]),
        (
            "to a node that another has with another preference",
            "preferred",
            "spec: {ipAddressPools: [both], localPref: 100}",
            &["spec.localPref", "mixed"],
        ),
        ("wider than the pool", "mixed", "spec: {aggregationLength: 8}", &["announces more than"]),
    ],
};
