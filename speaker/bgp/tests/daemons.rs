//! Daemons that do not do what is expected of them.

#![expect(clippy::unwrap_used, reason = "a failed step of a test ends the test")]

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use arpeggio_bgp::{Daemon, Driver, Outcome, vty::VtyError};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
};

mod cases;

use cases::cases;

/// What a daemon answers to a command; `None`: nothing, ever.
type Habit = fn(&str) -> Option<Vec<u8>>;

fn done(text: &str) -> Option<Vec<u8>> {
    Some([text.as_bytes(), &[0, 0, 0, 0]].concat())
}

/// A folder of this test alone.
fn directory(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("arpeggio-bgp-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// Reconciles with a bgpd of this habit. The second value is what it was asked.
fn with_bgpd(name: &str, habit: Habit) -> (Outcome, Vec<String>) {
    let directory = directory(name);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(async {
        let listener = UnixListener::bind(directory.join("bgpd.vty")).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut received = Vec::new();
                while stream.read_buf(&mut received).await.is_ok_and(|length| length > 0) {
                    while let Some(end) = received.iter().position(|byte| *byte == 0) {
                        let command: Vec<u8> = received.drain(..=end).collect();
                        let command = String::from_utf8(command).unwrap().trim_end_matches('\0').to_owned();
                        heard.lock().unwrap().push(command.clone());
                        if let Some(answer) = habit(&command) {
                            stream.write_all(&answer).await.unwrap();
                        }
                    }
                }
            }
        });
        let mut driver = Driver::new(directory.clone()).with_limit(Duration::from_millis(200));
        driver.reconcile(&cases()["single_session_password"]).await
    });
    std::fs::remove_dir_all(&directory).unwrap();
    let asked = asked.lock().unwrap().clone();
    (outcome, asked)
}

#[test]
fn no_daemon_is_a_fault_with_its_name() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let nowhere = directory("nowhere");
    let outcome = runtime.block_on(arpeggio_bgp::driver::reconcile(&nowhere, &cases()["two_sessions"]));
    std::fs::remove_dir_all(&nowhere).unwrap();
    assert!(matches!(outcome.faults.as_slice(), [VtyError::Connect { daemon: Daemon::Bgpd, .. }]), "{outcome:?}");
}

#[test]
fn a_daemon_that_hangs_is_waited_for_no_longer_than_the_limit() {
    let (outcome, asked) = with_bgpd("hangs", |command| if command == "enable" { done("") } else { None });
    assert!(matches!(outcome.faults.as_slice(), [VtyError::Silent { daemon: Daemon::Bgpd, .. }]), "{outcome:?}");
    assert_eq!(asked, ["enable", "show bgp vrf all neighbors json"]);
}

#[test]
fn each_refused_line_is_told_with_its_object_and_without_a_password() {
    let habit: Habit = |command| match command {
        "enable" | "end" | "configure terminal" | "router bgp 64512" => done(""),
        "show running-config" => done("frr version 10.3\n"),
        _ if command.starts_with("show ") => done("{}"),
        _ => Some(b"% no\n\0\0\0\x0d".to_vec()),
    };
    let (outcome, asked) = with_bgpd("refuses", habit);
    assert_eq!((outcome.changed, outcome.faults.len(), outcome.unsettled.len()), (0, 0, 0), "{outcome:?}");
    assert!(asked.iter().any(|command| command.contains("s3cret")));
    assert!(!format!("{outcome:?}").contains("s3cret"));
    let told: Vec<String> = outcome.refused.iter().map(ToString::to_string).collect();
    let expected = "peer tor: bgpd refuses \"neighbor 192.0.2.1 password …\" with code 13: % no";
    assert!(told.contains(&expected.to_owned()), "{told:#?}");
}

#[test]
fn lines_of_a_place_that_cannot_be_entered_go_nowhere_else() {
    let habit: Habit = |command| match command {
        "enable" | "end" | "configure terminal" => done(""),
        "show running-config" => done("frr version 10.3\n"),
        _ if command.starts_with("show ") => done("{}"),
        _ if command.starts_with("router bgp") => Some(b"BGP is already running; AS is 7\n\0\0\0\x0d".to_vec()),
        _ => done(""),
    };
    let (outcome, _) = with_bgpd("no-entrance", habit);
    let lines: Vec<&str> = outcome.refused.iter().map(|refused| refused.line.as_str()).collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| *line == "router bgp 64512"), "{lines:?}");
}
