//! Whole nodes on a perfect wire: what they agree on. The simulation does the same on a bad one.

use std::collections::VecDeque;

use arpeggio_common::{
    abi::{Action, Flags, SightingKind},
    model::{Mode, NodeName},
};

use super::{
    super::{Answer, Cause, Happened, Observation, Origin, Pace, Proxy, Report, Role},
    *,
};

const MS: u64 = 1_000_000;

fn id(node: usize) -> NodeId {
    NodeId::from(&NodeName::try_from(format!("node-{node}").as_str()).unwrap())
}

fn mac(node: usize) -> Mac {
    Mac([2, 0, 0, 0, 0, u8::try_from(node).unwrap()])
}

fn place(host: u8) -> Place {
    (1, [192, 0, 2, host].into())
}

struct Node {
    succession: Succession,
    roles: BTreeMap<Place, Role>,
    sightings: BTreeMap<Place, Observation>,
    answers: BTreeMap<Place, Answer>,
    peers: BTreeMap<NodeId, (Mac, u64, u64)>,
    received: u64,
    dead: bool,
    /// It hears the gateway, but none of the others.
    deaf: bool,
    next_ns: u64,
    reports: Vec<Report>,
    sent: usize,
}

fn receives(to: To, mac: Mac) -> bool {
    match to {
        To::All => true,
        To::One(to) | To::Alive(to) => to == mac,
    }
}

/// Nodes on one segment, a frame arrives at once.
struct World {
    now_ns: u64,
    nodes: Vec<Node>,
    /// Nobody but the nodes talks.
    quiet: bool,
    /// What is sent to everybody arrives nowhere.
    unflooded: bool,
}

impl World {
    fn new(nodes: usize) -> Self {
        let node = |n| Node {
            succession: Succession::new(id(n)),
            roles: BTreeMap::new(),
            sightings: BTreeMap::new(),
            answers: BTreeMap::new(),
            peers: BTreeMap::new(),
            received: 0,
            dead: false,
            deaf: false,
            next_ns: 0,
            reports: Vec::new(),
            sent: 0,
        };
        Self { now_ns: 1_000 * MS, nodes: (0..nodes).map(node).collect(), quiet: false, unflooded: false }
    }

    fn order(&mut self, n: usize, order: &[usize], mode: Mode, evacuate: bool) {
        let candidates: Arc<[_]> = order.iter().map(|n| id(*n)).collect();
        let places = (10..13)
            .map(|host| (place(host), Order { generation: 1, candidates: Arc::clone(&candidates), mode }))
            .collect();
        let orders = Orders {
            usable: BTreeMap::from([(1, true)]),
            places,
            pace: Pace::DEFAULT,
            evacuate,
            own_macs: BTreeMap::new(),
            authenticated: false,
            ..Orders::default()
        };
        self.nodes[n].succession.input(Input::Orders(Arc::new(orders)), self.now_ns);
        self.nodes[n].next_ns = self.now_ns;
    }

    fn order_all(&mut self, order: &[usize], mode: Mode) {
        (0..self.nodes.len()).for_each(|n| self.order(n, order, mode, false));
    }

    fn tell_claim(&mut self, from: usize, place: Place) {
        let seen = Observation {
            voice: Origin { mac: mac(from), node: Some(id(from)) },
            kind: SightingKind::Claim,
            at_ns: self.now_ns,
            generation: 1,
        };
        for n in (0..self.nodes.len()).filter(|n| *n != from) {
            let node = &mut self.nodes[n];
            if node.deaf {
                continue;
            }
            node.received += 1;
            if !node.dead {
                node.sightings.insert(place, seen);
                node.succession.input(Input::Observation(place, seen), self.now_ns);
                node.next_ns = self.now_ns;
            }
        }
    }

