use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::ovsdb::wire::Notification;

const ROW: &str = "36bef046-7da7-43a5-905a-c1789921606c";
const CLUSTER: &str = "00000000-0000-0000-0000-00000000000a";
const OTHER_CLUSTER: &str = "00000000-0000-0000-0000-00000000000b";

fn connector(endpoints: &str) -> Connector {
    let config = ConnectConfig::new(endpoints.parse().unwrap(), "db");
    Connector::new(config, Box::new(|| 1.0))
}

fn apply(server: &mut ServerWatch, update: &Value) {
    let params = json!(["_Server", {"Database": {ROW: update}}]).to_string();
    server.apply(&Notification::decode("update2", &params).unwrap().unwrap().updates);
}

fn member(leader: bool, cluster: &str, index: i64) -> ServerWatch {
    let mut server = ServerWatch::default();
    apply(
        &mut server,
        &json!({"initial": {"name": "db", "connected": true, "leader": leader, "cid": ["uuid", cluster], "index": index}}),
    );
    server
}

#[test]
fn endpoints_are_read_in_the_notation_of_ovs() {
    let text = "unix:/run/a.sock, tcp:10.0.0.1:6641,tcp:[::1]:6642,tcp:nb.example:1";
    let endpoints: Endpoints = text.parse().unwrap();
    let shown: Vec<String> = (0..5).map(|turn| endpoints.get(turn).to_string()).collect();
    assert_eq!(
        shown,
        ["unix:/run/a.sock", "tcp:10.0.0.1:6641", "tcp:[::1]:6642", "tcp:nb.example:1", "unix:/run/a.sock"]
    );
    for bad in ["", "unix:", "tcp:1.2.3.4", "tcp:::1:6641", "tcp::1", "tcp:h:99999", "unix:/a,"] {
        assert!(bad.parse::<Endpoints>().is_err(), "{bad}");
    }
    assert!(matches!("udp:1.2.3.4:6641".parse::<Endpoint>(), Err(EndpointError::Scheme { .. })));
}

