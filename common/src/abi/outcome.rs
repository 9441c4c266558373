//! Every way in which the program can finish with a frame.

/// What happens to the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It goes on to the kernel's own stack.
    Pass,
    /// It ends here.
    Drop,
    /// It was rewritten into an answer and goes back out of the device it came from.
    Transmit,
}

macro_rules! outcomes {
    ($($(#[doc = $doc:literal])+ $name:ident => $text:literal, $disposition:ident;)+) => {
        /// How the program finished with a frame: a plain fact, from which alone follow what happens to the frame and
        /// which line of [`OUTCOMES`](super::names::OUTCOMES) counts it.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[must_use]
        pub enum Outcome {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Outcome {
            /// Every outcome, in the order of their numbers.
            pub const ALL: [Self; [$(stringify!($name)),+].len()] = [$(Self::$name),+];

            /// Its name in `speaker status` and in metrics.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// What happens to the frame.
            #[inline(always)]
            pub const fn disposition(self) -> Disposition {
                match self {
                    $(Self::$name => Disposition::$disposition,)+
                }
            }
        }
    };
}

outcomes! {
    /// Neither ARP nor neighbour discovery. Never counted: ordinary traffic touches no map.
    Ordinary => "ordinary", Pass;
    /// A client was answered. Counted per address only.
    Answered => "answered", Transmit;
    /// A heartbeat was answered. Counted per address only.
    HeartbeatAnswered => "heartbeat_answered", Transmit;
    /// A request was dropped so that no kernel answers it. Counted per address only.
    Suppressed => "suppressed", Drop;
    /// Shared mode: another node answers this client.
    OtherBucket => "other_bucket", Drop;
    /// The node is being evacuated and lets the other candidates know by silence.
    HeartbeatRefused => "heartbeat_refused", Drop;
    /// The answer to our own heartbeat or probe was recorded.
    HeartbeatHeard => "heartbeat_heard", Drop;
    /// The address is only watched.
    Observed => "observed", Pass;
    /// Somebody claimed or answered for an address that we do not answer for.
    Claimed => "claimed", Pass;
    /// Somebody claimed or answered for an address that we answer for.
    Conflict => "conflict", Pass;
    /// Our own claim came back to us.
    OwnEcho => "own_echo", Pass;
    /// Asked for an address that is not in the maps.
    ForeignTarget => "foreign_target", Pass;
    /// Sent to another MAC; seen because the device is promiscuous.
    OtherMac => "other_mac", Pass;
    /// The agent stopped renewing the lease: the program keeps out of everything.
    LeaseOver => "lease_over", Pass;
    /// The agent stopped renewing the lease, and other speakers are heard: no kernel may answer beside them.
    SuppressedBeyond => "suppressed_beyond_lease", Drop;
    /// A speaker answers a question that was not asked yet.
    AnsweredNothing => "answered_nothing", Pass;
    /// The entry holds an action that this program does not know.
    UnknownAction => "unknown_action", Pass;
    /// The frame ends before the message does.
    Truncated => "truncated", Pass;
    /// ARP for something else than IPv4 over Ethernet.
    ForeignHardware => "foreign_hardware", Pass;
    /// ARP operation that is neither request nor reply.
    ForeignOperation => "foreign_operation", Pass;
    /// The sender's MAC or address is that of a group: an answer would be sprayed.
    BadSender => "bad_sender", Pass;
    /// Neighbour discovery with a hop limit below 255: it crossed a router (RFC 4861 section 7.1).
    BadHopLimit => "bad_hop_limit", Pass;
    /// Neighbour discovery with a code other than 0.
    BadCode => "bad_code", Pass;
    /// The ICMPv6 checksum is wrong.
    BadChecksum => "bad_checksum", Pass;
    /// The length of the message or of an option is impossible (RFC 4861 section 4.6).
    BadOption => "bad_option", Pass;
    /// More options than the program reads.
    TooManyOptions => "too_many_options", Pass;
    /// The target is a group address.
    BadTarget => "bad_target", Pass;
    /// The IPv6 destination is neither the target nor its solicited-node group.
    BadDestination => "bad_destination", Pass;
    /// Duplicate address detection with a source link-layer option or to a unicast address (RFC 4861 section 7.1.1).
    BadProbe => "bad_probe", Pass;
}

impl Outcome {
    /// Number of outcomes: entries in [`OUTCOMES`](super::names::OUTCOMES).
    pub const COUNT: usize = Self::ALL.len();

    /// Its line in [`OUTCOMES`](super::names::OUTCOMES), or `None` when it is counted elsewhere or nowhere.
    #[inline(always)]
    pub const fn counter(self) -> Option<u32> {
        if (self as u32) <= (Self::Suppressed as u32) { None } else { Some(self as u32) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn numbers_follow_the_order_and_names_are_unique() {
        for (index, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
        assert_eq!(Outcome::ALL.iter().map(|outcome| outcome.name()).collect::<BTreeSet<_>>().len(), Outcome::COUNT);
    }

    #[test]
    fn the_answered_path_is_not_counted_twice() {
        let silent: Vec<_> = Outcome::ALL.into_iter().filter(|outcome| outcome.counter().is_none()).collect();
        use Outcome::{Answered, HeartbeatAnswered, Ordinary, Suppressed};
        assert_eq!(silent, [Ordinary, Answered, HeartbeatAnswered, Suppressed]);
    }
}
