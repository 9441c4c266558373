//! What the verifier has to follow to believe the programs.

use aya::programs::Program;
use aya_log::Level;

use crate::kernel::{load, object_path};

/// The kernel refuses a program of which it has to follow more than 1,000,000 instructions (`BPF_COMPLEXITY_LIMIT_INSNS`), and
/// every version follows others: half of that is kept in reserve. A function is followed once for every state in which it is
/// entered, so one length that the verifier remembers can cost as much as all the rest; and an agent that loads for seconds is
/// a gap at every restart.
#[test]
fn half_of_the_limit_is_left() {
    for level in [0, Level::Debug as u8] {
        let ebpf = load(&object_path(), Some(level));
        for (name, program) in ebpf.programs() {
            let info = match program {
                Program::Xdp(program) => program.info(),
                Program::SchedClassifier(program) => program.info(),
                Program::SocketFilter(program) => program.info(),
                other => panic!("{name} is of the unexpected type {:?}", other.prog_type()),
            };
            // Linux counts them since 5.16.
            if let Some(followed) = info.unwrap().verified_instruction_count() {
                println!("{name}: {followed} at log level {level}");
                assert!(
                    followed < 500_000,
                    "{name}: the verifier follows {followed} instructions at log level {level}"
                );
            }
        }
    }
}
