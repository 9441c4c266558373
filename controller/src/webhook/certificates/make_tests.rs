//! Certificates that are made, read again.

use super::*;
use crate::webhook::certificates::{decide::step, facts::facts};

const NAME: &str = "metallb-webhook-service.metallb-system.svc";
const NOW: i64 = 1_800_000_000;

fn order(names: &[String], now: i64) -> Order<'_> {
    Order { names, lifetimes: Lifetimes::DEFAULT, now }
}

#[test]
fn what_is_made_is_what_was_ordered() {
    let names = [NAME.to_owned()];
    let made = apply(Step::Begin, &Stored::default(), &order(&names, NOW)).unwrap();
    let read = facts(&made, NAME);
    let (ca, leaf) = (read.ca.unwrap(), read.leaf.unwrap());
    assert!(ca.signs && leaf.fits);
    assert_eq!((ca.life.begins, leaf.life.begins), (NOW, NOW));
    assert_eq!((ca.life.ends - NOW) / 86_400, 3650);
    assert_eq!((leaf.life.ends - NOW) / 86_400, 365);
    assert!(!facts(&made, "another.metallb-system.svc").leaf.unwrap().fits);
    assert_eq!(step(&read, NOW, Duration::ZERO, Duration::from_secs(60)), Step::Keep);
}

#[test]
fn a_certificate_fits_its_authority_and_its_key_only() {
    let names = [NAME.to_owned()];
    let made = apply(Step::Begin, &Stored::default(), &order(&names, NOW)).unwrap();
    let other = apply(Step::Begin, &Stored::default(), &order(&names, NOW)).unwrap();
    for mixed in [
        Stored { ca: other.ca.clone(), ..made.clone() },
        Stored { leaf: Pair { key: other.leaf.key.clone(), ..made.leaf.clone() }, ..made.clone() },
        Stored { leaf: Pair { key: String::new(), ..made.leaf.clone() }, ..made.clone() },
    ] {
        assert!(!facts(&mixed, NAME).leaf.unwrap().fits);
    }
    let lame = Stored { ca: Pair { key: other.ca.key, ..made.ca.clone() }, ..made.clone() };
    assert!(!facts(&lame, NAME).ca.unwrap().signs);
    let rubbish = Pair {
        certificate: "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n".to_owned(),
        key: "x".to_owned(),
    };
    let rubbish = Stored { ca: rubbish.clone(), next: rubbish.clone(), previous: "x".to_owned(), leaf: rubbish };
    assert_eq!(facts(&rubbish, NAME), facts(&Stored::default(), NAME));
    assert_eq!(rubbish.trusted(), "");
}

#[test]
fn an_authority_is_replaced_while_both_are_trusted() {
    let names = [NAME.to_owned()];
    let first = apply(Step::Begin, &Stored::default(), &order(&names, NOW)).unwrap();
    let second = apply(Step::Introduce, &first, &order(&names, NOW + 1)).unwrap();
    assert!(second.leaf == first.leaf && second.ca == first.ca);
    assert_eq!(second.trusted().matches("BEGIN").count(), 2);
    let third = apply(Step::Switch, &second, &order(&names, NOW + 2)).unwrap();
    assert_eq!(third.trusted(), second.trusted(), "no bundle changes");
    assert!(third.ca == second.next && third.next == Pair::default() && third.leaf != first.leaf);
    assert!(facts(&third, NAME).leaf.unwrap().fits);
    let fourth = apply(Step::Retire, &third, &order(&names, NOW + 3)).unwrap();
    assert_eq!(fourth.trusted().trim(), third.ca.certificate.trim());
    assert!(fourth.leaf == third.leaf);
}

#[test]
fn renewal_keeps_the_authority() {
    let names = [NAME.to_owned()];
    let first = apply(Step::Begin, &Stored::default(), &order(&names, NOW)).unwrap();
    let renewed = apply(Step::Issue, &first, &order(&names, NOW + 100)).unwrap();
    assert!(renewed.ca == first.ca && renewed.leaf != first.leaf);
    assert!(facts(&renewed, NAME).leaf.unwrap().fits);
    assert!(apply(Step::Issue, &Stored::default(), &order(&names, NOW)).is_err());
}
