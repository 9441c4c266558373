//! `speaker explain`: what it says is what clients see, whoever answers.

use std::net::IpAddr;

use nix::sys::signal::Signal;
use serde_json::Value;
use xtask::{
    lab::{Node, Segment, SpeakerProcess, clients, eventually},
    sh,
};

use super::harness::{SOON, address, both, one_owner, owned_by, start, v4, wait_status};

/// The explanation as JSON, and the exit code of the command.
fn explain(speaker: &SpeakerProcess, arguments: &[&str]) -> (Value, Option<i32>) {
    let line: Vec<_> = ["explain"].iter().chain(arguments).chain(&["-o", "json"]).copied().collect();
    let output = sh::attempt(&mut speaker.cli(&line)).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let json = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {}", sh::report(&speaker.cli(&line), &output)));
    (json, output.status.code())
}

/// Waits for a verdict and returns the explanation. The exit code says whether it is good.
fn expect_verdict(speaker: &SpeakerProcess, vip: IpAddr, verdict: &str, good: bool) -> Value {
    let told = eventually(SOON, verdict, || {
        let (json, code) = explain(speaker, &[&vip.to_string()]);
        anyhow::ensure!(json["verdict"]["text"] == verdict, "it says {json:#}");
        assert_eq!((&json["verdict"]["good"], code), (&good.into(), Some(i32::from(!good))));
        Ok(json)
    });
    told.unwrap()
}

/// The fact of this subject on `eth0`: its level and its text.
fn fact(explanation: &Value, subject: &str) -> (String, String) {
    let chain = explanation["chain"].as_array().unwrap();
    let link = chain.iter().find(|link| link["subject"] == subject && link["interface"] != Value::Null);
    let link = link.unwrap_or_else(|| panic!("no {subject} in {explanation:#}"));
    (link["level"].as_str().unwrap().to_owned(), link["text"].as_str().unwrap().to_owned())
}

fn standing(speaker: &SpeakerProcess, vip: IpAddr, standing: &str) {
    wait_status(speaker, standing, |status| address(status, vip)["ownership"]["standing"] == standing);
}

/// Makes the client of the segment hold the address as any host may that knows nothing of us.
fn squat(client: &Node, vip: IpAddr) {
    let (bits, nodad) = if vip.is_ipv4() { (32, "") } else { (128, " nodad") };
    client.namespace.ip(&format!("addr add {vip}/{bits} dev eth0{nodad}")).unwrap();
}

#[test]
fn owner_and_standby_tell_who_answers() {
    let segment = Segment::new(2).unwrap();
    let config = owned_by(&["node-a", "node-b"], "native");
    let owner = start(&segment, &segment.nodes[0], &config, &[]);
    for vip in both() {
        standing(&owner, vip, "owner");
    }
    let standby = start(&segment, &segment.nodes[1], &config, &[]);
    for vip in both() {
        standing(&standby, vip, "standby");
        clients::expect_only(&segment.client, vip, &segment.nodes[0].mac).unwrap();
        let alone = format!("{vip} is answered by this node on eth0 and by nobody else.");
        let told = expect_verdict(&owner, vip, &alone, true);
        assert_eq!(told["places"][0]["status"]["ownership"]["owner"]["node"], "node-a", "{told:#}");
        assert_eq!(told["events"].as_array().unwrap().last().unwrap()["happened"], "took", "{told:#}");
        let known = told["places"][0]["clients"].as_array().unwrap();
        assert!(known.iter().any(|client| client["mac"] == segment.client.mac.as_str()), "{told:#}");

        let next = "node-a answers for it on eth0; this node is next in line and would take over within 160 ms.";
        let told = expect_verdict(&standby, vip, next, true);
        let answers = &told["places"][0]["wire"]["answers"];
        assert_eq!(answers.as_array().unwrap().len(), 1, "{told:#}");
        assert_eq!(
            (&answers[0]["node"], &answers[0]["mac"]),
            (&"node-a".into(), &segment.nodes[0].mac.as_str().into())
        );
        assert_eq!(fact(&told, "entry").0, "ok", "{told:#}");
        assert!(fact(&told, "standing").1.contains("answered a heartbeat"), "{told:#}");
    }
    let text = sh::read(owner.cli(&["explain", "192.0.2.10", "--interface", "eth0"])).unwrap();
    assert!(
        text.contains("\nLAST EVENTS (UTC)\n") && text.trim_end().ends_with(" on eth0 and by nobody else."),
        "{text}"
    );
    let status = standby.status().unwrap();
    let peers = status["succession"]["peers"].as_array().unwrap();
    assert!(peers.iter().any(|peer| peer["node"] == "node-a" && peer["interface"] == "eth0"), "{status:#}");
    let report = address(&status, v4());
    assert_eq!((&report["ownership"]["rank"], &report["ownership"]["owner"]["node"]), (&2.into(), &"node-a".into()));
}

