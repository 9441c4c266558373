//! The kernel's own list of IPv6 groups.

use std::{collections::BTreeSet, fs, io};

use super::Membership;

/// Of the network namespace of the calling thread; `/proc/net` would be that of the main thread.
pub(super) const PATH: &str = "/proc/thread-self/net/igmp6";

/// Every group that anybody holds, the kernel itself included.
pub(super) fn observe() -> io::Result<BTreeSet<Membership>> {
    Ok(parse(&fs::read_to_string(PATH)?))
}

/// Lines of `index name group users flags timer`, the group as 32 hexadecimal digits (net/ipv6/mcast.c).
fn parse(text: &str) -> BTreeSet<Membership> {
    let line = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let ifindex = fields.next()?.parse().ok()?;
        let group = fields.nth(1).filter(|digits| digits.len() == 32)?;
        Some((ifindex, u128::from_str_radix(group, 16).ok()?.into()))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_read_and_others_left_out() {
        let text = "1    lo              ff020000000000000000000000000001     1 0000000C 0\n\
                    12   eth0            ff0200000000000000000001ff00abcd     2 00000006 0\n\
                    \nnonsense\n13   eth1            ff02     1 0 0\n";
        let expected: BTreeSet<Membership> =
            [(1, "ff02::1".parse().unwrap()), (12, "ff02::1:ff00:abcd".parse().unwrap())].into();
        assert_eq!(parse(text), expected);
    }
}
