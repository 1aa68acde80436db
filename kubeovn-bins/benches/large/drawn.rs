//! A cluster that does not hold its pods: they are drawn from their number whenever they are told.
//!
//! What it keeps of a pod is what it was given (10 bytes). Namespaces, nodes, VPCs, subnets and the records of nodes are
//! in a [`MemoryCluster`]. So what a process with it takes is the controller's.

use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Instant,
};

use async_trait::async_trait;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use kubeovn_core::{
    addr::Mac,
    annotations::nic,
    cluster::memory::MemoryCluster,
    contract::cluster::{Cluster, ClusterError, Event, Write},
    index::objects::{Ip, IpSpec, Kind, Meta, Name, Object, Pod},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::size::{Size, namespace};

/// What a pod was given; all zero for nothing.
type Given = [u8; 10];

pub(crate) struct Drawn {
    size: Size,
    places: MemoryCluster,
    given: Mutex<Vec<Given>>,
    events: UnboundedSender<Event>,
    fed: Mutex<Option<UnboundedReceiver<Event>>>,
    writes: AtomicUsize,
    told: AtomicUsize,
    rendered: Arc<AtomicUsize>,
    settled: Arc<OnceLock<Instant>>,
}

impl Drawn {
    /// Its pods were given nothing yet, or what a file says. `rendered` is how often a pod was looked at.
    pub(crate) fn new(size: Size, given: Option<&Path>, rendered: Arc<AtomicUsize>) -> Self {
        let places = MemoryCluster::new();
        size.places().into_iter().for_each(|object| _ = places.apply(object).unwrap());
        let given = given.filter(|path| path.exists()).map(|path| fs::read(path).unwrap());
        let given = given
            .map_or_else(|| vec![Given::default(); size.pods], |bytes| bytes.as_chunks::<10>().0.to_vec());
        let (events, fed) = unbounded_channel();
        Drawn {
            size,
            places,
            given: Mutex::new(given),
            events,
            fed: Mutex::new(Some(fed)),
            writes: AtomicUsize::new(0),
            told: AtomicUsize::new(0),
            rendered,
            settled: Arc::default(),
        }
    }

    /// Writes down what pods were given.
    pub(crate) fn save(&self, path: &Path) {
        fs::write(path, self.given.lock().unwrap().as_flattened()).unwrap();
    }

    /// How many pods were told what they were given.
    pub(crate) fn told(&self) -> usize {
        self.told.load(Ordering::SeqCst)
    }

    /// How many writes about pods were asked of it.
    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// When its reader first had nothing to do after every pod had been looked at.
    pub(crate) fn settled(&self) -> Option<Instant> {
        self.settled.get().copied()
    }

    /// One more pod than there are.
    pub(crate) fn add_one(&self) {
        let number = {
            let mut given = self.given.lock().unwrap();
            given.push(Given::default());
            given.len() - 1
        };
        let pod = draw_pod(&self.size, number, Given::default());
        self.events.send(Event::Applied(Object::Pod(pod))).unwrap();
    }

    fn number(name: &str) -> Option<usize> {
        name.split('.').next()?.strip_prefix("web-7d4b9c-")?.parse().ok()
    }

    fn draw(&self, number: usize) -> (Given, Pod) {
        let given = self.given.lock().unwrap()[number];
        (given, draw_pod(&self.size, number, given))
    }
}

#[async_trait]
impl Cluster for Drawn {
    fn watch(&self, kinds: &[Kind]) -> BoxStream<'static, Event> {
        assert_eq!(kinds, Kind::ALL);
        let places: Vec<Kind> = kinds.iter().copied().filter(|kind| *kind != Kind::Pod).collect();
        let given = self.given.lock().unwrap().clone();
        let (size, again) = (self.size.clone(), given.clone());
        let records = given.into_iter().enumerate().filter(|(_, given)| *given != Given::default());
        let records = records.map(move |(at, given)| Event::Applied(Object::Ip(draw_ip(&size, at, given))));
        let size = self.size.clone();
        let pods = again.into_iter().enumerate();
        let pods = pods.map(move |(at, given)| Event::Applied(Object::Pod(draw_pod(&size, at, given))));
        let mut fed = self.fed.lock().unwrap().take().unwrap();
        let fed = stream::poll_fn(move |context| fed.poll_recv(context));
        let pods = stream::iter(pods).chain(stream::iter([Event::Listed(Kind::Pod)])).chain(fed);
        let mut all = stream::iter(records).chain(stream::select(self.places.watch(&places), pods));
        let (rendered, settled, pods) = (self.rendered.clone(), self.settled.clone(), self.size.pods);
        let noticed = stream::poll_fn(move |context| {
            let event = all.poll_next_unpin(context);
            if event == Poll::Pending && rendered.load(Ordering::SeqCst) >= pods {
                settled.get_or_init(Instant::now);
            }
            event
        });
        noticed.boxed()
    }

    async fn write(&self, write: Write) -> Result<Name, ClusterError> {
        let number = Self::number(&write.key().name);
        self.writes.fetch_add(usize::from(number.is_some()), Ordering::SeqCst);
        match (write, number) {
            (Write::Create(Object::Ip(mut ip)), Some(number)) => {
                ip.meta.uid = uid(1, number);
                ip.meta.revision = revision(number);
                self.events.send(Event::Applied(Object::Ip(ip))).unwrap();
                Ok(revision(number))
            }
            (Write::Patch(patch), Some(number)) if patch.key.kind == Kind::Pod => {
                let text = |key: &str| patch.annotations.get(key).cloned().flatten().unwrap_or_default();
                let ip: Ipv4Addr = text(nic::IP_ADDRESS.ovn()).parse().unwrap();
                let mac: Mac = text(nic::MAC_ADDRESS.ovn()).parse().unwrap();
                let mut given = Given::default();
                given[..4].copy_from_slice(&ip.octets());
                given[4..].copy_from_slice(&mac.bytes());
                self.given.lock().unwrap()[number] = given;
                let (_, pod) = self.draw(number);
                for (key, value) in patch.annotations {
                    assert_eq!(pod.meta.annotations.get(&key), value.as_ref(), "{key}");
                }
                self.events.send(Event::Applied(Object::Pod(pod))).unwrap();
                self.told.fetch_add(1, Ordering::SeqCst);
                Ok(revision(number))
            }
            (write, Some(_)) => panic!("not expected of a pod: {write:?}"),
            (write, None) => self.places.write(write).await,
        }
    }
}