#[test]
fn however_the_program_is_attached_the_wire_is_heard() {
    for mode in ["tcx", "generic", "user"] {
        let segment = Segment::new(2).unwrap();
        let config = owned_by(&["node-a", "node-b"], mode);
        let owner = start(&segment, &segment.nodes[0], &config, &[]);
        standing(&owner, v4(), "owner");
        let standby = start(&segment, &segment.nodes[1], &config, &[]);
        for vip in both() {
            standing(&standby, vip, "standby");
            expect_verdict(&owner, vip, &format!("{vip} is answered by this node on eth0 and by nobody else."), true);
            let next = "node-a answers for it on eth0; this node is next in line and would take over within 160 ms.";
            let told = expect_verdict(&standby, vip, next, true);
            assert!(fact(&told, "attached").1.starts_with(mode), "{told:#}");
        }
    }
}

#[test]
fn those_who_share_say_how_much() {
    let segment = Segment::new(2).unwrap();
    let config = owned_by(&["node-a", "node-b"], "native").replace("Exclusive", "Shared");
    let speakers = [0, 1].map(|index| start(&segment, &segment.nodes[index], &config, &[]));
    let shares: Vec<u64> = speakers
        .iter()
        .map(|speaker| {
            let all = eventually(SOON, "the clients to be divided", || {
                let (json, code) = explain(speaker, &["192.0.2.10"]);
                let text = json["verdict"]["text"].as_str().unwrap_or_default();
                let shares = json["places"][0]["status"]["shares"].as_u64().unwrap_or_default();
                let told = format!("the clients are shared on eth0: this node answers {shares} of 64 shares");
                anyhow::ensure!(shares < 64 && text.starts_with(&told) && code == Some(0), "it says {json:#}");
                Ok(shares)
            });
            all.unwrap()
        })
        .collect();
    assert_eq!(shares.iter().sum::<u64>(), 64, "{shares:?}");
}

#[test]
fn an_evacuated_node_says_that_it_would_not_take_over() {
    let segment = Segment::new(2).unwrap();
    // On a segment this quiet a successor has to be able to make somebody speak, or it cannot know that it hears.
    let config = owned_by(&["node-a", "node-b"], "native") + "succession: {witnesses: [192.0.2.200]}\n";
    let owner = start(&segment, &segment.nodes[0], &config, &[]);
    standing(&owner, v4(), "owner");
    let standby = start(&segment, &segment.nodes[1], &config, &[]);
    for vip in both() {
        standing(&standby, vip, "standby");
    }
    sh::run(owner.cli(&["evacuate", "--wait"])).unwrap();
    let told = "node-b answers for it on eth0; this node is being evacuated and would not take over.";
    expect_verdict(&owner, v4(), told, true);
    let told = expect_verdict(&standby, v4(), "192.0.2.10 is answered by this node on eth0 and by nobody else.", true);
    let last = told["events"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["happened"], &last["other"]["node"]), (&"took".into(), &"node-a".into()), "{told:#}");
    assert_eq!(owner.status().unwrap()["succession"]["evacuating"], true);
}

#[test]
fn a_takeover_is_recorded_with_its_cause_and_its_gap() {
    let segment = Segment::new(3).unwrap();
    let config = owned_by(&["node-a", "node-b", "node-c"], "native") + "succession: {witnesses: [192.0.2.200]}\n";
    let start = |index: usize| start(&segment, &segment.nodes[index], &config, &[]);
    let owner = start(0);
    standing(&owner, v4(), "owner");
    let (next, last) = (start(1), start(2));
    standing(&next, v4(), "standby");
    let told = "node-a answers for it on eth0; this node is second in line and would take over within 310 ms.";
    expect_verdict(&last, v4(), told, true);
    let fault = segment.cut(&segment.nodes[0]).unwrap();
    standing(&next, v4(), "owner");
    let told = expect_verdict(&next, v4(), "192.0.2.10 is answered by this node on eth0 and by nobody else.", true);
    let events = told["events"].as_array().unwrap();
    let took = events.iter().find(|event| event["happened"] == "took").unwrap();
    assert_eq!((&took["cause"], &took["other"]["node"]), (&"owner-silent".into(), &"node-a".into()), "{took:#}");
    assert!(took["gapMs"].as_u64().is_some_and(|ms| ms > 0), "{took:#}");
    let text = took["text"].as_str().unwrap();
    assert!(text.starts_with("took over from node-a (") && next.log().contains(text), "the log says the same: {text}");
    let told = "node-b answers for it on eth0; this node is second in line and would take over within 310 ms.";
    expect_verdict(&last, v4(), told, true);
    fault.heal().unwrap();
}

