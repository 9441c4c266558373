//! Services whose status another program writes as well, again and again: what their condition says, and until when.
//!
//! The condition names the other programs. It changes only when it has something new to say, and one program that writes the
//! same status every second is nothing new. It goes when the other program has left the status alone for a while.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::cluster::{Refusal, Rival, Service, ServiceKey};

/// A conflict without another write for so long is over.
pub const QUIET: Duration = Duration::from_secs(180);
/// Reason of the condition, and of the event.
pub const OVERWRITTEN: &str = "StatusOverwritten";
/// Programs that are named at most.
const NAMED: usize = 5;

/// Who undoes what we write, as far as is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// Programs that set fields of ours.
    writers: BTreeSet<String>,
    /// Programs of which one may have removed fields of ours.
    among: Option<String>,
}

impl Others {
    /// Adds what one version of the object shows.
    fn add(&mut self, rival: Option<&Rival>) {
        match rival {
            Some(Rival::Writer(name)) if self.writers.len() < NAMED => _ = self.writers.insert(name.clone()),
            Some(Rival::Among(names)) => _ = self.among.get_or_insert_with(|| names.clone()),
            Some(Rival::Writer(_)) | None => {}
        }
    }

    /// What they do, in a sentence. `harm`: to the addresses, not only to what is said beside them.
    pub fn sentence(&self, harm: bool) -> String {
        let writers: Vec<&str> = self.writers.iter().map(String::as_str).collect();
        let who = match (writers.as_slice(), &self.among) {
            ([], Some(names)) => format!("another program (managedFields names {names}) takes away from"),
            ([], None) => "another program, which managedFields does not name, writes".to_owned(),
            ([name], _) => format!("{name} writes"),
            (names, _) => format!("{} write", names.join(", ")),
        };
        let (what, pace) = if harm {
            (
                "status.loadBalancer of this Service, and traffic goes wrong meanwhile",
                "it is put right within 2 seconds each time",
            )
        } else {
            (
                "what is said beside the addresses of this Service (our annotation or conditions)",
                "it is put right more and more rarely, down to once a minute",
            )
        };
        format!(
            "{who} {what}; {pace}. Let one program have the Service: switch the other one off, or divide them by \
             spec.loadBalancerClass"
        )
    }
}

impl From<Option<&Rival>> for Others {
    fn from(rival: Option<&Rival>) -> Self {
        let mut others = Self::default();
        others.add(rival);
        others
    }
}

/// A status that was written once more, because somebody had undone it.
#[derive(Clone, Copy, Debug)]
pub struct Overwritten<'a> {
    /// The Service.
    pub key: &'a ServiceKey,
    /// Its uid.
    pub uid: &'a str,
    /// Who did it, if that can be seen.
    pub rival: Option<&'a Rival>,
    /// Addresses were undone, not only what is said beside them.
    pub harm: bool,
}

#[derive(Clone, Debug)]
struct Conflict {
    uid: String,
    until: Duration,
    others: Others,
    harm: bool,
    says: Refusal,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Conflicts {
    of: BTreeMap<ServiceKey, Conflict>,
    ends: BTreeSet<(Duration, ServiceKey)>,
    inherited: bool,
}

impl Conflicts {
    /// Somebody undid a status again. Whether there is something new to say.
    pub(super) fn overwritten(&mut self, what: Overwritten<'_>, now: Duration) -> bool {
        let known = self.remove(what.key).filter(|known| known.uid == what.uid);
        let (mut others, harm, before) = match known {
            Some(known) => (known.others, known.harm || what.harm, Some(known.says)),
            None => (Others::default(), what.harm, None),
        };
        others.add(what.rival);
        let says = Refusal { reason: OVERWRITTEN.to_owned(), message: others.sentence(harm) };
        let is_new = before.as_ref() != Some(&says);
        self.insert(what.key, Conflict { uid: what.uid.to_owned(), until: now + QUIET, others, harm, says });
        is_new
    }

    /// Forgets what is over.
    pub(super) fn end(&mut self, now: Duration) {
        while let Some((until, key)) = self.ends.first().filter(|(until, _)| *until <= now).cloned() {
            self.ends.remove(&(until, key.clone()));
            self.of.remove(&key);
        }
    }

    /// The first look at everything: what the leader before us wrote stays as long as if we had just written it.
    pub(super) fn inherit<'a>(&mut self, services: impl Iterator<Item = &'a Service>, now: Duration) {
        if std::mem::replace(&mut self.inherited, true) {
            return;
        }
        for service in services {
            let Some(says) = service.conflict.as_deref() else { continue };
            let (uid, says) = (service.uid.clone(), says.clone());
            let conflict = Conflict { uid, until: now + QUIET, others: Others::default(), harm: false, says };
            self.insert(&service.key, conflict);
        }
    }

