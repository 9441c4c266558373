//! Who is on the segment besides the nodes: a gateway, a client and a stranger.

use arpeggio_common::wire::Mac;
use arpeggio_succession::Origin;

use crate::{
    frame::{Frame, Says},
    scenario::Fault,
    wire::Station,
    world::{Event, World, mac},
};

const MS: u64 = 1_000_000;

impl World {
    pub(crate) fn stranger(&self, frame: &Frame, station: Station) -> Option<Frame> {
        let (Says::Ask(address, _) | Says::Alive(address, _) | Says::Request(address, _)) = frame.says else {
            return None;
        };
        self.strangers.contains_key(&address).then(|| plain(station, Some(frame.from.mac), Says::Reply(address)))
    }

    pub(crate) fn client(&mut self) {
        if self.scenario.silent {
            return;
        }
        let station = self.scenario.client();
        let address = self.rng.usize(0..self.scenario.orders.len());
        let says = Says::Request(address, self.rng.u32(0..64));
        self.send(station, plain(station, None, says));
        self.after(self.scenario.client_ns, Event::Client);
    }

    pub(crate) fn stranger_claims(&mut self, number: usize) {
        let Fault::Stranger(address, true) = self.scenario.troubles[number].fault else { return };
        if self.strangers.contains_key(&address) {
            let station = self.scenario.stranger();
            self.send(station, plain(station, None, Says::Claim(address, 0)));
            self.after(1_000 * MS, Event::Stranger(number));
        }
    }
}

/// Answers whoever wants a sign.
pub(crate) fn gateway(frame: &Frame, station: Station) -> Option<Frame> {
    (frame.says == Says::Witness).then(|| plain(station, Some(frame.from.mac), Says::Noise))
}

/// A frame without a tag.
fn plain(station: Station, to: Option<Mac>, says: Says) -> Frame {
    Frame { from: Origin { mac: mac(station), node: None }, to, says, generation: 0, proof: 0 }
}