#[test]
fn asking_who_answers_changes_nothing() {
    let segment = Segment::new(2).unwrap();
    let config = owned_by(&["node-a", "node-b"], "native");
    let owner = start(&segment, &segment.nodes[0], &config, &[]);
    standing(&owner, v4(), "owner");
    let standby = start(&segment, &segment.nodes[1], &config, &[]);
    for vip in both() {
        standing(&standby, vip, "standby");
        for _ in 0..3 {
            let (from_owner, _) = explain(&owner, &[&vip.to_string()]);
            let (from_standby, _) = explain(&standby, &[&vip.to_string()]);
            assert_eq!(
                (&from_owner["verdict"]["good"], &from_standby["verdict"]["good"]),
                (&true.into(), &true.into())
            );
        }
        let (told, _) = explain(&owner, &[&vip.to_string()]);
        assert_eq!(told["events"].as_array().unwrap().len(), 1, "it was taken once, nothing else happened: {told:#}");
    }
}

#[test]
fn a_stranger_is_told_from_a_speaker() {
    let segment = Segment::new(1).unwrap();
    for vip in both() {
        squat(&segment.client, vip);
    }
    let speaker = start(&segment, &segment.nodes[0], &owned_by(&["node-a"], "native"), &[]);
    for vip in both() {
        let mac = &segment.client.mac;
        let taken = format!("a stranger ({mac}) answers for it on eth0, and no speaker does.");
        let told = expect_verdict(&speaker, vip, &taken, false);
        assert_eq!(fact(&told, "standing").0, "problem", "{told:#}");
        assert_eq!(told["events"].as_array().unwrap().last().unwrap()["happened"], "address-in-use", "{told:#}");
    }
}

#[test]
fn a_stranger_beside_the_owner_makes_two() {
    let (speaker, segment) = one_owner("native", &[]);
    for vip in both() {
        standing(&speaker, vip, "owner");
        squat(&segment.client, vip);
        let mac = &segment.client.mac;
        let two = format!("two nodes answer on eth0: this node and a stranger ({mac}).");
        let told = expect_verdict(&speaker, vip, &two, false);
        assert_eq!(fact(&told, "wire").0, "problem", "{told:#}");
    }
}

#[test]
fn an_owner_that_hears_nothing_does_not_claim_to_answer() {
    let (speaker, segment) = one_owner("native", &[]);
    for vip in both() {
        standing(&speaker, vip, "owner");
        clients::expect_only(&segment.client, vip, &segment.nodes[0].mac).unwrap();
    }
    expect_verdict(&speaker, v4(), "192.0.2.10 is answered by this node on eth0 and by nobody else.", true);
    let fault = segment.deafen(&segment.nodes[0]).unwrap();
    let unseen = "cannot tell whether this node answers on eth0: no frame is known to have reached its program while it was \
                  asked; nobody else does.";
    for vip in both() {
        let told = expect_verdict(&speaker, vip, unseen, false);
        assert_eq!(fact(&told, "wire").0, "warning", "{told:#}");
    }
    fault.heal().unwrap();
}

#[test]
fn a_stopped_agent_is_told_and_what_is_pinned_speaks_at_once() {
    let (speaker, _segment) = one_owner("native", &["--lease", "60s"]);
    standing(&speaker, v4(), "owner");
    speaker.signal(Signal::SIGSTOP).unwrap();
    let (told, code) = explain(&speaker, &["192.0.2.10"]);
    let verdict = told["verdict"]["text"].as_str().unwrap();
    let pid = speaker.pid();
    let expected =
        format!("the agent is stopped (process {pid}; `kill -CONT {pid}` lets it go on); the kernel of this node");
    assert!(verdict.starts_with(&expected) && code == Some(1), "{verdict}");
    let output = sh::attempt(&mut speaker.cli(&["status"])).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("PROBLEMS\n  the agent is stopped (process "), "{text}");
    assert_eq!(output.status.code(), Some(1));
    speaker.signal(Signal::SIGCONT).unwrap();
    standing(&speaker, v4(), "owner");
}

