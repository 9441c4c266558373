//! One turn of the loop after another: what was told goes into the index, what changed is decided, what differs is written.

use std::{collections::BTreeSet, sync::Arc, time::Instant};

use anyhow::{Context as _, Result};
use arpeggio_common::{
    model::{Configuration, Fault},
    program::{give_back_free_memory, with_causes},
};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Interval, MissedTickBehavior, interval, sleep_until},
};
use tracing::{debug, info, warn};

use super::{
    links::{Links, SecretLinks},
    lists::Lists,
    log::{log_done, verdict_name},
    pace::Pace,
    thrift::Thrift,
};
use crate::{
    args::Config,
    clock,
    cluster::{
        Changes, ConfigurationKind, Known, Snapshot,
        index::{Delta, Index},
        project::{Kind, Object},
        watch::WatchEvent,
    },
    decide::Decider,
    events,
    keys::keeper::Speakers,
    leader::{self, Term},
    metrics::Metrics,
    plan::{self, Class, Matter, ServiceStatus, Subject, Write},
    writer::{self, Answer, Finished, Verdict, Writer},
};

/// Events that are taken in at once before anything else gets its turn.
const AT_ONCE: usize = 2048;
/// How much longer than two renewals of the lease a working watch may be silent.
const LEASE_SLACK: std::time::Duration = std::time::Duration::from_secs(1);
/// How often gauges are set that nothing sets by itself.
const HOUSEKEEPING: std::time::Duration = std::time::Duration::from_secs(5);

/// The replica's state: what it follows, what it decided, and what it writes.
pub(super) struct Controller {
    index: Index,
    /// When this process began.
    began: Instant,
    /// There while leading: it is made anew for every term, from what is then.
    decider: Option<Decider>,
    writer: Writer,
    event_limiter: events::EventLimiter,
    metrics: Metrics,
    pace: Pace,
    thrift: Thrift,
    /// Makes watches list anew, and the number of the last such demand.
    lists: watch::Sender<u64>,
    list: u64,
    listed: Lists,
    term: Term,
    look: Arc<Notify>,
    objects: watch::Sender<Option<Known>>,
    speakers: watch::Sender<Speakers>,
    secrets: SecretLinks,
    faults: BTreeSet<Fault>,
    pools: BTreeSet<String>,
    housekeeping: Interval,
}

