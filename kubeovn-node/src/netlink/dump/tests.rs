#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use futures_util::stream;
use netlink_packet_core::{DoneMessage, ErrorMessage, NetlinkHeader};
use netlink_packet_route::link::LinkMessage;

use super::*;

fn index(message: RouteNetlinkMessage) -> Option<u32> {
    match message {
        RouteNetlinkMessage::NewLink(message) => Some(message.header.index),
        _ => None,
    }
}

fn link(index: u32, flags: u16) -> Answer {
    let mut message = LinkMessage::default();
    message.header.index = index;
    let mut answer = NetlinkMessage::from(RouteNetlinkMessage::NewLink(message));
    answer.header.flags = flags;
    answer
}

fn done(flags: u16, code: i32) -> Answer {
    let mut message = DoneMessage::default();
    message.code = code;
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    NetlinkMessage::new(header, NetlinkPayload::Done(message))
}

fn error(errno: Errno) -> Answer {
    let mut message = ErrorMessage::default();
    message.code = std::num::NonZeroI32::new(-(errno as i32));
    NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::Error(message))
}

async fn asked(answers: &[Answer]) -> Result<Vec<u32>, (Errno, bool)> {
    match collect(stream::iter(answers.to_vec()), index).await {
        Asked::Whole(found) => Ok(found),
        Asked::Torn(errno) => Err((errno, true)),
        Asked::Failed(errno) => Err((errno, false)),
    }
}

#[tokio::test]
async fn a_list_during_which_something_changed_is_torn() {
    assert_eq!(asked(&[link(1, 0), link(2, 0), done(0, 0)]).await, Ok(vec![1, 2]));
    for torn in [
        [link(1, NLM_F_DUMP_INTR), link(2, 0), done(0, 0)],
        [link(1, 0), link(2, 0), done(NLM_F_DUMP_INTR, 0)],
        [link(1, 0), link(2, 0), done(0, -(Errno::EINTR as i32))],
    ] {
        assert_eq!(asked(&torn).await, Err((Errno::EINTR, true)), "{torn:?}");
    }
    assert_eq!(asked(&[error(Errno::EBUSY)]).await, Err((Errno::EBUSY, true)));
    assert_eq!(asked(&[error(Errno::EPERM)]).await, Err((Errno::EPERM, false)));
    assert_eq!(asked(&[done(0, -(Errno::EINVAL as i32))]).await, Err((Errno::EINVAL, false)));
}

#[tokio::test]
async fn a_list_without_an_end_is_not_whole() {
    assert_eq!(asked(&[link(1, 0)]).await, Err((Errno::ENOTCONN, false)));
    assert_eq!(asked(&[]).await, Err((Errno::ENOTCONN, false)));
    assert_eq!(asked(&[link(1, NLM_F_DUMP_INTR)]).await, Err((Errno::EINTR, true)));
}

#[tokio::test]
async fn what_is_torn_is_asked_for_again_but_not_for_ever() {
    // More often than the pause gets longer.
    const TIMES: u32 = 10;
    let asked = AtomicU32::new(0);
    let torn_until = |whole: u32| {
        asked.store(0, Ordering::Relaxed);
        let asked = &asked;
        move || match asked.fetch_add(1, Ordering::Relaxed) + 1 {
            times if times < whole => Ok(stream::iter(vec![error(Errno::EBUSY)])),
            times => Ok(stream::iter(vec![link(times, 0), done(0, 0)])),
        }
    };
    assert_eq!(whole(torn_until(TIMES), index, PATIENCE).await, Ok(vec![TIMES]));
    assert_eq!(whole(torn_until(2), index, Duration::ZERO).await, Err(Errno::EBUSY));
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let (began, patience) = (Instant::now(), Duration::from_millis(100));
    assert_eq!(whole(torn_until(u32::MAX), index, patience).await, Err(Errno::EBUSY));
    assert!(began.elapsed() >= patience, "given up after {:?}", began.elapsed());
    let refused = || {
        asked.store(1, Ordering::Relaxed);
        Ok(stream::iter(vec![error(Errno::EPERM)]))
    };
    assert_eq!(whole(refused, index, PATIENCE).await, Err(Errno::EPERM));
    let gone = || Err::<stream::Empty<Answer>, _>(Errno::ENOTCONN);
    assert_eq!(whole(gone, index, PATIENCE).await, Err(Errno::ENOTCONN));
}

/// Needs root, as the tests in `tests/live` do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_whole_while_others_ask_and_the_links_change() {
    const LISTS: usize = 40;
    let name = format!("kotest-{}-dump", std::process::id());
    let ns = crate::netns::NetNs::create_named(&name).expect("create a namespace (root is needed)");
    // It lives on as long as it is open.
    crate::netns::NetNs::delete_named(&name).expect("delete");
    let busy = Netlink::new(&ns).expect("a connection");
    busy.set_up("lo").await.expect("up");
    // More than the kernel answers at once.
    let kept: Vec<ipnet::IpNet> = (1..=400)
        .map(|i: u16| format!("10.7.{}.{}/32", i / 200, i % 200 + 1).parse().expect("a net"))
        .collect();
    busy.replace_addresses("lo", &kept).await.expect("addresses");
    let stop = Arc::new(AtomicBool::new(false));
    let changes = tokio::spawn({
        let stop = stop.clone();
        async move {
            // With pauses in which a list can be whole, also where the asking tasks get little of the processor.
            while !stop.load(Ordering::Relaxed) {
                busy.add_bridge("b").await.expect("add");
                tokio::time::sleep(Duration::from_millis(20)).await;
                busy.delete_link("b").await.expect("delete");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    });
    let wire = Arc::new(Netlink::new(&ns).expect("a connection"));
    let ask = |wire: Arc<Netlink>, kept: usize| async move {
        for _ in 0..LISTS {
            assert_eq!(wire.local_addresses().await.expect("a list").len(), kept);
            assert!(wire.links().await.expect("a list").contains_key("lo"));
        }
    };
    let askers: Vec<_> = (0..3).map(|_| tokio::spawn(ask(wire.clone(), kept.len()))).collect();
    for asker in askers {
        asker.await.expect("no panic");
    }
    stop.store(true, Ordering::Relaxed);
    changes.await.expect("no panic");
}
