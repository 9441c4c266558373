//! Neighbour discovery: solicitations are answered or suppressed, advertisements are sightings.

use arpeggio_common::{
    abi::{Key6, Outcome, SightingKind, bucket},
    wire::{
        Mac, ND_FRAME, ND_OPTION, ND_TAG, ND_TAGGED_FRAME, Neighbor, NeighborKind, OPTION_SOURCE_LINK,
        OPTION_TARGET_LINK, OPTIONED_FRAME, Purpose, TAGGED_BLOCKS, Tag, nd_tag, solicited_node_group,
    },
};

use super::{
    Asker, Place, Speaker, after_lease, heartbeat, request,
    sighting::{answer as answered_us, ourselves, sighting},
    speaker::answering,
    used,
};
use crate::{Frame, Tables};

/// Blocks of options that are read: a message has one or two; a longer one than this has none of them.
const MOST_BLOCKS: usize = 16;

/// What the options of a message say.
#[repr(C, align(8))]
struct Options {
    /// The sum over header, message and options.
    sum: u64,
    /// A source link-layer option is among them.
    names_source: bool,
}

impl Options {
    const NONE: Self = Self { sum: 0, names_source: false };
}

/// Decides about a frame that holds neighbour discovery.
#[inline(always)]
pub fn decide(frame: &mut Frame, kind: NeighborKind, tables: &impl Tables, ifindex: u32) -> Outcome {
    let Some(bytes) = frame.head::<ND_FRAME>() else { return Outcome::Truncated };
    let message = Neighbor(bytes);
    if message.hop_limit() != 255 {
        return Outcome::BadHopLimit;
    }
    if message.code() != 0 {
        return Outcome::BadCode;
    }
    let mut asker = Asker { address: message.source(), mac: message.ethernet_source().0, ..Asker::default() };
    let outcome = about_target(frame, kind, tables, (ifindex, &mut asker));
    if asker.is_fresh && asker.address[0] != 0xff && asker.mac[0] & 1 == 0 {
        // Once a second for a client that asks again and again.
        used_by(tables, ifindex, &asker);
    }
    outcome
}

/// A message that is in order.
#[repr(C, align(8))]
struct Message {
    place: Place,
    options: Options,
    speaker: Speaker,
}

/// Decides by the address that the message is about.
#[inline(never)]
fn about_target(
    frame: &mut Frame,
    kind: NeighborKind,
    tables: &impl Tables,
    (ifindex, asker): (u32, &mut Asker),
) -> Outcome {
    let Some(bytes) = frame.head::<ND_FRAME>() else { return Outcome::Truncated };
    let neighbor = Neighbor(bytes);
    let mac = Mac(asker.mac);
    let mut message = Message { place: Place::NOWHERE, options: Options::NONE, speaker: Speaker::untagged(mac) };
    message.place.key = Key6::new(ifindex, neighbor.target());
    if !message.place.find6(tables) {
        // Its checksum is left to the kernel of whoever is asked: a frame that was damaged on its way is told of once a second.
        asker.is_fresh = matches!(kind, NeighborKind::Solicitation);
        return Outcome::ForeignTarget;
    }
    if message.place.key.address()[0] == 0xff {
        return Outcome::BadTarget;
    }
    let to = neighbor.ethernet_destination();
    if !to.is_group() && to.0 != message.place.vip.mac() {
        return Outcome::OtherMac;
    }
    if mac.is_group() || asker.address[0] == 0xff {
        return Outcome::BadSender;
    }
    let is_solicited = neighbor.is_solicited();
    let outcome = read_options(frame, &mut message.options, &mut message.speaker);
    if outcome != Outcome::Ordinary {
        return outcome;
    }
    frame.forget_length(ifindex);
    let answers = is_solicited && !to.is_group() && message.speaker.answers();
    let purpose = match kind {
        NeighborKind::Solicitation => Purpose::Question,
        NeighborKind::Advertisement if answers => Purpose::Answer,
        NeighborKind::Advertisement => Purpose::Claim,
    };
    asker.is_speaker = message.speaker.node.is_some();
    message.speaker.believe(tables, &message.place, purpose);
    if message.speaker.is_ourselves && !message.place.is_leaseless() {
        ourselves(tables, ifindex, &message.speaker);
    }
    match purpose {
        Purpose::Question => asked(frame, tables, &message, asker),
        Purpose::Answer if message.speaker.node.is_some() => {
            if message.place.is_leaseless() {
                Outcome::LeaseOver
            } else {
                answered_us(tables, &message.place, &message.speaker)
            }
        }
        Purpose::Answer | Purpose::Claim => {
            let kind = if is_solicited { SightingKind::Reply } else { SightingKind::Claim };
            spoken_for(tables, &message, kind)
        }
    }
}