impl Controller {
    pub(super) fn new(config: &Config, writer: Writer, metrics: Metrics, links: Links) -> Self {
        let Links { lists, look, objects, speakers, secrets } = links;
        let mut housekeeping = interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            index: Index::new(config.settings.clone(), &config.namespace, config.times.retry + LEASE_SLACK),
            began: clock::now(),
            decider: None,
            writer,
            event_limiter: events::EventLimiter::default(),
            metrics,
            pace: Pace::default(),
            thrift: Thrift::default(),
            lists,
            list: 0,
            listed: Lists::default(),
            term: Term::default(),
            look,
            objects,
            speakers,
            secrets,
            faults: BTreeSet::new(),
            pools: BTreeSet::new(),
            housekeeping,
        }
    }

    /// Whether every watch has had its first list, but for those that no Service needs and that cannot be listed.
    pub(super) fn is_ready(&self) -> bool {
        self.listed.suffice(0)
    }

    /// Waits for the next thing to do and does it.
    pub(super) async fn step(
        &mut self,
        told: &mut mpsc::Receiver<WatchEvent>,
        term: &mut watch::Receiver<Term>,
    ) -> Result<()> {
        let wake_at = self.writer.next_wake();
        let due_at = self.decider.as_ref().and_then(Decider::next_due).map(|due| self.began + due);
        let decide_at = self.may_decide().then(|| self.pace.next().unwrap_or_else(clock::now));
        tokio::select! {
            biased;
            changed = term.changed() => {
                changed.context("the leader election ended")?;
                self.follow(*term.borrow_and_update());
            }
            () = at(self.term.until), if self.decider.is_some() => self.follow(self.term),
            () = at(decide_at), if decide_at.is_some() => self.decide(),
            finished = self.writer.finished() => {
                self.take_result(finished.context("the task of a write failed")?);
                while let Some(finished) = self.writer.finished_already() {
                    self.take_result(finished.context("the task of a write failed")?);
                }
            }
            Some(first) = told.recv() => {
                self.take(first);
                for _ in 1..AT_ONCE {
                    let Ok(more) = told.try_recv() else { break };
                    self.take(more);
                }
            }
            Ok(()) = self.secrets.read.changed() => {
                if let Some(secrets) = self.secrets.read.borrow_and_update().clone() {
                    self.index.set_secrets(secrets);
                }
            }
            () = at(wake_at), if wake_at.is_some() => {}
            () = at(due_at), if due_at.is_some() => self.look_at_due(),
            _ = self.housekeeping.tick() => self.housekeeping(),
        }
        for write in self.writer.pump(self.term) {
            self.requeue(&write);
        }
        self.publish();
        Ok(())
    }

    /// Whoever stands by does so too.
    fn publish(&self) {
        if self.listed.know([Kind::Node].into_iter())
            && let Some(listed) = self.listed.listed(ConfigurationKind::ALL.into_iter().map(Kind::from))
        {
            let kinds: BTreeSet<_> = listed.into_iter().filter_map(Kind::configured).collect();
            let now = self.index.objects();
            let is_same = |before: &Known| Arc::ptr_eq(&before.objects, now) && before.kinds == kinds;
            let is_news = !self.objects.borrow().as_ref().is_some_and(is_same);
            if is_news {
                let named = now.named_secrets();
                self.secrets.named.send_if_modified(|before| {
                    let differs = *before != named;
                    *before = named;
                    differs
                });
                self.objects.send_replace(Some(Known { objects: Arc::clone(now), kinds }));
            }
        }
        let now = self.index.speakers();
        let is_news = |before: &Speakers| !before.as_ref().is_some_and(|before| Arc::ptr_eq(before, now));
        if is_news(&self.speakers.borrow()) && self.listed.know([Kind::Speaker, Kind::Lease].into_iter()) {
            self.speakers.send_replace(Some(Arc::clone(now)));
        }
    }

    /// Waits for what is on its way; nothing new is sent.
    pub(super) async fn drain(&mut self) {
        self.term = Term::default();
        self.writer.pump(self.term);
        while self.writer.running() > 0 {
            if let Ok(finished) = self.writer.finished().await {
                self.take_result(finished);
            }
        }
    }

    fn may_decide(&self) -> bool {
        self.decider.is_some() && self.index.has_changed() && self.listed.suffice(self.list)
    }

    /// Begins or ends to lead. Whoever begins looks at everything anew, the last writes of the leader before included.
    fn follow(&mut self, term: Term) {
        self.term = term;
        let leads = term.leads(clock::now());
        if leads == self.decider.is_some() {
            return;
        }
        self.metrics.leads(leads);
        if leads {
            info!("this process leads");
            self.decider = Some(Decider::new());
            self.list += 1;
            self.lists.send_replace(self.list);
            self.index.note(Changes::everything());
        } else {
            info!("this process does not lead any more");
            self.decider = None;
            // The leader tells of pools, and it alone: sums over all replicas are right.
            std::mem::take(&mut self.pools).iter().for_each(|pool| self.metrics.forget_pool(pool));
        }
    }

    fn take(&mut self, told: WatchEvent) {
        self.thrift.handled(1);
        let WatchEvent { kind, list, what } = told;
        let Ok(news) = what else {
            self.metrics.watch_failed(kind.name());
            self.listed.failed(kind);
            return;
        };
        match &news {
            Delta::Complete => {
                self.listed.complete(kind, list);
            }
            Delta::Applied(entry) if kind == Kind::Lease && entry.id.name == leader::LEASE => {
                if matches!(&entry.object, Ok(Object::Lease(lease)) if lease.holder.is_none()) {
                    self.look.notify_one();
                }
            }
            Delta::Begin | Delta::Applied(_) | Delta::Deleted(..) => {}
        }
        if let Some(unreadable) = self.index.feed(kind, news, clock::now()) {
            let (kind, id) = (unreadable.kind.name(), unreadable.id);
            warn!(kind, object = %id, "left out because it cannot be read: {}", unreadable.reason);
        }
    }

    fn decide(&mut self) {
        let Some(decider) = &mut self.decider else { return };
        let (mut snapshot, changes) = self.index.take();
        let began = clock::now();
        snapshot.at = began.saturating_duration_since(self.began);
        let decision = decider.decide(&snapshot, &changes);
        let writes = plan::plan(&snapshot, &decision);
        let ended = clock::now();
        self.pace.decided(began, ended);
        let took = ended.saturating_duration_since(began);
        let looked_at = decision.services.len() + decision.announcements.len();
        debug!(?took, looked_at, writes = writes.len(), everything = changes.everything, "decided");
        self.metrics.decided(looked_at, took);
        self.metrics.pools(&decision.pools);
        self.metrics.configuration(&snapshot.configuration);
        self.tell_faults(&snapshot.configuration);
        self.forget_pools(&snapshot);
        let planned: BTreeSet<plan::Object> = writes.iter().filter_map(Write::object).collect();
        self.writer.settle(|object| decision.covers(object) && !planned.contains(object));
        self.writer.submit(writes.into_iter().filter(|write| {
            let Write::Event { uid, notice, .. } = write else { return true };
            self.event_limiter.admit(uid, notice, ended)
        }));
    }

    /// Something is to be decided because time passed.
    fn look_at_due(&mut self) {
        let Some(decider) = &self.decider else { return };
        let services = decider.due(clock::now().saturating_duration_since(self.began));
        self.index.note(Changes { services, ..Changes::default() });
    }

    fn take_result(&mut self, finished: Finished) {
        self.thrift.handled(1);
        let Finished { write, result, took, again, repeated } = finished;
        let kind = writer::kind(&write);
        match result {
            Ok(answer) => {
                self.metrics.wrote(kind, "done", took);
                log_done(&write);
                match answer {
                    Answer::There(kind, entry) => self.index.answered(kind, entry),
                    Answer::Gone(kind, id, version) => self.index.deleted(kind, &id, &version),
                    Answer::Nothing => {}
                }
            }
            Err(error) => {
                let (word, text) = (verdict_name(error.verdict()), with_causes(&error));
                self.metrics.wrote(kind, word, took);
                if error.verdict() == Verdict::Conflict {
                    debug!(?took, "planned again: {text}");
                } else {
                    warn!(?took, "tried again later: {text}");
                }
            }
        }
        if repeated > 0
            && let Write::ServiceStatus(status) = &write
            && status.matter != Matter::Conflict
        {
            self.tell_undone(status, repeated);
        }
        if again {
            self.requeue(&write);
        }
    }

    /// Somebody else writes the status of a Service as well.
    fn tell_undone(&mut self, status: &ServiceStatus, times: u32) {
        let now = clock::now().saturating_duration_since(self.began);
        if let Some(what) = plan::overwritten(status, times)
            && let Some(decider) = &mut self.decider
            && decider.overwritten(what, now)
        {
            self.index.note(Changes { services: BTreeSet::from([status.key.clone()]), ..Changes::default() });
        }
        let (uid, notice) = (status.uid.clone(), plan::undone(status));
        if self.event_limiter.admit(&uid, &notice, clock::now()) {
            warn!(service = %status.key, "{}", notice.message);
            self.writer.submit([Write::Event { about: Subject::Service(status.key.clone()), uid, notice }]);
        }
    }

    /// The object of a write has to be planned again.
    fn requeue(&mut self, write: &Write) {
        let mut changes = Changes::default();
        match write {
            Write::ServiceStatus(status) => changes.services.extend([status.key.clone()]),
            Write::Announcement { content, .. } => changes.addresses.extend([content.address]),
            Write::DeleteAnnouncement { address, .. } | Write::Silence { address, .. } => {
                changes.addresses.extend([*address]);
            }
            Write::L2Status { content, .. } => changes.services.extend([content.service.clone()]),
            Write::DeleteL2Status { name, .. } => changes.services.extend(self.index.service_of_l2_status(name)),
            Write::DeleteBgpStatus { name, .. } => changes.bgp_statuses.extend([name.clone()]),
            Write::State { of, .. } | Write::DeleteState { of, .. } => changes.states.extend([of.clone()]),
            Write::Configured(status) => changes.configured.extend([status.object.clone()]),
            // These are never sent again.
            Write::Event { .. } => {}
        }
        self.index.note(changes);
    }

    fn tell_faults(&mut self, configuration: &Configuration) {
        let faults: BTreeSet<Fault> = configuration.faults.iter().cloned().collect();
        for fault in faults.difference(&self.faults) {
            warn!("left out of the configuration: {fault}");
        }
        for fault in self.faults.difference(&faults) {
            info!("the fault is gone: {}", fault.object);
        }
        self.faults = faults;
    }

    fn forget_pools(&mut self, snapshot: &Snapshot) {
        let pools = &snapshot.configuration.pools;
        if pools.len() == self.pools.len() && self.pools.iter().all(|pool| pools.contains_key(pool)) {
            return;
        }
        let pools: BTreeSet<String> = pools.keys().cloned().collect();
        self.pools.difference(&pools).for_each(|pool| self.metrics.forget_pool(pool));
        self.pools = pools;
    }

    fn housekeeping(&mut self) {
        let classes = [
            ("clients", Class::Clients),
            ("standbys", Class::Standbys),
            ("reports", Class::Reports),
            ("events", Class::Events),
        ];
        self.metrics.queue(&classes.map(|(name, class)| (name, self.writer.waiting(class))), self.writer.running());
        self.metrics.left_out(self.index.unreadable(), self.event_limiter.suppressed() + self.writer.dropped_events());
        if self.is_ready() {
            self.index.refresh_configuration();
            // Who stands by decides nothing, but is asked whether its configuration is sound all the same.
            self.metrics.configuration(self.index.configuration());
        }
        let idle = self.writer.running() == 0 && classes.iter().all(|(_, class)| self.writer.waiting(*class) == 0);
        if self.thrift.is_due(idle) {
            give_back_free_memory();
        }
        if self.decider.is_some() {
            let counts = self.index.services_of_pools();
            for pool in &self.pools {
                self.metrics.services_of_pool(pool, counts.get(pool.as_str()).copied().unwrap_or_default());
            }
        }
    }
}

/// Until a moment; for ever without one.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