    fn ask(&mut self, from: usize, place: Place, to: To) {
        self.nodes[from].sent += 1;
        if self.unflooded && to == To::All {
            return;
        }
        for n in (0..self.nodes.len()).filter(|n| *n != from && receives(to, mac(*n))) {
            let node = &mut self.nodes[n];
            if node.dead || node.deaf {
                continue;
            }
            node.received += 1;
            let heard = node.peers.entry(id(from)).or_insert_with(|| (mac(from), 0, 0));
            heard.1 = self.now_ns;
            if let To::Alive(_) = to {
                let asker = &mut self.nodes[from];
                asker.received += u64::from(!asker.deaf);
                asker.peers.insert(id(n), (mac(n), self.now_ns, self.now_ns));
                continue;
            }
            let role = node.roles.get(&place).copied().unwrap_or(Role::SILENT);
            if role.action == Action::Answer && !role.flags.contains(Flags::EVACUATING) {
                let voice = Origin { mac: mac(n), node: Some(id(n)) };
                let asker = &mut self.nodes[from];
                if asker.deaf {
                    continue;
                }
                asker.received += 1;
                let asked_ns = to.asked_ns(self.now_ns);
                asker.answers.insert(place, Answer { voice, asked_ns, generation: 1 });
                asker.peers.insert(id(n), (mac(n), self.now_ns, self.now_ns));
            }
        }
    }

    fn turn(&mut self, n: usize) {
        let now_ns = self.now_ns;
        let node = &mut self.nodes[n];
        for question in node.succession.questions() {
            match question {
                Question::Sighting(place) => {
                    if let Some(seen) = node.sightings.get(&place) {
                        node.succession.input(Input::Observation(place, *seen), now_ns);
                    }
                    if let Some(answer) = node.answers.get(&place) {
                        node.succession.input(Input::Answered(place, *answer), now_ns);
                    }
                }
                Question::Peers(ifindex) => {
                    for (node_id, (mac, at_ns, answered_ns)) in node.peers.clone() {
                        let peer = Input::Peer { ifindex, node: node_id, mac, at_ns, answered_ns };
                        node.succession.input(peer, now_ns);
                    }
                }
                // Somebody on every segment talks.
                Question::Received(ifindex) => {
                    node.received += u64::from(!self.quiet);
                    node.succession.input(Input::Received(ifindex, node.received), now_ns);
                }
            }
        }
        let step = node.succession.step(now_ns);
        node.next_ns = step.next_ns.unwrap_or(u64::MAX);
        let mut effects = VecDeque::from(step.effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Set(place, role) => drop(self.nodes[n].roles.insert(place, role)),
                Effect::Ask(place, to) => self.ask(n, place, to),
                Effect::Claim(place) | Effect::Defend(place) => self.tell_claim(n, place),
                Effect::Report(report) => self.nodes[n].reports.push(report),
                Effect::Witness(_) | Effect::Quiet(_) | Effect::Inform(..) | Effect::Correct(..) | Effect::Heal(..) => {
                }
            }
        }
    }

    fn run(&mut self, duration_ns: u64) {
        let end_ns = self.now_ns + duration_ns;
        while let Some((next_ns, n)) =
            self.nodes.iter().enumerate().filter(|(_, node)| !node.dead).map(|(n, node)| (node.next_ns, n)).min()
            && next_ns <= end_ns
        {
            self.now_ns = self.now_ns.max(next_ns);
            self.turn(n);
            if self.nodes[n].next_ns <= self.now_ns {
                self.now_ns += 1;
            }
        }
        self.now_ns = end_ns;
    }

    fn answerers(&self, place: Place) -> Vec<usize> {
        let answers = |node: &Node| node.roles.get(&place).is_some_and(|role| role.action == Action::Answer);
        (0..self.nodes.len()).filter(|n| !self.nodes[*n].dead && answers(&self.nodes[*n])).collect()
    }

    fn last(&self, n: usize, happened: Happened) -> Report {
        *self.nodes[n].reports.iter().rev().find(|report| report.happened == happened).unwrap()
    }
}

#[test]
fn the_first_candidate_takes_what_nobody_has() {
    let mut world = World::new(3);
    world.order_all(&[1, 0, 2], Mode::Exclusive);
    world.run(2_000 * MS);
    assert_eq!(world.answerers(place(10)), [1]);
    assert_eq!(world.last(1, Happened::Took).cause, Cause::Unclaimed);
    let view = world.nodes[0].succession.view(place(10)).unwrap();
    assert_eq!((view.standing, view.rank), (Standing::Standby, Some(1)));
    assert_eq!(view.owner, Some(Origin { mac: mac(1), node: Some(id(1)) }));
}