#[cfg(feature = "tls")]
#[test]
fn behind_tls_the_notation_is_that_of_tcp() {
    let text = "ssl:10.0.0.1:6641,ssl:[::1]:6642,ssl:nb.example:1";
    let endpoints: Endpoints = text.parse().unwrap();
    let shown: Vec<String> = (0..3).map(|turn| endpoints.get(turn).to_string()).collect();
    assert_eq!(shown.join(","), text);
    assert_eq!(*endpoints.get(1), Endpoint::Ssl { host: "::1".to_owned(), port: 6642 });
    for bad in ["ssl:", "ssl:1.2.3.4", "ssl:::1:6641", "ssl::1"] {
        assert!(matches!(bad.parse::<Endpoint>(), Err(EndpointError::Address { .. })), "{bad}");
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn without_tls_an_endpoint_behind_it_says_what_to_enable() {
    let error = "ssl:10.0.0.1:6641".parse::<Endpoint>().unwrap_err();
    assert!(matches!(error, EndpointError::NoTls { .. }));
    assert!(error.to_string().contains("enable feature \"tls\""), "{error}");
}

#[test]
fn the_first_round_is_free_and_then_pauses_double_up_to_the_cap() {
    let mut connector = connector("unix:/a,unix:/b");
    let pauses: Vec<u128> = (0..16).map(|_| connector.pause().as_millis()).collect();
    assert_eq!(pauses, [0, 0, 100, 0, 200, 0, 400, 0, 500, 0, 500, 0, 500, 0, 500, 0]);
    connector.succeeded();
    assert_eq!(connector.pause(), Duration::ZERO);
    connector.succeeded();
    connector.disappointed();
    assert_eq!(connector.pause(), Duration::from_millis(100));
}

#[test]
fn an_attempt_may_take_longer_in_later_rounds_and_as_long_as_it_likes_without_others() {
    let mut two = connector("unix:/a,unix:/b");
    let limits: Vec<u64> = (0..6)
        .map(|_| {
            two.pause();
            two.limit().unwrap().as_secs()
        })
        .collect();
    assert_eq!(limits, [1, 1, 2, 2, 4, 4]);
    let mut one = connector("unix:/a");
    one.pause();
    assert_eq!(one.limit(), None);
}

#[test]
fn another_leader_is_looked_for_at_the_other_endpoints() {
    let mut connector = connector("unix:/a,unix:/b,unix:/c");
    let [a, b, c] = [0, 1, 2].map(|turn| connector.config.endpoints.get(turn).clone());
    let beside = connector.beside(&b).unwrap();
    let turns: Vec<_> = (0..3).map(|turn| beside.config.endpoints.get(turn).clone()).collect();
    assert_eq!(turns, [a.clone(), c.clone(), a]);
    connector.begin_with(&c);
    assert_eq!(connector.config.endpoints.get(connector.turn), &c);
    connector.begin_with(&"unix:/x".parse().unwrap());
    assert_eq!(connector.config.endpoints.get(connector.turn), &c);
    assert!(self::connector("unix:/a").beside(&"unix:/a".parse().unwrap()).is_none());
}

#[test]
fn jitter_takes_up_to_half_of_a_pause() {
    let mut connector = connector("unix:/a");
    connector.jitter = Box::new(|| 0.0);
    connector.pause();
    assert_eq!(connector.pause(), Duration::from_millis(50));
}

#[test]
fn only_the_leader_will_do_unless_told_otherwise() {
    let mut connector = connector("unix:/a");
    assert!(matches!(connector.judge(&member(false, CLUSTER, 1)), Err(Unfit::NotLeader { .. })));
    let mut server = member(true, CLUSTER, 1);
    assert_eq!(connector.judge(&server), Ok(()));
    apply(&mut server, &json!({"modify": {"leader": false}}));
    assert!(matches!(connector.judge(&server), Err(Unfit::NotLeader { .. })));
    connector.config.leader_only = false;
    assert_eq!(connector.judge(&server), Ok(()));
    apply(&mut server, &json!({"modify": {"connected": false}}));
    assert!(matches!(connector.judge(&server), Err(Unfit::NotConnected { .. })));
    apply(&mut server, &json!({"delete": null}));
    assert!(matches!(connector.judge(&server), Err(Unfit::NoDatabase { .. })));
}

#[test]
fn a_server_that_lags_is_refused_but_a_new_cluster_is_not() {
    let mut connector = connector("unix:/a");
    let mut server = member(true, CLUSTER, 5);
    assert_eq!(connector.judge(&server), Ok(()));
    apply(&mut server, &json!({"modify": {"index": 9}}));
    assert_eq!(connector.judge(&server), Ok(()));
    let lagging = connector.judge(&member(true, CLUSTER, 8));
    assert_eq!(lagging, Err(Unfit::Stale { database: "db".into(), index: 8, seen: 9 }));
    assert_eq!(connector.judge(&member(true, CLUSTER, 9)), Ok(()));
    assert_eq!(connector.judge(&member(true, OTHER_CLUSTER, 2)), Ok(()));
}

#[test]
fn a_conversion_of_the_schema_asks_for_a_new_session() {
    let mut connector = connector("unix:/a");
    let mut server = member(true, CLUSTER, 5);
    apply(&mut server, &json!({"modify": {"schema": "{}"}}));
    assert!(matches!(connector.judge(&server), Err(Unfit::Converted { .. })));
}

#[test]
fn a_server_without_status_is_a_leader() {
    let mut connector = connector("unix:/a");
    assert_eq!(connector.judge(&ServerWatch::without_status(&["x".into(), "db".into()])), Ok(()));
    assert!(connector.judge(&ServerWatch::without_status(&["x".into()])).is_err());
}