/// Somebody says that it has the target address.
#[inline(always)]
fn spoken_for(tables: &impl Tables, message: &Message, kind: SightingKind) -> Outcome {
    let Message { place, speaker, .. } = message;
    speaker.hear(tables, place.key.ifindex(), None);
    let outcome = sighting(tables, place, speaker, kind);
    if place.is_leaseless() { Outcome::LeaseOver } else { outcome }
}

/// Somebody asks for the target address.
#[inline(never)]
fn asked(frame: &mut Frame, tables: &impl Tables, message: &Message, asker: &mut Asker) -> Outcome {
    let Message { place, options, speaker } = message;
    let Some(bytes) = frame.head::<ND_FRAME>() else { return Outcome::Truncated };
    let (destination, nameless) = (Neighbor(bytes).destination(), asker.address == [0; 16]);
    let group = solicited_node_group(place.key.address());
    if destination != place.key.address() && destination != group {
        return Outcome::BadDestination;
    }
    if nameless && (destination != group || options.names_source) {
        return Outcome::BadProbe;
    }
    if place.is_leaseless() {
        return after_lease(tables, place, speaker);
    }
    speaker.hear(tables, place.key.ifindex(), None);
    let pulse = if speaker.node.is_some() { heartbeat(tables, &place.vip, speaker) } else { None };
    let outcome = match pulse {
        Some(outcome) => outcome,
        None => {
            asker.bucket = bucket(words(asker.address));
            request(tables, place, asker)
        }
    };
    if matches!(outcome, Outcome::Answered | Outcome::HeartbeatAnswered) {
        let written = match (outcome, speaker.node, place.lease.node) {
            (Outcome::HeartbeatAnswered, Some(asked_by), Some(us)) => {
                respond_to_speaker(frame, place, &answering(tables, place, (us, asked_by), speaker.nonce))
            }
            _ => respond(frame, place),
        };
        if !written {
            return Outcome::Truncated;
        }
    }
    outcome
}

/// Rewrites a client's solicitation into the answer; `false` when the frame is too short, which the walk over the options
/// excludes.
#[inline(never)]
fn respond(frame: &mut Frame, place: &Place) -> bool {
    let mac = Mac(place.vip.mac());
    let blocks = frame.head::<ND_FRAME>().and_then(|bytes| Neighbor(bytes).option_blocks()).unwrap_or(0);
    let written =
        if blocks == 0 { answer::<ND_FRAME>(frame, mac, None) } else { answer::<OPTIONED_FRAME>(frame, mac, None) };
    written.is_some()
}

/// The same for a speaker, with our tag.
#[inline(never)]
fn respond_to_speaker(frame: &mut Frame, place: &Place, tag: &Tag) -> bool {
    answer::<ND_TAGGED_FRAME>(frame, Mac(place.vip.mac()), Some(tag)).is_some()
}

/// Whether the sender of a solicitation uses an address of ours.
#[inline(never)]
fn used_by(tables: &impl Tables, ifindex: u32, asker: &Asker) {
    let mut place = Place::NOWHERE;
    place.key = Key6::new(ifindex, asker.address);
    if place.find6(tables) {
        used(tables, &place, asker);
    }
}

