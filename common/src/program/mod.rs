//! What both programs do as processes: errors in one line, times on the command line, the log, the heap.

mod causes;
mod duration;
mod log;
mod memory;

pub use self::{
    causes::with_causes,
    duration::duration,
    log::{LogError, LogFormat, start_log},
    memory::{give_back_free_memory, use_one_heap},
};