#[test]
fn a_dead_owner_is_followed_within_the_bound_by_one_node() {
    let mut world = World::new(3);
    world.order_all(&[0, 1, 2], Mode::Exclusive);
    world.run(2_000 * MS);
    world.nodes[0].dead = true;
    world.run(Pace::DEFAULT.detection_ns());
    for host in 10..13 {
        assert_eq!(world.answerers(place(host)), [1]);
    }
    let took = world.last(1, Happened::Took);
    assert_eq!(took.cause, Cause::OwnerSilent);
    assert!(took.gap_ns.unwrap() <= Pace::DEFAULT.detection_ns());
    world.run(2_000 * MS);
    assert_eq!(world.answerers(place(10)), [1], "the second standby saw the claim");
}

#[test]
fn two_nodes_die_together() {
    let mut world = World::new(5);
    world.order_all(&[0, 1, 2, 3, 4], Mode::Exclusive);
    world.run(2_000 * MS);
    world.nodes[0].dead = true;
    world.nodes[1].dead = true;
    world.run(2 * Pace::DEFAULT.detection_ns() + 10 * MS);
    assert_eq!(world.answerers(place(10)), [2]);
    world.nodes[2].dead = true;
    world.run(5_000 * MS);
    assert_eq!(world.answerers(place(10)), [3]);
}

#[test]
fn who_returns_does_not_take_back() {
    let mut world = World::new(2);
    world.order_all(&[0, 1], Mode::Exclusive);
    world.run(2_000 * MS);
    world.nodes[0].dead = true;
    world.run(1_000 * MS);
    world.nodes[0] = World::new(1).nodes.remove(0);
    world.order(0, &[0, 1], Mode::Exclusive, false);
    world.run(3_000 * MS);
    assert_eq!(world.answerers(place(10)), [1]);
    // Only a new order gives it back: made before the other lets go.
    world.order(0, &[1, 0], Mode::Exclusive, false);
    world.order(1, &[1, 0], Mode::Exclusive, false);
    world.order(1, &[0, 1], Mode::Exclusive, false);
    world.order(0, &[0, 1], Mode::Exclusive, false);
    world.run(1_000 * MS);
    assert_eq!(world.answerers(place(10)), [0]);
    assert_eq!(world.last(0, Happened::Took).cause, Cause::Preferred);
    assert_eq!(world.last(1, Happened::Lost).cause, Cause::Outranked);
}

#[test]
fn who_wakes_after_its_lease_asks_nobody_on_behalf_of_what_it_had() {
    let mut world = World::new(2);
    world.order_all(&[0, 1], Mode::Exclusive);
    world.run(2_000 * MS);
    // The claim of the other, the order to leave and the end of the lease are told in one turn.
    let voice = Origin { mac: mac(1), node: Some(id(1)) };
    let seen = Observation { voice, kind: SightingKind::Claim, at_ns: world.now_ns, generation: 1 };
    for host in 10..13 {
        world.nodes[0].succession.input(Input::Observation(place(host), seen), world.now_ns);
    }
    world.order(0, &[0, 1], Mode::Exclusive, true);
    world.nodes[0].succession.input(Input::LeaseLapsed, world.now_ns);
    let step = world.nodes[0].succession.step(world.now_ns);
    assert!(!step.effects.iter().any(|effect| matches!(effect, Effect::Ask(..))), "{:?}", step.effects);
}

#[test]
fn an_evacuated_node_lets_go_when_the_successor_claims() {
    let mut world = World::new(3);
    world.order_all(&[0, 1, 2], Mode::Exclusive);
    world.run(2_000 * MS);
    world.order(0, &[0, 1, 2], Mode::Exclusive, true);
    world.run(MS);
    assert_eq!(world.answerers(place(10)), [0], "clients are answered all the time");
    world.run(Pace::DEFAULT.detection_ns());
    assert_eq!(world.answerers(place(10)), [1]);
    assert_eq!(world.last(0, Happened::Lost).cause, Cause::Succeeded);
    world.order(0, &[0, 1, 2], Mode::Exclusive, false);
    world.run(2_000 * MS);
    assert_eq!(world.answerers(place(10)), [1]);
}

#[test]
fn who_leaves_a_silent_segment_gives_a_sign() {
    let mut world = World::new(2);
    world.order_all(&[0, 1], Mode::Exclusive);
    world.run(2_000 * MS);
    world.quiet = true;
    world.order(0, &[0, 1], Mode::Exclusive, true);
    world.run(Pace::DEFAULT.detection_ns() + Pace::DEFAULT.interval_ns());
    assert_eq!(world.answerers(place(10)), [1]);
}

