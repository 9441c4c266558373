//! The key of the speakers: made, rolled out and replaced by the controller, while a client asks all the time.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use xtask::lab::{
    Asker,
    cluster::{Cluster, Endpoint, NAMESPACE},
    eventually,
};

use super::{
    bed::{NODES, SOON, TIMES, address, configured, name},
    harness::Scenario,
};

const SECRET: &str = "arpeggio-succession-key";

pub(crate) const SCENARIOS: &[Scenario] =
    &[("the_key_of_the_speakers_is_rolled_out_and_replaced", the_key_of_the_speakers_is_rolled_out_and_replaced)];

/// The Secret as kubelet would mount it on each node, each a little later than the one before; until it is dropped.
fn mount<'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    cluster: &'scope Cluster,
    files: Vec<PathBuf>,
    end: Arc<AtomicBool>,
) {
    scope.spawn(move || {
        while !end.load(Ordering::Relaxed) {
            if let Ok(secret) = cluster.get(&["secret", SECRET, "--namespace", NAMESPACE])
                && let Some(text) = secret["data"]["keys.yaml"].as_str()
            {
                for file in &files {
                    let _later = write(file, text);
                }
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    });
}

fn write(file: &Path, base64: &str) -> Result<()> {
    let text = String::from_utf8(decode(base64))?;
    if fs::read_to_string(file).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let half = file.with_extension("half");
    fs::write(&half, text)?;
    Ok(fs::rename(half, file)?)
}

fn decode(base64: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = base64.bytes().filter(|byte| *byte != b'=').collect();
    let bytes = |four: &[u8]| {
        let number = four.iter().fold(0, |number, byte| number << 6 | value(*byte)) << (6 * (4 - four.len()));
        number.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(bytes).collect()
}

fn stage(cluster: &Cluster) -> Result<String> {
    let secret = cluster.get(&["secret", SECRET, "--namespace", NAMESPACE])?;
    let stage = secret["data"]["stage"].as_str().context("no stage")?;
    Ok(String::from_utf8(decode(stage))?)
}

/// The one key that all speakers have, once they refuse what has no proof.
fn the_key(cluster: &Cluster) -> Result<String> {
    ensure!(stage(cluster)? == "steady", "{}", stage(cluster)?);
    let speakers = cluster.get(&["speakers"])?;
    let all = speakers["items"].as_array().context("no list")?;
    let said: Vec<&Value> = all.iter().map(|one| &one["status"]["succession"]["authentication"]).collect();
    let key = said.first().and_then(|said| said["keys"][0].as_str()).context("no key")?.to_owned();
    let wanted = json!({"keys": [key], "refusesUnauthenticated": true});
    ensure!(said.len() == NODES.len() && said.iter().all(|said| **said == wanted), "{said:?}");
    Ok(key)
}

fn the_key_of_the_speakers_is_rolled_out_and_replaced(cluster: &Cluster) {
    let installed = cluster.install().unwrap();
    let files: Vec<PathBuf> =
        NODES.iter().map(|node| cluster.segment().lab.directory().join(format!("keys-{node}.yaml"))).collect();
    let speakers: Vec<_> = NODES
        .iter()
        .zip(&files)
        .map(|(node, file)| {
            installed.start_speaker(cluster, node, &["--succession-keys", file.to_str().unwrap()]).unwrap()
        })
        .collect();
    speakers.iter().for_each(|speaker| speaker.wait_ready().unwrap());
    // A step every two seconds at least, instead of every three minutes.
    let flags = [&TIMES[..], &["--succession-key-dwell=2s"]].concat();
    let controller = installed.start_controller(cluster, 1, &flags).unwrap();
    controller.wait_ready().unwrap();
    let objects = [
        configured("IPAddressPool", "keyed", NAMESPACE, &json!({"addresses": ["192.0.2.158/32"]})),
        configured("L2Advertisement", "keyed", NAMESPACE, &json!({})),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "keyed", "namespace": "default"},
            "spec": {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "ports": [{"port": 80}]}})
        .to_string(),
    ];
    objects.iter().for_each(|object| cluster.apply(object).unwrap());
    cluster.endpoints("default", "keyed", &NODES.map(Endpoint::ready)).unwrap();
    let vip = eventually(SOON, "an address", || address(cluster, "keyed")).unwrap();
    let answered = || {
        let object = cluster.get(&["announcement", &name(vip)])?;
        object["status"]["owner"].as_str().map(ToOwned::to_owned).context("nobody answers")
    };
    let owner = eventually(SOON, "somebody to answer", answered).unwrap();
    let segment = cluster.segment();
    let asker = Asker::start(&segment.lab, &segment.client, &[vip], 200).unwrap();
    let end = Arc::new(AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _end = Ends(Arc::clone(&end));
        mount(scope, cluster, files.clone(), end);
        let first = eventually(SOON, "every speaker to sign with the first key", || the_key(cluster)).unwrap();
        let wish = ["annotate", "secret", SECRET, "--namespace", NAMESPACE, "arpeggio.io/rotate=1"];
        cluster.kubectl(&wish).unwrap();
        let changed = |before: &str| {
            let key = the_key(cluster)?;
            ensure!(key != before, "the key is {key} still");
            Ok(key)
        };
        let second = eventually(SOON, "every speaker to sign with another key", || changed(&first)).unwrap();
        // The next leader goes on from what the Secret holds.
        controller.terminate().unwrap();
        controller.restart().unwrap();
        eventually(SOON, "the next leader", || {
            ensure!(controller.log().contains("this process leads"), "nobody leads");
            the_key(cluster)
        })
        .unwrap();
        cluster.kubectl(&["delete", "secret", SECRET, "--namespace", NAMESPACE]).unwrap();
        eventually(SOON, "a Secret that is gone to be replaced", || changed(&second)).unwrap();
    });
    let account = asker.stop().unwrap();
    assert_eq!((account.lost, account.doubled), (0, 0), "{account:?}");
    assert_eq!(eventually(SOON, "an owner", answered).unwrap(), owner);
    objects.iter().rev().for_each(|object| cluster.delete(object).unwrap());
    eventually(SOON, "the Announcement to go", || {
        ensure!(cluster.get(&["announcement", &name(vip)]).is_err(), "it is there still");
        Ok(())
    })
    .unwrap();
    drop(controller);
    cluster.kubectl(&["delete", "endpointslices", "--selector=kubernetes.io/service-name=keyed"]).unwrap();
    cluster.kubectl(&["delete", "secret", SECRET, "--namespace", NAMESPACE]).unwrap();
    cluster.kubectl(&["delete", "lease", "arpeggio-controller", "--namespace", NAMESPACE]).unwrap();
}

/// Ends the mounting, however the scenario ends.
struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
