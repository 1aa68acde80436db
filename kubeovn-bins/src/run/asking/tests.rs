use kubeovn_core::{
    contract::ipam::{Grant, Role},
    decide::decide_subnets,
    index::{
        Settings,
        objects::{Meta, Node, Object, Subnet, SubnetSpec},
    },
    rows::{OwnerKey, OwnerKind},
};

use super::*;

fn ip(node: u8) -> IpAddr {
    IpAddr::from([100, 64, 0, node])
}

/// Three nodes, by which a subnet leaves.
fn world(ecmp: bool, nodes: &str) -> World {
    let settings = Settings::default();
    let (vpc, [default, join]) = settings.built_in();
    let mut world = World::new(settings);
    for object in [Object::Vpc(vpc), Object::Subnet(default), Object::Subnet(join)] {
        world.apply(object);
    }
    for number in 2..5 {
        let name = format!("n{number}");
        world.apply(Object::Node(Node { meta: Meta::named(&name), ready: true, ..Node::default() }));
        let grant = Grant {
            nic: "".into(),
            subnet: "join".into(),
            space: "ovn-cluster".into(),
            ips: ip(number).to_string().parse().unwrap(),
            mac: None,
            role: Role::Active,
            generation: 0,
            since: 0,
        };
        world.grant(&OwnerKey::new(OwnerKind::Node, name), vec![grant], None);
    }
    let spec = SubnetSpec {
        cidr_block: "10.70.0.0/24".into(),
        gateway_type: "centralized".into(),
        gateway_node: nodes.into(),
        enable_ecmp: ecmp,
        ..SubnetSpec::default()
    };
    world.apply(Object::Subnet(Subnet { meta: Meta::named("led"), spec, ..Subnet::default() }));
    for (subnet, decision) in decide_subnets(&world, "ovn-cluster") {
        world.decide(&subnet, decision);
    }
    world
}

/// Plays rounds until one has news, or none has for some.
async fn news(rounds: &mut Rounds, world: &mut World) -> Option<BTreeSet<IpAddr>> {
    let mut over = 0;
    while over < 4 {
        match rounds.next().await {
            Turn::Due => rounds.begin(world),
            Turn::Over(answers) => {
                over += 1;
                if let Some(silent) = rounds.end(answers, world) {
                    world.hear(silent.clone());
                    return Some(silent);
                }
            }
        }
    }
    None
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_does_not_answer_is_known_after_five_questions() {
    let mut world = world(true, "n2,n3,n4");
    let prober = Arc::new(MemoryProber::default());
    let mut rounds = Rounds::new(Some(Asking::new(prober.clone())));
    assert_eq!(news(&mut rounds, &mut world).await, None);
    prober.silence([ip(3)]);
    let begun = Instant::now();
    assert_eq!(news(&mut rounds, &mut world).await, Some([ip(3)].into()));
    assert!(begun.elapsed() <= Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(news(&mut rounds, &mut world).await, None, "it is no news twice");
    prober.silence([]);
    let begun = Instant::now();
    assert_eq!(news(&mut rounds, &mut world).await, Some(BTreeSet::new()));
    assert!(begun.elapsed() >= Duration::from_secs(10), "it was trusted at once");
}

#[tokio::test(start_paused = true)]
async fn who_hears_nobody_says_nothing_of_others() {
    let mut world = world(true, "n2,n3");
    let prober = Arc::new(MemoryProber::default());
    let mut rounds = Rounds::new(Some(Asking::new(prober.clone())));
    prober.silence([ip(2), ip(3)]);
    assert_eq!(news(&mut rounds, &mut world).await, None);
    assert_eq!(*rounds.blind(), [Family::V4].into());
    prober.silence([ip(2)]);
    assert_eq!(news(&mut rounds, &mut world).await, Some([ip(2)].into()));
    assert_eq!(*rounds.blind(), BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn only_gateways_that_lead_together_are_asked() {
    for (ecmp, nodes, asked) in [
        (true, "n2,n3", vec![2, 3]),
        (true, "n4,n2,gone", vec![2, 4]),
        (true, "n2", vec![]),
        (false, "n2,n3", vec![]),
    ] {
        let asked: BTreeSet<IpAddr> = asked.into_iter().map(ip).collect();
        assert_eq!(decide::asked(&world(ecmp, nodes)), asked, "{ecmp} {nodes}");
    }
}

/// As after a start, when the rows leave one out.
#[tokio::test(start_paused = true)]
async fn who_was_silent_before_the_first_question_stays_so_until_he_answers() {
    let mut world = world(true, "n2,n3");
    let prober = Arc::new(MemoryProber::default());
    prober.silence([ip(3)]);
    let mut rounds = Rounds::new(Some(Asking::new(prober.clone())));
    // The round began before anything was known.
    rounds.round.spawn(async { Vec::new() });
    world.hear([ip(3)].into());
    assert_eq!(news(&mut rounds, &mut world).await, None);
    prober.silence([]);
    assert_eq!(news(&mut rounds, &mut world).await, Some(BTreeSet::new()));
}

#[tokio::test]
async fn real_questions_are_answered_or_not() {
    let here = Icmp.ask(IpAddr::from([127, 0, 0, 1]), Duration::from_secs(5)).await;
    assert!(here.is_ok(), "{here:?}");
}