#[test]
fn two_owners_find_each_other_and_the_better_one_stays() {
    let mut world = World::new(2);
    // Each alone at first.
    world.order(0, &[0, 1], Mode::Exclusive, false);
    world.nodes[1].dead = true;
    world.run(2_000 * MS);
    world.nodes[0].dead = true;
    world.nodes[1].dead = false;
    world.order(1, &[0, 1], Mode::Exclusive, false);
    world.run(2_000 * MS);
    world.nodes[0].dead = false;
    assert_eq!(world.answerers(place(10)), [0, 1]);
    world.run(1_000 * MS);
    for host in 10..13 {
        assert_eq!(world.answerers(place(host)), [0]);
    }
}

#[test]
fn who_is_heard_but_does_not_hear_takes_nothing_from_an_owner() {
    let mut world = World::new(3);
    world.nodes[0].deaf = true;
    world.order(1, &[0, 1, 2], Mode::Exclusive, false);
    world.order(2, &[0, 1, 2], Mode::Exclusive, false);
    world.run(2_000 * MS);
    world.order(0, &[0, 1, 2], Mode::Exclusive, false);
    world.run(2_000 * MS);
    assert_eq!(world.answerers(place(10)), [0, 1], "it cannot know better");
    for _ in 0..6 {
        world.tell_claim(0, place(10));
        world.run(200 * MS);
    }
    assert!(world.nodes[1].reports.iter().all(|report| report.happened != Happened::Lost));
    let view = world.nodes[2].succession.view(place(10)).unwrap();
    assert_eq!(view.owner.map(|owner| owner.mac), Some(mac(1)), "called back to the owner that hears");
    // It is mended: the better one has the addresses, and the other finds that out by asking.
    world.nodes[0].deaf = false;
    world.run(1_000 * MS);
    for host in 10..13 {
        assert_eq!(world.answerers(place(host)), [0]);
    }
}

#[test]
fn a_later_frame_of_its_claim_does_not_hide_that_a_rival_hears() {
    let mut world = World::new(2);
    world.order(1, &[0, 1], Mode::Exclusive, false);
    world.nodes[0].dead = true;
    world.run(2_000 * MS);
    world.nodes[1].dead = true;
    world.nodes[0].dead = false;
    world.order(0, &[0, 1], Mode::Exclusive, false);
    world.run(2_000 * MS);
    world.nodes[1].dead = false;
    world.tell_claim(0, place(10));
    world.turn(1);
    assert_eq!(world.answerers(place(10)), [0, 1], "asked, and not looked at yet");
    world.now_ns += 1;
    world.tell_claim(0, place(10));
    assert_eq!(world.nodes[1].sightings[&place(10)].kind, SightingKind::Claim);
    world.run(2 * MS);
    assert_eq!(world.answerers(place(10)), [0]);
}

#[test]
fn who_leaves_while_another_owns_lets_go_at_once() {
    let mut world = World::new(2);
    world.order(0, &[0, 1], Mode::Exclusive, false);
    world.run(2_000 * MS);
    world.nodes[0].dead = true;
    world.order(1, &[0, 1], Mode::Exclusive, false);
    world.run(2_000 * MS);
    // Its claims came while nobody listened here.
    world.nodes[0].dead = false;
    world.order(0, &[0, 1], Mode::Exclusive, true);
    world.run(4 * Pace::DEFAULT.interval_ns());
    for host in 10..13 {
        assert_eq!(world.answerers(place(host)), [1]);
    }
    assert_eq!(world.last(0, Happened::Lost).cause, Cause::Succeeded);
}

#[test]
fn a_stranger_keeps_a_fresh_address_and_is_told_off_an_owned_one() {
    let mut world = World::new(1);
    let stranger = Origin { mac: Mac([9; 6]), node: None };
    world.order(0, &[0], Mode::Exclusive, false);
    world.run(MS);
    let seen = Observation { voice: stranger, kind: SightingKind::Heartbeat, at_ns: world.now_ns, generation: 0 };
    world.nodes[0].succession.input(Input::Observation(place(10), seen), world.now_ns);
    world.run(2_000 * MS);
    assert_eq!(world.answerers(place(10)), [0; 0]);
    assert_eq!(world.last(0, Happened::AddressInUse).other, Some(stranger));
    assert_eq!(world.answerers(place(11)), [0]);
    for _ in 0..50 {
        let claim = Observation { voice: stranger, kind: SightingKind::Claim, at_ns: world.now_ns, generation: 0 };
        world.nodes[0].succession.input(Input::Observation(place(11), claim), world.now_ns);
        world.nodes[0].next_ns = world.now_ns;
        world.run(100 * MS);
    }
    let conflicts = world.nodes[0].reports.iter().filter(|report| report.happened == Happened::AddressConflict);
    assert_eq!(conflicts.count(), 1, "at most once in ten seconds");
    assert_eq!(world.answerers(place(11)), [0]);
    world.run(20_000 * MS);
    assert_eq!(world.answerers(place(10)), [0], "the stranger has gone");
}

