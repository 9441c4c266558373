//! The driver against the kernel, in a network namespace of the test's own thread.

use arpeggio_common::wire::Mac;
use tokio::time::timeout;

use super::*;
use crate::world::{
    Link, LinkKind,
    testing::{in_namespace, ip},
};

const PATIENCE: Duration = Duration::from_secs(10);

struct Eye(LinkWatch, watch::Receiver<Arc<Links>>);

impl Eye {
    async fn open() -> Self {
        let watch = LinkWatch::start().await.unwrap();
        let links = watch.links();
        Self(watch, links)
    }

    /// Waits until the table is as wanted.
    async fn sees(&mut self, what: &str, wanted: impl Fn(&Links) -> bool) {
        let seen = timeout(PATIENCE, self.1.wait_for(|links| wanted(links))).await;
        assert!(seen.is_ok_and(|seen| seen.is_ok()), "{what}: {:#?}", self.1.borrow());
    }

    async fn link(&mut self, name: &str, wanted: impl Fn(&Link) -> bool) {
        self.sees(name, |links| find(links, name).is_some_and(&wanted)).await;
    }
}

fn find<'a>(links: &'a Links, name: &str) -> Option<&'a Link> {
    links.0.values().find(|link| link.name == name)
}

#[test]
fn what_is_there_at_the_start_is_known() {
    in_namespace(async || {
        ip("link add w0 address 02:00:00:00:00:07 type veth peer name w1");
        ip("address add 192.0.2.7/24 dev w0");
        let eye = Eye::open().await;
        let links = eye.1.borrow();
        let lo = find(&links, "lo").unwrap();
        assert!(lo.loopback && lo.mac.is_none() && !lo.up);
        let w0 = find(&links, "w0").unwrap();
        assert_eq!(w0.kind, LinkKind::Veth);
        assert_eq!(w0.mac, Some(Mac([2, 0, 0, 0, 0, 7])));
        assert_eq!(w0.addresses, ["192.0.2.7/24".parse().unwrap()].into());
        assert_eq!((w0.mtu, w0.up, w0.carrier, w0.broadcast, w0.enslaved), (1500, false, false, true, false));
    });
}

#[test]
fn changes_are_seen_as_they_happen() {
    in_namespace(async || {
        let mut eye = Eye::open().await;
        ip("link add w0 type veth peer name w1");
        eye.link("w0", |link| !link.up && link.kind == LinkKind::Veth).await;
        ip("link set w0 up");
        eye.link("w0", |link| link.up && !link.carrier).await;
        ip("link set w1 up");
        eye.link("w0", |link| link.carrier).await;
        // Duplicate address detection takes a second or two; until then the address is not to be used.
        eye.link("w0", |link| link.link_local().is_some()).await;
        ip("address add 192.0.2.1/24 dev w0");
        ip("address add 2001:db8::1/64 dev w0 nodad");
        let wanted = ["192.0.2.1/24", "2001:db8::1/64"].map(|net| net.parse().unwrap());
        eye.link("w0", |link| wanted.iter().all(|net| link.addresses.contains(net))).await;
        ip("address del 192.0.2.1/24 dev w0");
        eye.link("w0", |link| !link.addresses.contains(&wanted[0]) && link.addresses.contains(&wanted[1])).await;
        ip("link set w0 address 02:00:00:00:00:99");
        eye.link("w0", |link| link.mac == Some(Mac([2, 0, 0, 0, 0, 0x99]))).await;
        ip("link set w0 arp off mtu 1400");
        eye.link("w0", |link| link.noarp && link.mtu == 1400).await;
        ip("link set w1 down");
        eye.link("w0", |link| link.up && !link.carrier).await;
        ip("link set w0 down");
        eye.link("w0", |link| !link.up && link.addresses.is_empty()).await;
        ip("link set w0 name w2");
        eye.sees("rename", |links| find(links, "w0").is_none() && find(links, "w2").is_some()).await;
        ip("link del w2");
        eye.sees("deletion", |links| find(links, "w2").is_none() && find(links, "w1").is_none()).await;
    });
}

#[test]
fn bridge_ports_are_enslaved_and_come_free_again() {
    in_namespace(async || {
        let mut eye = Eye::open().await;
        ip("link add b0 type bridge");
        eye.link("b0", |link| link.kind == LinkKind::Other("bridge".to_owned())).await;
        ip("link add w0 type veth peer name w1");
        ip("link set w0 master b0");
        eye.link("w0", |link| link.enslaved).await;
        ip("link set w0 nomaster");
        eye.link("w0", |link| !link.enslaved).await;
    });
}