fn uid(kind: u8, number: usize) -> Name {
    format!("{number:08x}-5d5e-4a43-9a5c-0d7e4e7a{kind:04x}").into()
}

fn revision(number: usize) -> Name {
    (1_000_000 + number).to_string().into()
}

fn draw_pod(size: &Size, number: usize, given: Given) -> Pod {
    let subnet = number % size.subnets;
    let annotations = [("prometheus.io/scrape".into(), "true".into())].into();
    let labels = [("app".into(), "web".into()), ("pod-template-hash".into(), "7d4b9c".into())].into();
    let mut meta = Meta {
        namespace: namespace(subnet).into(),
        uid: uid(0, number),
        created: 1_700_000_000_000 + number as u64,
        revision: revision(number),
        labels,
        annotations,
        ..Meta::named(&format!("web-7d4b9c-{number:05}"))
    };
    if given != Given::default() {
        let (ip, mac) = read(given);
        let (net, gateway) = (Size::cidr(subnet), Size::gateway(subnet));
        let told: [(&str, &str); 9] = [
            (nic::ALLOCATED.ovn(), "true"),
            (nic::ROUTED.ovn(), "true"),
            (nic::IP_ADDRESS.ovn(), &ip),
            (nic::MAC_ADDRESS.ovn(), &mac),
            (nic::LOGICAL_SWITCH.ovn(), &format!("net-{subnet}")),
            (nic::LOGICAL_ROUTER.ovn(), "ovn-cluster"),
            (nic::CIDR.ovn(), &net),
            (nic::GATEWAY.ovn(), &gateway),
            (nic::POD_NIC_TYPE.ovn(), "veth-pair"),
        ];
        meta.annotations.extend(told.map(|(key, value)| (key.into(), value.into())));
    }
    Pod { meta, node: Some(format!("node-{}", number % size.nodes).into()), ..Pod::default() }
}

fn draw_ip(size: &Size, number: usize, given: Given) -> Ip {
    let (ip, mac) = read(given);
    let subnet: String = format!("net-{}", number % size.subnets);
    let node: String = format!("node-{}", number % size.nodes);
    let namespace: Name = namespace(number % size.subnets).into();
    let pod: Name = format!("web-7d4b9c-{number:05}").into();
    let labels = [
        ("ovn.kubernetes.io/subnet".into(), subnet.as_str().into()),
        ("ovn.kubernetes.io/node-name".into(), node.as_str().into()),
        ("ovn.kubernetes.io/ip_reserved".into(), "false".into()),
        (subnet.as_str().into(), "".into()),
    ];
    let meta = Meta {
        uid: uid(1, number),
        created: 1_700_000_000_000 + number as u64,
        revision: revision(number),
        labels: labels.into(),
        ..Meta::named(&format!("{pod}.{namespace}"))
    };
    let spec = IpSpec {
        pod_name: pod,
        namespace,
        subnet: subnet.into(),
        node_name: node.into(),
        ip_address: ip.as_str().into(),
        v4_ip_address: ip.into(),
        mac_address: mac.into(),
        ..IpSpec::default()
    };
    Ip { meta, spec }
}

fn read(given: Given) -> (String, String) {
    let [a, b, c, d, mac @ ..] = given;
    let mac: Vec<String> = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    (Ipv4Addr::new(a, b, c, d).to_string(), mac.join(":"))
}
