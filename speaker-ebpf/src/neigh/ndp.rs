//! Neighbour discovery: solicitations are answered or suppressed, advertisements are sightings.

use arpeggio_common::{
    abi::{Key6, Lease, NodeId, Outcome, SightingKind, Vip, bucket},
    wire::{
        Mac, ND_FRAME, ND_OPTION, ND_TAG, ND_TAGGED_FRAME, Neighbor, NeighborKind, OPTION_SOURCE_LINK,
        OPTION_TARGET_LINK, OPTIONED_FRAME, solicited_node_group,
    },
};

use super::{Asker, Speaker, heartbeat, request, sighting};
use crate::{Frame, Tables};

/// Blocks of options that are read: a message has one or two; a longer one than this has none of them.
const MOST_BLOCKS: usize = 16;

/// What the options of a message say.
struct Options {
    /// Number of 8-byte blocks.
    blocks: usize,
    /// The sum over header, message and options.
    sum: u64,
    /// A source link-layer option is among them.
    names_source: bool,
    /// The node of the tag. `None` unless the options are exactly a link-layer address and a tag.
    node: Option<NodeId>,
}

/// What the maps say of the address in question, and when it is asked for.
struct Place {
    key: Key6,
    vip: Vip,
    lease: Lease,
    now_ns: u64,
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
    let key = Key6::new(ifindex, message.target());
    let Some(vip) = tables.vip6(&key) else { return Outcome::ForeignTarget };
    let place = Place { key, vip, lease: tables.lease(), now_ns: tables.coarse_now_ns() };
    if place.lease.is_over(place.now_ns) {
        return Outcome::LeaseOver;
    }
    if message.target()[0] == 0xff {
        return Outcome::BadTarget;
    }
    let to = message.ethernet_destination();
    if !to.is_group() && to.0 != place.vip.mac() {
        return Outcome::OtherMac;
    }
    if message.ethernet_source().is_group() || message.source()[0] == 0xff {
        return Outcome::BadSender;
    }
    let options = match read_options(frame) {
        Ok(options) => options,
        Err(outcome) => return outcome,
    };
    if !Neighbor::is_intact(options.sum) {
        return Outcome::BadChecksum;
    }
    match kind {
        NeighborKind::Advertisement => spoken_for(frame, tables, &place, &options),
        NeighborKind::Solicitation => asked(frame, tables, &place, &options),
    }
}

/// Somebody says that it has the target address.
#[inline(always)]
fn spoken_for(frame: &mut Frame, tables: &impl Tables, place: &Place, options: &Options) -> Outcome {
    let Some(bytes) = frame.head::<ND_FRAME>() else { return Outcome::Truncated };
    let message = Neighbor(bytes);
    let answers_us = options.node.is_some() && !message.ethernet_destination().is_group();
    let kind = match (message.is_solicited(), answers_us) {
        (true, true) => SightingKind::Heartbeat,
        (true, false) => SightingKind::Reply,
        (false, _) => SightingKind::Claim,
    };
    let speaker = Speaker::new(&place.vip, &place.lease, message.ethernet_source(), options.node);
    speaker.hear(tables, place.key.ifindex(), kind == SightingKind::Heartbeat);
    sighting(tables, &place.vip, place.key, &speaker, kind)
}

/// Somebody asks for the target address.
#[inline(always)]
fn asked(frame: &mut Frame, tables: &impl Tables, place: &Place, options: &Options) -> Outcome {
    let Some(bytes) = frame.head::<ND_FRAME>() else { return Outcome::Truncated };
    let message = Neighbor(bytes);
    let (source, destination) = (message.source(), message.destination());
    let group = solicited_node_group(place.key.address());
    if destination != place.key.address() && destination != group {
        return Outcome::BadDestination;
    }
    if source == [0; 16] && (destination != group || options.names_source) {
        return Outcome::BadProbe;
    }
    let speaker = Speaker::new(&place.vip, &place.lease, message.ethernet_source(), options.node);
    speaker.hear(tables, place.key.ifindex(), false);
    let pulse = if options.node.is_some() { heartbeat(tables, &place.vip) } else { None };
    let outcome = match pulse {
        Some(outcome) => outcome,
        None => {
            let (bucket, is_speaker) = (bucket(words(source)), options.node.is_some());
            let asker = Asker { address: source, mac: speaker.mac, bucket, is_speaker };
            request(tables, &place.vip, place.key, &asker, place.now_ns)
        }
    };
    let (mac, node) = (Mac(place.vip.mac()), place.lease.node);
    let written = if outcome == Outcome::HeartbeatAnswered {
        answer::<ND_TAGGED_FRAME>(frame, mac, node)
    } else if outcome != Outcome::Answered {
        Some(())
    } else if options.blocks == 0 {
        answer::<ND_FRAME>(frame, mac, node)
    } else {
        answer::<OPTIONED_FRAME>(frame, mac, node)
    };
    if written.is_some() { outcome } else { Outcome::Truncated }
}

/// Walks the options once: checks their lengths (RFC 4861 section 4.6) and adds them to the checksum.
#[inline(always)]
fn read_options(frame: &mut Frame) -> Result<Options, Outcome> {
    let Some(bytes) = frame.head::<ND_FRAME>() else { return Err(Outcome::Truncated) };
    let message = Neighbor(bytes);
    let Some(blocks) = message.option_blocks() else { return Err(Outcome::BadOption) };
    if blocks > MOST_BLOCKS {
        return Err(Outcome::TooManyOptions);
    }
    let options = Options { blocks, sum: message.sum(), names_source: false, node: None };
    let mut walk = Walk { options, rest: 0, link_first: false, tagged: false };
    // Unrolled by hand: in a loop LLVM computes with the packet pointer in ways that the verifier does not follow.
    macro_rules! blocks {
        ($($index:literal)*) => {
            'walk: {$(
                if blocks == $index {
                    break 'walk;
                }
                walk.block::<$index>(frame)?;
            )*}
        };
    }
    blocks!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    if walk.rest == 0 { Ok(walk.options) } else { Err(Outcome::BadOption) }
}

/// The state of a walk over the options.
struct Walk {
    options: Options,
    /// Blocks that still belong to the option that is being walked over.
    rest: u8,
    /// The first option is a link-layer address.
    link_first: bool,
    /// The second option, the last one, is a tag.
    tagged: bool,
}

impl Walk {
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
                self.tagged = self.link_first && self.options.blocks == 3 && *block == ND_TAG;
            }
        } else if INDEX == 2 && self.tagged {
            self.options.node = NodeId::from_number(u64::from_be_bytes(*block));
        }
        self.rest -= 1;
        Ok(())
    }
}

/// Rewrites the solicitation into the answer, with as many of its options as belong to the first `N` bytes: none, the
/// first, or three blocks, of which the last two are the tag, ours from now on. `N` is a constant because that is what the
/// verifier wants to see. `None` when the frame ends before, which the walk over the options excludes.
#[inline(always)]
fn answer<const N: usize>(frame: &mut Frame, mac: Mac, node: Option<NodeId>) -> Option<()> {
    let (head, rest) = frame.head::<N>()?.split_first_chunk_mut()?;
    let (options, _) = rest.as_chunks_mut::<ND_OPTION>();
    if let [_, _, id] = options {
        *id = node.map_or(0, NodeId::number).to_be_bytes();
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