#[test]
fn a_node_that_is_no_candidate_sees_what_the_others_see() {
    let segment = Segment::new(2).unwrap();
    let config = owned_by(&["node-a"], "native");
    let owner = start(&segment, &segment.nodes[0], &config, &[]);
    standing(&owner, v4(), "owner");
    let other = start(&segment, &segment.nodes[1], &config, &[]);
    for vip in both() {
        expect_verdict(&other, vip, "node-a answers for it on eth0; this node is no candidate.", true);
    }
    let warning = "no announcement has this node, node-b, among its candidates (they are node-a)";
    assert!(other.log().contains(warning), "{}", other.log());
    squat(&segment.client, v4());
    let mac = &segment.client.mac;
    let (told, code) = explain(&other, &["192.0.2.10"]);
    let verdict = told["verdict"]["text"].as_str().unwrap();
    assert!(verdict.starts_with("two nodes answer on eth0: ") && verdict.contains(mac.as_str()), "{verdict}");
    assert_eq!(code, Some(1));
}

#[test]
fn without_carrier_the_reason_is_the_carrier() {
    let (speaker, segment) = one_owner("native", &[]);
    standing(&speaker, v4(), "owner");
    let fault = segment.cut(&segment.nodes[0]).unwrap();
    let told = eventually(SOON, "the carrier to be missed", || {
        let (json, code) = explain(&speaker, &["192.0.2.10"]);
        let text = json["verdict"]["text"].as_str().unwrap_or_default();
        anyhow::ensure!(code == Some(1) && text.ends_with(": eth0 has no carrier."), "it says {json:#}");
        Ok(json)
    });
    assert_eq!(fact(&told.unwrap(), "interface").0, "problem");
    fault.heal().unwrap();
    standing(&speaker, v4(), "owner");
    clients::expect_only(&segment.client, v4(), &segment.nodes[0].mac).unwrap();
    expect_verdict(&speaker, v4(), "192.0.2.10 is answered by this node on eth0 and by nobody else.", true);
}

#[test]
fn what_nobody_announces_is_said_to_be_so() {
    let (speaker, segment) = one_owner("native", &[]);
    let (told, code) = explain(&speaker, &["192.0.2.99"]);
    let verdict = told["verdict"]["text"].as_str().unwrap();
    assert!(
        verdict.starts_with("no: it is not in the configuration ")
            && verdict.ends_with("/config.yaml; nobody answers on eth0."),
        "{verdict}"
    );
    assert_eq!((code, told["places"].as_array().unwrap().len()), (Some(1), 0));
    let client = "192.0.2.200";
    let verdict = explain(&speaker, &[client]).0["verdict"]["text"].as_str().unwrap().to_owned();
    assert!(verdict.ends_with(&format!("; {} answers for it on eth0.", segment.client.mac)), "{verdict}");
    let (told, code) = explain(&speaker, &["192.0.2.10", "--interface", "eth7"]);
    assert_eq!((&told["verdict"]["text"], code), (&"no: this node has no interface eth7.".into(), Some(1)));
    let (told, code) = explain(&speaker, &["192.0.2.10", "--interface", "lo"]);
    assert_eq!((&told["verdict"]["text"], code), (&"no: not on lo: it is the loopback interface.".into(), Some(1)));
}

#[test]
fn without_an_agent_the_maps_are_asked() {
    let segment = Segment::new(1).unwrap();
    let config = owned_by(&["node-a"], "native");
    let speaker = start(&segment, &segment.nodes[0], &config, &["--lease", "60s"]);
    standing(&speaker, v4(), "owner");
    let command = |program: &SpeakerProcess| program.cli(&["explain", "192.0.2.10", "-o", "json"]);
    let mut after = command(&speaker);
    speaker.kill().unwrap();
    let output = sh::attempt(&mut after).unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdict = told["verdict"]["text"].as_str().unwrap();
    assert!(
        verdict.starts_with("no agent is running; the kernel of this node answers on eth0 with what is pinned"),
        "{verdict}"
    );
    assert_eq!(output.status.code(), Some(1));
    clients::expect_only(&segment.client, v4(), &segment.nodes[0].mac).unwrap();
}
