//! Which addresses a Service gets that has none (MetalLB behaviour 2.3).

use std::net::IpAddr;

use super::{
    book::Book,
    pools::PoolId,
    refusal::{self, Why, all_are_spent, pool_is_spent},
    request::{Demand, Families},
};
use crate::cluster::{Family, Service};

/// Addresses to be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// The pool of all of them.
    pub(super) pool: PoolId,
    /// IPv4 first.
    pub(super) addresses: Vec<IpAddr>,
}

/// Chooses addresses for a Service that has none. `wanted`: exactly these.
///
/// # Errors
/// Names every pool looked at and says why it gives nothing.
pub(super) fn choose(
    book: &mut Book,
    service: &Service,
    demand: &Demand,
    wanted: Option<&[IpAddr]>,
) -> Result<Choice, String> {
    if book.pools.is_empty() {
        return Err("there are no address pools; create an IPAddressPool".to_owned());
    }
    if let Some(wanted) = wanted {
        return exactly(book, service, demand, wanted);
    }
    let Some(name) = &demand.pool else {
        let pools = book.pools.automatic(service);
        return from(book, &pools, demand).ok_or_else(|| all_are_spent(book, &pools, (service, demand)));
    };
    let Some(id) = book.pools.named(name) else { return Err(no_such_pool(book, name)) };
    book.pools.admits(id, service).map_err(|why| why.to_string())?;
    from(book, &[id], demand).ok_or_else(|| pool_is_spent(book, id, (service, demand)))
}

fn no_such_pool(book: &Book, name: &str) -> String {
    if book.pools.is_faulty(name) {
        format!("pool {name}, which the annotation asks for, is not valid and gives nothing until it is")
    } else {
        format!("pool {name}, which the annotation asks for, does not exist")
    }
}

/// The addresses that are asked for, or none.
fn exactly(book: &Book, service: &Service, demand: &Demand, wanted: &[IpAddr]) -> Result<Choice, String> {
    if !demand.families.are_those_of(wanted) {
        return Err(demand.families.mismatch(wanted));
    }
    let pool = may_have(book, service, wanted).map_err(|why| why.to_string())?;
    if let (Some(name), [address, ..]) = (&demand.pool, wanted)
        && *name != book.pools.get(pool).pool.name
    {
        let pool = book.pools.get(pool).pool.name.clone();
        return Err(Why::OtherPool { address: *address, pool, wanted: name.clone() }.to_string());
    }
    for address in wanted {
        let free = book.is_not_foreign(*address).and_then(|()| book.may_join(*address, &demand.terms));
        free.map_err(|why| why.to_string())?;
    }
    Ok(Choice { pool, addresses: wanted.to_vec() })
}

/// The one pool of all these addresses, if a Service may have them as far as the pool goes.
///
/// # Errors
/// Says which address is in no pool, in another pool, or not for the Service.
pub(super) fn may_have(book: &Book, service: &Service, addresses: &[IpAddr]) -> Result<PoolId, Why> {
    let mut found: Option<(PoolId, IpAddr)> = None;
    for address in addresses {
        book.is_not_held(*address)?;
        let id = book.pools.of(*address).ok_or(Why::NoPool(*address))?;
        match found {
            Some((other, first)) if other != id => return Err(Why::TwoPools(first, *address)),
            _ => found = Some((id, *address)),
        }
        book.pools.admits(id, service)?;
        if !book.pools.usable(*address) {
            return Err(Why::Avoided { pool: book.pools.get(id).pool.name.clone(), address: *address });
        }
    }
    found.map(|(id, _)| id).ok_or(Why::Families { has: "no address is", needs: "some" })
}

/// What these pools give: first those that are reserved for the Service or its namespace, one family of two included, then the
/// others.
fn from(book: &mut Book, pools: &[PoolId], demand: &Demand) -> Option<Choice> {
    let (reserved, general) = tiers(book, pools);
    from_tier(book, reserved, demand).or_else(|| from_tier(book, general, demand))
}

/// Reserved pools, which come first, and the others.
fn tiers<'a>(book: &Book, pools: &'a [PoolId]) -> (&'a [PoolId], &'a [PoolId]) {
    pools.split_at(pools.partition_point(|id| book.pools.is_reserved(*id)))
}

/// Both families, for a Service whose pool lost one: from another pool that a new Service would be given them from. A pool that is
/// reserved for it is not left for one that is not.
pub(super) fn elsewhere(book: &mut Book, service: &Service, demand: &Demand, pool: &str) -> Option<Choice> {
    if demand.pool.is_some() {
        return None;
    }
    let is_reserved = book.pools.named(pool).is_some_and(|id| book.pools.is_reserved(id));
    let pools = book.pools.automatic(service);
    let (reserved, general) = tiers(book, &pools);
    let general = if is_reserved { &[] } else { general };
    reserved.iter().chain(general).find_map(|id| lowest(book, *id, &Family::ALL, demand))
}

/// The first of these pools that gives what is needed; where one family will do, only after all were asked for both.
fn from_tier(book: &mut Book, pools: &[PoolId], demand: &Demand) -> Option<Choice> {
    let mut first = |families: &[Family]| pools.iter().find_map(|id| lowest(book, *id, families, demand));
    match demand.families {
        Families::One(family) => first(&[family]),
        Families::Both { fallback: None } => first(&Family::ALL),
        Families::Both { fallback: Some(Family::V4) } => {
            first(&Family::ALL).or_else(|| first(&[Family::V4])).or_else(|| first(&[Family::V6]))
        }
        Families::Both { fallback: Some(Family::V6) } => {
            first(&Family::ALL).or_else(|| first(&[Family::V6])).or_else(|| first(&[Family::V4]))
        }
    }
}

/// An address of each family out of one pool.
fn lowest(book: &mut Book, pool: PoolId, families: &[Family], demand: &Demand) -> Option<Choice> {
    let addresses = families.iter().map(|family| book.lowest(pool, *family, &demand.terms)).collect::<Option<_>>()?;
    Some(Choice { pool, addresses })
}

/// One more address for a Service that has one, of the family that it has not, out of the same pool (MetalLB behaviour 23).
///
/// # Errors
/// Says what the pool lacks.
pub(super) fn second(book: &mut Book, pool: PoolId, has: IpAddr, demand: &Demand) -> Result<IpAddr, String> {
    let family = if has.is_ipv4() { Family::V6 } else { Family::V4 };
    book.lowest(pool, family, &demand.terms).ok_or_else(|| {
        let name = &book.pools.get(pool).pool.name;
        let lacking = refusal::family_name(family);
        format!("it has no {lacking} address: pool {name}: {}", refusal::lacks(book, pool, family, demand))
    })
}