/// Reads the options and checks the sum. The speaker gets a name only where they are
/// exactly a link-layer address and a tag. `Ordinary` when they are in order: the kernel's type information knows no `Result`.
#[inline(never)]
fn read_options(frame: &mut Frame, options: &mut Options, speaker: &mut Speaker) -> Outcome {
    let Some(bytes) = frame.head::<ND_FRAME>() else { return Outcome::Truncated };
    let message = Neighbor(bytes);
    let Some(blocks) = message.option_blocks() else { return Outcome::BadOption };
    if blocks > MOST_BLOCKS {
        return Outcome::TooManyOptions;
    }
    options.sum = message.sum();
    let outcome = walk_options(frame, options, (blocks, speaker));
    if outcome == Outcome::Ordinary && !Neighbor::is_intact(options.sum) {
        return Outcome::BadChecksum;
    }
    outcome
}

/// Walks the options once: checks their lengths (RFC 4861 section 4.6) and adds them to the checksum. `Ordinary` when they are in
/// order.
#[inline(always)]
fn walk_options(frame: &mut Frame, options: &mut Options, (blocks, speaker): (usize, &mut Speaker)) -> Outcome {
    let mut walk = Walk { options, blocks, rest: 0, link_first: false, tagged: false };
    // Unrolled by hand: in a loop LLVM computes with the packet pointer in ways that the verifier does not follow.
    macro_rules! blocks {
        ($($index:literal)*) => {
            'walk: {$(
                if blocks == $index {
                    break 'walk;
                }
                if let Err(wrong) = walk.block::<$index>(frame) {
                    return wrong;
                }
            )*}
        };
    }
    blocks!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    if walk.tagged {
        speaker.name(frame.part(ND_FRAME + 2 * ND_OPTION).and_then(|numbers| Tag::from_bytes(numbers)));
    }
    if walk.rest == 0 { Outcome::Ordinary } else { Outcome::BadOption }
}

/// The state of a walk over the options.
struct Walk<'a> {
    options: &'a mut Options,
    /// Number of 8-byte blocks.
    blocks: usize,
    /// Blocks that still belong to the option that is being walked over.
    rest: u8,
    /// The first option is a link-layer address.
    link_first: bool,
    /// The second option, the last one, is a tag.
    tagged: bool,
}

impl Walk<'_> {
    #[inline(always)]
    fn block<const INDEX: usize>(&mut self, frame: &mut Frame) -> Result<(), Outcome> {
        const { assert!(INDEX < MOST_BLOCKS) };
        let Some(block) = frame.part::<ND_OPTION>(ND_FRAME + INDEX * ND_OPTION) else { return Err(Outcome::Truncated) };
        self.options.sum = Neighbor::add_option(self.options.sum, block);
        if self.rest == 0 {
            if block[1] == 0 {
                return Err(Outcome::BadOption);
            }
            self.rest = block[1];
            self.options.names_source |= block[0] == OPTION_SOURCE_LINK;
            if INDEX == 0 {
                self.link_first = block[0] == OPTION_SOURCE_LINK || block[0] == OPTION_TARGET_LINK;
            } else if INDEX == 1 {
                self.tagged = self.link_first && self.blocks == TAGGED_BLOCKS && *block == ND_TAG;
            }
        }
        self.rest -= 1;
        Ok(())
    }
}

/// Rewrites the solicitation into the answer, with as many of its options as belong to the first `N` bytes: none, the
/// first, or a link-layer address and the tag, ours from now on. `N` is a constant because that is what the verifier wants to
/// see. `None` when the frame ends before, which the walk over the options excludes.
#[inline(always)]
fn answer<const N: usize>(frame: &mut Frame, mac: Mac, tag: Option<&Tag>) -> Option<()> {
    let (head, rest) = frame.head::<N>()?.split_first_chunk_mut()?;
    let (options, _) = rest.as_chunks_mut::<ND_OPTION>();
    if let ([_, place @ ..], Some(tag)) = (&mut *options, tag) {
        for (block, written) in place.iter_mut().zip(nd_tag(*tag)) {
            *block = written;
        }
    }
    Neighbor(head).answer(mac, options);
    Some(())
}

/// The address as four words, for [`bucket`].
#[inline(always)]
const fn words(address: [u8; 16]) -> [u32; 4] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = address;
    [
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
        u32::from_be_bytes([i, j, k, l]),
        u32::from_be_bytes([m, n, o, p]),
    ]
}