#[test]
fn a_node_without_a_sign_of_hearing_takes_nothing() {
    let mut machine = exclusive::Machine::new(0);
    let order = [id(0), id(1), id(2)];
    let peers = Peers::default();
    let mut context = Context {
        place: place(10),
        me: id(1),
        candidates: &order,
        generation: 1,
        usable: true,
        evacuate: false,
        pace: Pace::DEFAULT,
        hearing: Hearing::default(),
        peers: &peers,
        owner_ns: None,
        may_react: true,
        authenticated: false,
        now_ns: 0,
    };
    let mut took = false;
    let mut event = exclusive::Event::Ordered { promoted: false };
    for _ in 0..100 {
        let (next, effects) = machine.step(event, &context);
        machine = next;
        took |= effects.iter().any(|effect| matches!(effect, Effect::Set(..) | Effect::Claim(_)));
        context.now_ns = machine.due_ns().unwrap();
        event = exclusive::Event::Timer;
    }
    assert!(!took);
}

#[test]
fn shares_are_divided_among_the_living() {
    let mut world = World::new(3);
    world.order_all(&[0, 1, 2], Mode::Shared);
    world.run(2_000 * MS);
    let masks = |world: &World, alive: &[usize]| -> Vec<u64> {
        alive.iter().map(|n| world.nodes[*n].roles[&place(10)].buckets).collect()
    };
    let all = masks(&world, &[0, 1, 2]);
    assert_eq!(all.iter().fold(0, |sum, mask| sum | mask), ALL_BUCKETS);
    assert_eq!(all.iter().map(|mask| mask.count_ones()).sum::<u32>(), 64);
    world.nodes[1].dead = true;
    world.run(Pace::DEFAULT.detection_ns() + 60 * MS);
    let left = masks(&world, &[0, 2]);
    assert_eq!((left[0] | left[1], left[0] & left[1]), (ALL_BUCKETS, 0));
    assert_eq!((left[0] & all[0], left[1] & all[2]), (all[0], all[2]), "only the lost node's shares move");
    world.nodes[1] = World::new(2).nodes.remove(1);
    world.order(1, &[0, 1, 2], Mode::Shared, false);
    world.run(5_000 * MS);
    assert_eq!(masks(&world, &[0, 1, 2]), all);
}

#[test]
fn of_two_that_share_on_a_silent_segment_the_one_that_is_left_answers_all() {
    let mut world = World::new(2);
    world.order_all(&[0, 1], Mode::Shared);
    world.run(2_000 * MS);
    let mask = |world: &World, n: usize| world.nodes[n].roles[&place(10)].buckets;
    let both = [mask(&world, 0), mask(&world, 1)];
    world.quiet = true;
    world.nodes[1].dead = true;
    world.run(2_000 * MS);
    assert_eq!(mask(&world, 0), ALL_BUCKETS);
    world.nodes[1] = World::new(2).nodes.remove(1);
    world.order(1, &[0, 1], Mode::Shared, false);
    world.run(5_000 * MS);
    assert_eq!([mask(&world, 0), mask(&world, 1)], both, "who returns has its shares again");
}

#[test]
fn a_port_that_leaves_everything_to_another_is_not_asked() {
    let order = Order { generation: 1, candidates: Arc::from([id(0)]), mode: Mode::Exclusive };
    let (first, second) = ((2, place(10).1), (3, place(10).1));
    let mut orders = Orders {
        usable: [(1, false), (2, true), (3, true)].into(),
        places: [(first, order.clone()), (second, order.clone())].into(),
        standing_by: [(second, 2)].into(),
        ..Orders::default()
    };
    assert_eq!(orders.ports(), [(1, false), (2, true), (3, false)].into());
    // It answers for another address, which is limited to it.
    orders.places.insert((3, place(11).1), order);
    assert_eq!(orders.ports(), [(1, false), (2, true), (3, true)].into());
}