    /// What the condition on a Service has to say.
    pub(super) fn says(&self, key: &ServiceKey, uid: &str) -> Option<&Refusal> {
        self.of.get(key).filter(|known| known.uid == uid).map(|known| &known.says)
    }

    /// When the next one is over.
    pub(super) fn next(&self) -> Option<Duration> {
        self.ends.first().map(|(until, _)| *until)
    }

    /// The Services whose conflict is over.
    pub(super) fn over(&self, now: Duration) -> impl Iterator<Item = &ServiceKey> {
        self.ends.iter().take_while(move |(until, _)| *until <= now).map(|(_, key)| key)
    }

    fn insert(&mut self, key: &ServiceKey, conflict: Conflict) {
        self.ends.insert((conflict.until, key.clone()));
        self.of.insert(key.clone(), conflict);
    }

    fn remove(&mut self, key: &ServiceKey) -> Option<Conflict> {
        let conflict = self.of.remove(key)?;
        self.ends.remove(&(conflict.until, key.clone()));
        Some(conflict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "u";

    fn key() -> ServiceKey {
        ServiceKey::new("shop", "web")
    }

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    fn undo(conflicts: &mut Conflicts, rival: Option<&Rival>, harm: bool, at: u64) -> bool {
        conflicts.overwritten(Overwritten { key: &key(), uid: UID, rival, harm }, seconds(at))
    }

    #[test]
    fn the_same_every_second_is_nothing_new_and_ends_when_it_rests() {
        let (mut conflicts, rival) = (Conflicts::default(), Rival::Writer("kube-vip".to_owned()));
        assert!(undo(&mut conflicts, Some(&rival), true, 0));
        assert!((1..=120).all(|second| !undo(&mut conflicts, Some(&rival), true, second)));
        assert!(!undo(&mut conflicts, None, false, 121), "less is known of this one");
        assert_eq!(conflicts.ends.len(), 1);
        let over = seconds(121) + QUIET;
        assert_eq!(conflicts.next(), Some(over));
        conflicts.end(over - seconds(1));
        let says = conflicts.says(&key(), UID).unwrap();
        assert_eq!(says.reason, "StatusOverwritten");
        assert!(says.message.starts_with("kube-vip writes status.loadBalancer"), "{says:?}");
        assert_eq!(conflicts.says(&key(), "another"), None, "another Service of that name");
        assert_eq!(conflicts.over(over).collect::<Vec<_>>(), [&key()]);
        conflicts.end(over);
        assert_eq!((conflicts.says(&key(), UID), conflicts.next()), (None, None));
    }

    #[test]
    fn several_programs_are_named_once_each_and_within_bounds() {
        let mut conflicts = Conflicts::default();
        let among = Rival::Among("gitops, kubectl".to_owned());
        assert!(undo(&mut conflicts, None, false, 0) && undo(&mut conflicts, Some(&among), false, 1));
        let writers: Vec<Rival> = (0..9).map(|number| Rival::Writer(format!("m{number}"))).collect();
        let round =
            |conflicts: &mut Conflicts| writers.iter().filter(|writer| undo(conflicts, Some(writer), true, 2)).count();
        assert_eq!((round(&mut conflicts), round(&mut conflicts)), (NAMED, 0));
        let says = conflicts.says(&key(), UID).unwrap();
        assert!(says.message.starts_with("m0, m1, m2, m3, m4 write status.loadBalancer"), "{says:?}");
    }

    #[test]
    fn a_new_leader_goes_on_with_what_stands_there_and_ends_it_in_time() {
        let says = Refusal { reason: OVERWRITTEN.to_owned(), message: "x writes it".to_owned() };
        let service =
            Service { key: key(), uid: UID.to_owned(), conflict: Some(Box::new(says.clone())), ..Service::default() };
        let mut conflicts = Conflicts::default();
        conflicts.inherit([&service].into_iter(), seconds(5));
        assert_eq!(conflicts.says(&key(), UID), Some(&says));
        conflicts.end(seconds(5) + QUIET);
        conflicts.inherit([&service].into_iter(), seconds(5) + QUIET);
        assert_eq!(conflicts.says(&key(), UID), None, "the condition has to go");
    }

    #[test]
    fn the_other_writer_is_named() {
        let told = |rival: Option<Rival>, harm| Others::from(rival.as_ref()).sentence(harm);
        let told_of_some = told(Some(Rival::Among("gitops, kubectl".to_owned())), false);
        assert!(told_of_some.contains("(managedFields names gitops, kubectl) takes away"), "{told_of_some}");
        assert!(told_of_some.contains("once a minute"), "{told_of_some}");
        assert!(told(None, true).starts_with("another program, which managedFields does not name, writes"));
    }
}
