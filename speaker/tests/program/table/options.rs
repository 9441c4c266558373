//! Options of neighbour solicitations.

use arpeggio_common::abi::Outcome;

use super::{claims::odd_options, neighbor_answer, over};
use crate::{
    case::Case,
    frames::{LINUX_NONCE, solicitation, source_option, unicast_solicitation},
};

/// An option nobody knows of so many blocks.
fn unknown(blocks: u8) -> Vec<u8> {
    let mut option = vec![0x5a; usize::from(blocks) * 8];
    option[0] = 200;
    option[1] = blocks;
    option
}

/// An option that says `blocks` and has one.
fn lying(blocks: u8) -> Vec<u8> {
    let mut option = unknown(1);
    option[1] = blocks;
    option
}

pub(super) fn rows() -> Vec<Case> {
    let option = source_option();
    let refused: [(&str, Vec<u8>, Outcome); 11] = [
        ("of length zero", lying(0), Outcome::BadOption),
        ("of length zero behind the source option", [option.clone(), lying(0)].concat(), Outcome::BadOption),
        ("of length zero before the source option", [lying(0), option.clone()].concat(), Outcome::BadOption),
        ("that runs one block past the end", lying(2), Outcome::BadOption),
        ("that runs far past the end", lying(255), Outcome::BadOption),
        ("that runs past the end behind another", [option.clone(), lying(3)].concat(), Outcome::BadOption),
        ("of 15 blocks that says 16", [vec![200, 16], unknown(15)[2..].to_vec()].concat(), Outcome::BadOption),
        ("of 17 blocks", unknown(17), Outcome::TooManyOptions),
        ("of one block, 17 times", unknown(1).repeat(17), Outcome::TooManyOptions),
        ("of 255 blocks, half of them there", unknown(120), Outcome::TooManyOptions),
        ("of 16 blocks behind the source option", [option.clone(), unknown(16)].concat(), Outcome::TooManyOptions),
    ];
    let taken: [(&str, Vec<u8>); 9] = [
        ("of two blocks", unknown(2)),
        ("of 16 blocks", unknown(16)),
        ("of one block, 16 times", unknown(1).repeat(16)),
        ("before the source option", [unknown(3), option.clone()].concat()),
        ("behind the source option", [option.clone(), unknown(15)].concat()),
        ("that is the source option, twice", option.repeat(2)),
        ("that is a nonce behind the source option", [option.clone(), LINUX_NONCE.to_vec()].concat()),
        ("of eight and eight blocks", unknown(8).repeat(2)),
        ("of 5, 7 and 4 blocks", [unknown(5), unknown(7), unknown(4)].concat()),
    ];
    let mut rows = Vec::new();
    for (name, options, outcome) in refused {
        rows.push(Case::new(format!("NS with an option {name}"), solicitation(&options)).passed(outcome));
    }
    for (name, options) in taken {
        let frame = solicitation(&options);
        let answer = over(&frame, neighbor_answer());
        rows.push(Case::new(format!("NS with an option {name}"), frame).answered(answer));
    }
    // What looks like a heartbeat and is none.
    for (name, options) in odd_options(1) {
        let frame = unicast_solicitation(&options);
        let answer = over(&frame, neighbor_answer());
        rows.push(Case::new(format!("NS to us alone with {name}"), frame).answered(answer));
    }
    rows
}