#[test]
fn who_owns_nothing_and_stands_by_for_nothing_sends_nothing() {
    let mut world = World::new(3);
    world.order_all(&[0, 1], Mode::Exclusive);
    world.run(10_000 * MS);
    assert_eq!(world.nodes[2].sent, 0);
    // One heartbeat an interval, however many addresses there are.
    let sent = world.nodes[1].sent;
    world.run(5_000 * MS);
    assert!((95..=101).contains(&(world.nodes[1].sent - sent)), "{}", world.nodes[1].sent - sent);
}

#[test]
fn a_standby_notices_that_what_it_asks_everybody_does_not_arrive() {
    let mut world = World::new(2);
    world.order_all(&[0, 1], Mode::Exclusive);
    world.run(30_000 * MS);
    let unflooded = |world: &World| world.nodes[1].succession.view(place(10)).unwrap().unflooded;
    assert!(!unflooded(&world));
    world.unflooded = true;
    world.run(90_000 * MS);
    assert!(unflooded(&world));
    assert_eq!(world.answerers(place(10)), [0], "its heartbeats do: nothing moves");
    world.unflooded = false;
    world.run(70_000 * MS);
    assert!(!unflooded(&world));
}

#[test]
fn an_owner_notices_that_nobody_answers_what_it_asks() {
    let mut world = World::new(3);
    world.order_all(&[0, 1, 2], Mode::Exclusive);
    world.run(60_000 * MS);
    let unanswered = |world: &World| world.nodes[0].succession.view(place(10)).unwrap().unanswered;
    assert_eq!(unanswered(&world), None);
    world.nodes[1].dead = true;
    world.run(60_000 * MS);
    assert_eq!(unanswered(&world), None, "one of them is enough");
    world.nodes[2].dead = true;
    let before_ns = world.now_ns;
    world.run(50_000 * MS);
    let since_ns = unanswered(&world).unwrap();
    assert!(since_ns <= before_ns && before_ns - since_ns <= 11_000 * MS, "{since_ns} {before_ns}");
    world.nodes[2].dead = false;
    world.nodes[2].next_ns = world.now_ns;
    world.run(11_000 * MS);
    assert_eq!(unanswered(&world), None);

    let mut alone = World::new(3);
    alone.nodes[1].dead = true;
    alone.nodes[2].dead = true;
    alone.order(0, &[0, 1, 2], Mode::Exclusive, false);
    alone.run(60_000 * MS);
    assert_eq!(unanswered(&alone), None, "an interface may lead where no other node is");
}

/// An owner of 500 addresses that somebody floods with claims: what it sends in the first second.
fn flooded(claims: u64, voice: impl Fn(u64) -> Origin) -> (usize, Succession) {
    let mut succession = Succession::new(id(0));
    let candidates: Arc<[_]> = (0..3).map(id).collect();
    let own: Vec<Place> = (0..500u32).map(|n| (1, std::net::Ipv4Addr::from_bits(0xc612_0000 + n).into())).collect();
    let order = Order { generation: 1, candidates, mode: Mode::Exclusive };
    let orders = Orders {
        usable: BTreeMap::from([(1, true)]),
        places: own.iter().map(|place| (*place, order.clone())).collect(),
        ..Orders::default()
    };
    own.iter().for_each(|place| succession.input(Input::Adopt(*place), MS));
    succession.input(Input::Orders(Arc::new(orders)), MS);
    succession.step(MS);
    let mut frames = 0;
    for n in 0..claims {
        let now_ns = 2 * MS + n * 1_000 * MS / claims;
        let place = own[usize::try_from(n).unwrap() % own.len()];
        let seen = Observation { voice: voice(n), kind: SightingKind::Claim, at_ns: now_ns, generation: 9 };
        succession.input(Input::Observation(place, seen), now_ns);
        for effect in succession.step(now_ns).effects {
            // A claim has six rounds of two frames.
            frames += match effect {
                Effect::Ask(..) | Effect::Inform(..) => 1,
                Effect::Defend(_) => 2,
                Effect::Claim(_) => 12,
                Effect::Set(..)
                | Effect::Witness(_)
                | Effect::Quiet(_)
                | Effect::Correct(..)
                | Effect::Heal(..)
                | Effect::Report(_) => 0,
            };
        }
    }
    (frames, succession)
}

