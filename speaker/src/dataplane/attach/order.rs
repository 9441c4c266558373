//! Who stands before our program at the tcx hook.

use aya::programs::{SchedClassifier, TcAttachType};

use super::Foreign;
use crate::dataplane::syscall::{Hooked, tcx_ingress};

/// The programs that see a frame of this interface before the one behind our link; `None`: cannot tell.
pub(super) fn before(ifindex: u32, interface: &str, our_link: u32) -> Option<Vec<Foreign>> {
    let order = tcx_ingress(ifindex)
        .inspect_err(|error| tracing::debug!(interface, %error, "cannot ask for the order at the tcx hook"))
        .ok()?;
    let ahead = ahead(&order, our_link)?;
    Some(ahead.into_iter().map(|id| Foreign { id, name: name_of(interface, id) }).collect())
}

/// Pure: the programs before the link; `None` when the link is not there.
fn ahead(order: &[Hooked], our_link: u32) -> Option<Vec<u32>> {
    let place = order.iter().position(|hooked| hooked.link == our_link)?;
    Some(order.iter().take(place).map(|hooked| hooked.program).collect())
}

/// The name of a program at the hook, for those who may know.
fn name_of(interface: &str, id: u32) -> Option<String> {
    let (_, programs) = SchedClassifier::query_tcx(interface, TcAttachType::Ingress).ok()?;
    let found = programs.iter().find(|program| program.id() == id)?;
    found.name_as_str().map(ToOwned::to_owned).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_first_stands_before_us() {
        let order = [(7, 70), (8, 0), (9, 90), (10, 100)].map(|(program, link)| Hooked { program, link });
        assert_eq!(ahead(&order, 70), Some(vec![]));
        assert_eq!(ahead(&order, 90), Some(vec![7, 8]));
        assert_eq!(ahead(&order, 91), None, "what is not there stands nowhere");
        assert_eq!(ahead(&[], 70), None);
    }
}