/// A duplicate on the link: the address never becomes usable.
#[test]
fn an_address_somebody_else_has_is_left_out() {
    in_namespace(async || {
        ip("link add w0 type veth peer name w1");
        ip("link set w0 up");
        ip("link set w1 up");
        ip("address add 2001:db8::5/64 dev w1 nodad");
        let mut eye = Eye::open().await;
        ip("address add 2001:db8::5/64 dev w0");
        ip("address add 2001:db8::6/64 dev w0");
        let [taken, free] = ["2001:db8::5/64", "2001:db8::6/64"].map(|net| net.parse().unwrap());
        eye.link("w0", |link| link.addresses.contains(&free)).await;
        eye.link("w0", |link| !link.addresses.contains(&taken)).await;
    });
}

#[test]
fn a_burst_is_published_once() {
    in_namespace(async || {
        ip("link add w0 type veth peer name w1");
        let mut eye = Eye::open().await;
        eye.1.mark_unchanged();
        // One call of ip makes all these changes within a few milliseconds; the runtime does not read meanwhile.
        let addresses: String = (1..=100).map(|host| format!("address add 10.0.0.{host}/24 dev w0\n")).collect();
        let batch = std::env::temp_dir().join(format!("arpeggio-burst-{}", std::process::id()));
        std::fs::write(&batch, addresses).unwrap();
        ip(&format!("-batch {}", batch.display()));
        std::fs::remove_file(&batch).unwrap();
        timeout(PATIENCE, eye.1.changed()).await.unwrap().unwrap();
        assert_eq!(find(&eye.1.borrow_and_update(), "w0").unwrap().addresses.len(), 100);
    });
}

#[test]
fn what_changes_nothing_is_not_published() {
    in_namespace(async || {
        ip("link add w0 type veth peer name w1");
        let mut eye = Eye::open().await;
        eye.1.mark_unchanged();
        // An alias is told of by the kernel and means nothing here; the MTU that follows proves that it was read.
        ip("link set w0 alias nothing");
        eye.0.refresh();
        sleep(BURST * 5).await;
        assert!(!eye.1.has_changed().unwrap());
        ip("link set w0 mtu 1400");
        eye.link("w0", |link| link.mtu == 1400).await;
    });
}

/// The kernel drops events when they are not read; the runtime sleeps while thousands of them are made.
#[test]
fn lost_events_are_made_up_for() {
    in_namespace(async || {
        let mut monitor = Monitor::open().unwrap();
        monitor.shrink();
        let (mut links, settled) = monitor.dump().await.unwrap();
        assert!(settled);
        for round in 0..20 {
            ip(&format!("link add w{round} type veth peer name p{round}"));
        }
        let mut lost = false;
        while let Ok(events) = timeout(Duration::from_millis(200), monitor.follow(&mut links)).await {
            lost |= events.unwrap() == Events::Lost;
        }
        assert!(lost, "the buffer was small enough to overflow");
        assert!(links.0.len() < 41);
        let (links, settled) = monitor.dump().await.unwrap();
        assert!(settled);
        assert_eq!(links.0.len(), 41);
    });
}

/// The same through the whole driver, which must notice by itself.
#[test]
fn the_driver_recovers_from_lost_events() {
    in_namespace(async || {
        let mut monitor = Monitor::open().unwrap();
        monitor.shrink();
        let (links, settled) = monitor.dump().await.unwrap();
        let (publish, receiver) = watch::channel(Arc::new(links.clone()));
        let refresh = Arc::new(Notify::new());
        let follower = Follower { links, settled, publish, refresh: Arc::clone(&refresh) };
        let watch = LinkWatch { links: receiver.clone(), refresh, _task: Task::spawn(follower.run(monitor)) };
        let mut eye = Eye(watch, receiver);
        for round in 0..20 {
            ip(&format!("link add w{round} type veth peer name p{round}"));
        }
        eye.sees("all interfaces", |links| links.0.len() == 41).await;
    });
}

#[test]
fn an_error_of_the_kernel_is_told() {
    let refused = NetlinkError::Refused(std::io::Error::from_raw_os_error(libc::EPERM));
    let text = with_causes(&refused);
    assert_eq!(text, "the kernel refuses to list its interfaces (rtnetlink): Operation not permitted (os error 1)");
}
