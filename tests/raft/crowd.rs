//! A thousand pods, some of which come and go all the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use kubeovn_core::{
    cluster::memory::MemoryCluster,
    index::objects::{Kind, Object, ObjectKey},
};

use crate::objects::{namespace, pod, pod_key, subnet, tenants};

/// Pods that there are.
const CROWD: usize = 950;
/// Names that they take turns in.
const NAMES: usize = 1200;
/// Pods that go, and as many that come, at a time.
const BATCH: usize = 8;
/// Between two batches.
const PAUSE: Duration = Duration::from_millis(40);
const NAMESPACE: &str = "crowd";

/// What the crowd lives in, and others around it. The subnet has few addresses to spare, so one that becomes free is
/// soon given again.
pub(crate) fn land() -> Vec<Object> {
    let mut objects = tenants();
    objects.extend([namespace(NAMESPACE), subnet(NAMESPACE, "", "10.64.0.0/22", NAMESPACE)]);
    objects
}

/// The pods that are there and the names that are free.
pub(crate) struct Crowd {
    cluster: Arc<MemoryCluster>,
    here: Vec<usize>,
    away: Vec<usize>,
    drawn: u64,
}

/// A crowd in motion.
pub(crate) struct Moving {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Crowd>>,
}

impl Crowd {
    /// Everybody comes.
    pub(crate) fn gather(cluster: Arc<MemoryCluster>, seed: u64) -> Self {
        let mut crowd = Self { cluster, here: Vec::new(), away: (0..NAMES).collect(), drawn: seed };
        (0..CROWD).for_each(|_| crowd.one_comes());
        crowd
    }

    /// Lets pods come and go until it is stopped.
    pub(crate) fn moving(mut self) -> Moving {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                (0..BATCH).for_each(|_| self.one_goes());
                (0..BATCH).for_each(|_| self.one_comes());
                std::thread::sleep(PAUSE);
            }
            self
        });
        Moving { stop, thread: Some(thread) }
    }

    fn one_comes(&mut self) {
        let name = self.pick(self.away.len());
        let name = self.away.swap_remove(name);
        let node = format!("n{}", name % 3 + 1);
        let mut object = pod(NAMESPACE, &format!("pod-{name}"), &node, &[]);
        if let Object::Pod(pod) = &mut object {
            // another one than the last of this name
            pod.meta.uid = format!("{name}-{}", self.drawn).as_str().into();
        }
        self.cluster.apply(object).unwrap();
        self.here.push(name);
    }

    fn one_goes(&mut self) {
        let name = self.pick(self.here.len());
        let name = self.here.swap_remove(name);
        self.cluster.delete(&pod_key(NAMESPACE, &format!("pod-{name}"))).unwrap();
        self.away.push(name);
    }

    /// A number below `end`, the same ones for the same seed.
    fn pick(&mut self, end: usize) -> usize {
        self.drawn ^= self.drawn << 13;
        self.drawn ^= self.drawn >> 7;
        self.drawn ^= self.drawn << 17;
        usize::try_from(self.drawn % u64::try_from(end).unwrap()).unwrap()
    }
}

impl Moving {
    /// Nobody comes or goes any more.
    pub(crate) fn rest(mut self) -> Crowd {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// All objects of a cluster.
pub(crate) fn objects(cluster: &MemoryCluster) -> Vec<Object> {
    Kind::ALL.iter().flat_map(|kind| cluster.objects(*kind)).collect()
}

/// Takes one named pod away.
pub(crate) fn remove(cluster: &MemoryCluster, name: &str) {
    let key = ObjectKey { kind: Kind::Pod, namespace: NAMESPACE.into(), name: name.into() };
    cluster.delete(&key).unwrap();
}

/// Brings one named pod.
pub(crate) fn bring(cluster: &MemoryCluster, name: &str) {
    cluster.apply(pod(NAMESPACE, name, "n1", &[])).unwrap();
}

/// The name of a pod's port.
pub(crate) fn port(name: &str) -> String {
    format!("{name}.{NAMESPACE}")
}
