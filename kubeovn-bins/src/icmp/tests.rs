use std::time::Duration;

use kubeovn_node::{netlink::Netlink, netns::NetNs};

use super::*;

#[test]
fn a_packet_with_its_checksum_sums_to_nothing() {
    let mut packet = [8, 0, 0, 0, 0xab, 0xcd, 0xff, 0x01];
    [packet[2], packet[3]] = checksum(&packet);
    assert_ne!(packet[2..4], [0, 0]);
    assert_eq!(checksum(&packet), [0, 0]);
}

#[test]
fn only_an_answer_to_us_is_one() {
    let raw = Question { id: [1, 2], v4: true, raw: true };
    let with_header = |icmp: [u8; 8]| [&[0x46_u8][..], &[0; 23][..], &icmp[..]].concat();
    assert!(raw.is_answer(&with_header([0, 0, 9, 9, 1, 2, 0, 0])));
    for other in [[0, 0, 9, 9, 1, 3, 0, 0], [8, 0, 9, 9, 1, 2, 0, 0], [3, 1, 9, 9, 1, 2, 0, 0]] {
        assert!(!raw.is_answer(&with_header(other)), "{other:?}");
    }
    assert!(!raw.is_answer(&[]) && !raw.is_answer(&[0x46, 0]));
    let v6 = Question { id: [1, 2], v4: false, raw: true };
    assert!(v6.is_answer(&[129, 0, 0, 0, 1, 2, 0, 0]) && !v6.is_answer(&[129, 0, 0, 0, 2, 2, 0, 0]));
    let plain = Question { id: [1, 2], v4: true, raw: false };
    assert!(plain.is_answer(&[0, 0, 0, 0, 7, 7, 0, 0]), "the kernel gave it another id");
    assert!(!plain.is_answer(&[3, 0, 0, 0, 1, 2, 0, 0]));
}

/// A namespace of its own, with its loopback up; gone with the value.
struct Alone {
    name: String,
    netns: NetNs,
}

impl Alone {
    async fn new(name: &str) -> Self {
        let name = format!("icmp-{name}-{}", std::process::id());
        let netns = NetNs::create_named(&name).unwrap();
        let alone = Alone { name, netns };
        let link = Netlink::new(&alone.netns).unwrap();
        link.set_up("lo").await.unwrap();
        alone
    }

    fn set(&self, key: &'static str, value: &'static str) {
        self.netns.run(move || std::fs::write(format!("/proc/sys/{key}"), value)).unwrap().unwrap();
    }

    /// Does the address answer by a socket of this kind?
    fn answers(&self, kind: SockType, to: &str) -> nix::Result<bool> {
        let to: IpAddr = to.parse().unwrap();
        let ask = move || -> nix::Result<bool> {
            let (socket, question) = open_as(kind, to)?;
            socket.set_nonblocking(false).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
            socket.connect((to, 0)).unwrap();
            socket.send(&question.request(7)).unwrap();
            let mut packet = [0; 128];
            while let Ok(length) = socket.recv(&mut packet) {
                if question.is_answer(&packet[..length]) {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        self.netns.run(ask).unwrap()
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = NetNs::delete_named(&self.name);
    }
}

#[tokio::test]
async fn either_kind_of_socket_asks_either_family() {
    let alone = Alone::new("kinds").await;
    // What the kernel says without a word from anybody.
    alone.set("net/ipv4/ping_group_range", "1 0");
    assert_eq!(alone.answers(SockType::Datagram, "127.0.0.1"), Err(Errno::EACCES));
    alone.set("net/ipv4/ping_group_range", "0 0");
    for kind in [SockType::Raw, SockType::Datagram] {
        for to in ["127.0.0.1", "::1"] {
            assert_eq!(alone.answers(kind, to), Ok(true), "{kind:?} to {to}");
        }
    }
    alone.set("net/ipv4/icmp_echo_ignore_all", "1");
    for kind in [SockType::Raw, SockType::Datagram] {
        assert_eq!(alone.answers(kind, "127.0.0.1"), Ok(false), "our own question is no answer: {kind:?}");
    }
}
