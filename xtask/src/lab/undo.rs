//! What must be undone when a lab ends, in whatever way it ends.
//!
//! An [`Undo`] runs its action when it is dropped, which covers success, failure and panics. SIGINT, SIGTERM and SIGHUP do
//! not unwind: a thread of ours then runs the actions of all living guards, the youngest first, and ends the process.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

type Action = Box<dyn FnOnce() + Send>;

/// Actions of the living guards by age.
static ACTIONS: Mutex<Registry> = Mutex::new(Registry { next: 0, actions: BTreeMap::new() });

/// Held for reading by a guard that is being dropped, and for writing by the signal thread until the end of the process: it
/// waits for what is under way, and no other thread gets past a guard and ends the process before it is done.
static RUNNING: RwLock<()> = RwLock::new(());

/// The process is about to end: nothing new may be made.
static CLOSING: AtomicBool = AtomicBool::new(false);

/// Whether the signal thread could be started.
static WATCHER: OnceLock<Result<(), String>> = OnceLock::new();

struct Registry {
    next: u64,
    actions: BTreeMap<u64, Action>,
}

fn registry() -> MutexGuard<'static, Registry> {
    // A panic while the lock was held cannot leave a half-made map behind, so the poison says nothing.
    ACTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs an action when dropped or when the process is told to end, but once only.
pub struct Undo {
    id: u64,
}

impl Undo {
    /// Registers the action.
    ///
    /// # Errors
    /// If signals cannot be watched or the process was told to end; the action has then been run.
    pub fn new(action: impl FnOnce() + Send + 'static) -> Result<Self> {
        let undo = {
            let mut registry = registry();
            let id = registry.next;
            registry.next += 1;
            registry.actions.insert(id, Box::new(action));
            Self { id }
        };
        if CLOSING.load(Ordering::SeqCst) {
            anyhow::bail!("interrupted");
        }
        match WATCHER.get_or_init(|| watch_signals().map_err(|error| format!("{error:#}"))) {
            Ok(()) => Ok(undo),
            Err(message) => Err(anyhow::anyhow!(message.clone())),
        }
    }

    /// Forgets the action: there is nothing left to be undone.
    pub fn cancel(self) {
        registry().actions.remove(&self.id);
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        let _running = RUNNING.read().unwrap_or_else(PoisonError::into_inner);
        let action = registry().actions.remove(&self.id);
        if let Some(action) = action {
            action();
        }
    }
}

/// Forgets all actions: what the labs of this process made stays after it.
pub fn keep_everything() {
    registry().actions.clear();
}

/// Runs the actions of all living guards, the youngest first, and ends the process. No action may drop a guard.
fn undo_everything_and_exit(signal: i32) -> ! {
    CLOSING.store(true, Ordering::SeqCst);
    let _until_the_end = RUNNING.write().unwrap_or_else(PoisonError::into_inner);
    loop {
        let youngest = registry().actions.pop_last();
        match youngest {
            Some((_, action)) => action(),
            None => std::process::exit(128 + signal),
        }
    }
}

fn watch_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("watch signals")?;
    thread::Builder::new()
        .name("undo-on-signal".to_owned())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                undo_everything_and_exit(signal);
            }
        })
        .context("start the thread that watches signals")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicU32};

    use super::*;

    fn counting(counter: &Arc<AtomicU32>) -> Undo {
        let counter = Arc::clone(counter);
        Undo::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        })
        .unwrap()
    }

    #[test]
    fn dropping_runs_the_action_once() {
        let ran = Arc::new(AtomicU32::new(0));
        let undo = counting(&ran);
        assert_eq!(ran.load(Ordering::Relaxed), 0);
        drop(undo);
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_was_cancelled_is_not_run() {
        let ran = Arc::new(AtomicU32::new(0));
        counting(&ran).cancel();
        assert_eq!(ran.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_panic_runs_the_action() {
        let ran = Arc::new(AtomicU32::new(0));
        let shared = Arc::clone(&ran);
        let result = thread::spawn(move || {
            let _undo = counting(&shared);
            panic!("on purpose");
        })
        .join();
        assert!(result.is_err());
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    }
}
