//! What the kernel says about the links that this process holds, and about what is pinned.
//!
//! `bpf_link_info` carries the interface, but aya does not hand it out; asking by id needs CAP_SYS_ADMIN. The same facts
//! stand in `/proc/self/fdinfo` (Linux 5.9 for XDP links, 6.6 for tcx), readable without any privilege.

use std::{
    collections::BTreeMap,
    fs, io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

/// A link that this process holds a descriptor of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dataplane) struct LinkFacts {
    /// `xdp`, `tcx`, …
    pub(in crate::dataplane) kind: String,
    /// The interface; 0 when it is gone or the link was detached by other hands.
    pub(in crate::dataplane) ifindex: u32,
    /// Id of the program that the link runs.
    pub(in crate::dataplane) program_id: u32,
    /// Tag of that program: a hash over its instructions.
    pub(in crate::dataplane) program_tag: String,
}

/// Links by their id.
pub(in crate::dataplane) type Links = BTreeMap<u32, LinkFacts>;

/// A BPF object that somebody pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::dataplane) enum Object {
    /// A map.
    Map,
    /// A link of an interface.
    Link(LinkFacts),
    /// A program, a link of something else, …
    Other,
}

/// All links of this process, by link id.
///
/// # Errors
/// `/proc` is not there, or not all of it can be read. Then nothing is known: a link that is missing in half a list would
/// look like one that somebody detached.
pub(in crate::dataplane) fn links() -> io::Result<Links> {
    collect(fs::read_dir("/proc/self/fdinfo")?.map(|entry| fs::read_to_string(entry?.path())))
}

/// The links among descriptors, as far as they are still open.
fn collect(descriptors: impl Iterator<Item = io::Result<String>>) -> io::Result<Links> {
    let mut found = Links::new();
    for text in descriptors {
        match text {
            Ok(text) => found.extend(parse(&text)),
            // Another thread closed it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// What kind of object this process has open here.
///
/// # Errors
/// `/proc` is not there, or the process has no descriptors left.
pub(in crate::dataplane) fn object(descriptor: BorrowedFd<'_>) -> io::Result<Object> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd()))?;
    Ok(match parse(&text) {
        Some((_, facts)) => Object::Link(facts),
        None if text.contains("map_type:") => Object::Map,
        None => Object::Other,
    })
}

/// Reads one fdinfo file; `None` when it is no link of an interface.
fn parse(text: &str) -> Option<(u32, LinkFacts)> {
    let fields: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim())).collect();
    let number = |name| fields.get(name)?.parse().ok();
    let facts = LinkFacts {
        kind: (*fields.get("link_type")?).to_owned(),
        ifindex: number("ifindex")?,
        program_id: number("prog_id")?,
        program_tag: (*fields.get("prog_tag")?).to_owned(),
    };
    Some((number("link_id")?, facts))
}

#[cfg(test)]
mod tests {
    use super::*;

    const XDP: &str = "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t2061\nlink_type:\txdp\nlink_id:\t89\n\
                       prog_tag:\td114feb83094ec01\nprog_id:\t107\nifindex:\t2\n";
    const TCX: &str = "pos:\t0\nlink_type:\ttcx\nlink_id:\t90\nprog_tag:\td114feb83094ec02\nprog_id:\t108\n\
                       ifindex:\t3\nattach_type:\t46 (tcx_ingress)\n";

    #[test]
    fn links_are_read() {
        let (id, facts) = parse(XDP).unwrap();
        assert_eq!((id, facts.kind.as_str(), facts.ifindex, facts.program_id), (89, "xdp", 2, 107));
        assert_eq!(facts.program_tag, "d114feb83094ec01");
        let (id, facts) = parse(TCX).unwrap();
        assert_eq!((id, facts.kind.as_str(), facts.ifindex), (90, "tcx", 3));
    }

    /// Out of descriptors half way (EMFILE) is no list of the links that were read before; a closed descriptor is.
    #[test]
    fn half_a_list_is_no_list() {
        let texts = || [Ok(XDP.to_owned()), Err(io::ErrorKind::NotFound.into()), Ok(TCX.to_owned())];
        assert_eq!(collect(texts().into_iter()).unwrap().len(), 2);
        let out = io::Error::from_raw_os_error(libc::EMFILE);
        let error = collect(texts().into_iter().chain([Err(out)])).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    }

    #[test]
    fn other_descriptors_are_not() {
        for text in [
            "",
            "pos:\t0\nflags:\t02\n",
            "map_type:\t1\nkey_size:\t8\n",
            "link_type:\titer\nlink_id:\t4\n",
            "link_id\n",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