#[test]
fn forged_claims_make_an_owner_send_no_more_than_is_stated() {
    let claimant =
        |n| Origin { mac: Mac([6, 0, 0, 0, 0, u8::try_from(n % 250).unwrap()]), node: Some(id(1 + (n % 2) as usize)) };
    let (frames, succession) = flooded(300, claimant);
    assert!(frames <= 3 * 300 + 10, "a question, and a claim that calls clients back: {frames}");
    assert_eq!(succession.watches.len() + succession.peers.on(1).count(), 0, "nothing is remembered");
    let (frames, _) = flooded(20_000, claimant);
    assert!(frames <= 3 * (1_024 + 2_000) + 10, "{frames}");
    // Names that nobody has are those of strangers: each address is defended once.
    let (frames, succession) = flooded(1_500, |n| Origin { mac: Mac([6; 6]), node: NodeId::from_number(n + 7_000) });
    assert!((1_000..=1_010).contains(&frames), "{frames}");
    assert_eq!(succession.peers.on(1).count(), 0);
}

#[test]
fn our_own_name_from_a_foreign_mac_is_told_and_is_a_strangers() {
    let twin = Origin { mac: Mac([6; 6]), node: Some(id(0)) };
    let (frames, mut succession) = flooded(1, |_| twin);
    assert_eq!(frames, 2, "defended");
    let seen =
        |mac, at_ns| Observation { voice: Origin { mac, ..twin }, kind: SightingKind::Claim, at_ns, generation: 1 };
    let place = (1, [198, 18, 0, 1].into());
    let reports = |succession: &mut Succession, now_ns| -> Vec<_> {
        let effects = succession.step(now_ns).effects.into_iter();
        let happened =
            effects.filter_map(|effect| if let Effect::Report(report) = effect { Some(report) } else { None });
        happened.map(|report| (report.happened, report.cause)).collect()
    };
    let now_ns = 30_000 * MS;
    succession.input(Input::Observation(place, seen(Mac([6; 6]), now_ns)), now_ns);
    let told = [(Happened::SameName, Cause::Twin), (Happened::AddressConflict, Cause::Stranger)];
    assert_eq!(reports(&mut succession, now_ns), told);
    // Once in a while, and never of our own MACs.
    succession.input(Input::Observation(place, seen(Mac([6; 6]), now_ns + 1)), now_ns + 1);
    assert_eq!(reports(&mut succession, now_ns + 1), []);
    let mut orders = Orders::clone(&succession.orders);
    orders.own_macs = BTreeMap::from([(1, Mac([6; 6]))]);
    succession.input(Input::Orders(Arc::new(orders)), now_ns + 2);
    succession.step(now_ns + 2);
    let later_ns = now_ns + 30_000 * MS;
    succession.input(Input::Observation(place, seen(Mac([6; 6]), later_ns)), later_ns);
    assert_eq!(reports(&mut succession, later_ns), []);
}

#[test]
fn an_address_that_only_a_proxy_answers_for_is_claimed_once_it_is_known_as_such() {
    let mut world = World::new(1);
    let proxy = Origin { mac: Mac([9; 6]), node: None };
    let answer = |world: &mut World| {
        let seen = Observation { voice: proxy, kind: SightingKind::Heartbeat, at_ns: world.now_ns, generation: 0 };
        world.nodes[0].succession.input(Input::Observation(place(10), seen), world.now_ns);
    };
    world.order(0, &[0], Mode::Exclusive, false);
    world.run(MS);
    answer(&mut world);
    world.run(2_000 * MS);
    assert_eq!(world.nodes[0].succession.view(place(10)).unwrap().standing, Standing::InUse);
    let mut orders = (*world.nodes[0].succession.orders).clone();
    orders.proxies = [Proxy { ifindex: 1, ipv4: true, mac: proxy.mac }].into();
    world.nodes[0].succession.input(Input::Orders(Arc::new(orders)), world.now_ns);
    world.nodes[0].next_ns = world.now_ns;
    // It goes on answering, and is neither a reason to wait nor a rival.
    for _ in 0..20 {
        world.run(100 * MS);
        answer(&mut world);
    }
    assert_eq!(world.answerers(place(10)), [0]);
    let conflicts = world.nodes[0].reports.iter().filter(|report| report.happened == Happened::AddressConflict);
    assert_eq!(conflicts.count(), 0);
}
