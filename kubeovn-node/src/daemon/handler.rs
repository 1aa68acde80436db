//! The CNI verbs: what a pod was given, made real by a veth pair and a port of the integration bridge.

use std::sync::Arc;

use async_trait::async_trait;
use kubeovn_core::annotations;
use kubeovn_core::cni::AttachmentId;
use kubeovn_core::error::Problem;
use kubeovn_core::index::objects::Kind;
use kubeovn_core::rows::OwnerKey;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, timeout_at};

use super::facts::Facts;
use super::given::{Given, NotGiven, bare_provider, check_kind, given, pod_of};
use super::made::{pod_nic, port, response, route_config};
use super::refusals::{bad, failed, nobody_waits, not_attached, not_given, replaced, taken};
use super::sandbox::{Sandbox, id_of};
use super::standing::{Obstacles, Part};
use super::turns::{Latest, Turns};
use crate::attach;
use crate::cni::nic::nic_names;
use crate::cni::protocol::{GcRequest, PodRequest, PodResponse};
use crate::cni::server::{Caller, Handler, Refusal};
use crate::cni::timing::{Observer, Stage, Stages};
use crate::netlink::Netlink;
use crate::netns::NetNs;
use crate::ovs::{PortState, Switch, attachment_of, owner_of, provider_of};

/// How long DEL waits until nothing of the port is left in OVS. It is removed anyway; waiting only spares a
/// successor with the same logical port an overlap.
const GONE_WITHIN: Duration = Duration::from_secs(5);

/// Answers the plugin.
#[derive(Debug)]
pub(super) struct Wirer {
    pub(super) facts: watch::Receiver<Facts>,
    pub(super) switch: Switch,
    pub(super) host: Arc<Netlink>,
    /// MTU of pods, once it is known.
    pub(super) mtu: watch::Receiver<Option<u32>>,
    pub(super) obstacles: watch::Receiver<Obstacles>,
    pub(super) wait: Duration,
    pub(super) turns: Turns,
    pub(super) latest: Latest,
    pub(super) observer: Arc<dyn Observer>,
}

/// How far an ADD has come, and when.
struct Progress {
    began: Instant,
    stages: Stages,
}

impl Progress {
    fn new() -> Self {
        Self { began: Instant::now(), stages: Stages::default() }
    }

    fn end(&mut self, stage: Stage) {
        self.stages.end(stage, self.began.elapsed());
    }

    /// What is seen of the port.
    fn see(&mut self, port: &PortState) {
        for (stage, ended) in
            [(Stage::Rows, port.written), (Stage::Port, port.connected), (Stage::Flows, port.is_ready())]
        {
            if ended {
                self.end(stage);
            }
        }
    }
}

impl Wirer {
    /// Waits until the controller gave the interface its addresses, and answers what it waits for if it does not.
    async fn given(&self, request: &PodRequest, deadline: Instant) -> Result<Given, Refusal> {
        let mtu = self.mtu(deadline).await?;
        let mut facts = self.facts.clone();
        let mut seen = false;
        loop {
            let (found, there) = {
                let facts = facts.borrow_and_update();
                (given(&facts, request, mtu), pod_of(&facts, request).is_some())
            };
            let waits_for = match found {
                Ok(given) => return Ok(given),
                Err(NotGiven::Refused(text)) => return Err(Refusal::BadRequest(text)),
                Err(NotGiven::Wait(text)) => text,
            };
            // It was deleted: nobody will give it anything.
            if seen && !there {
                return Err(Refusal::Failed(waits_for));
            }
            seen |= there;
            if !matches!(timeout_at(deadline, facts.changed()).await, Ok(Ok(()))) {
                return Err(Refusal::Failed(waits_for));
            }
        }
    }

    /// Waits until it is known what tunnels leave of a packet.
    async fn mtu(&self, deadline: Instant) -> Result<u32, Refusal> {
        let mut known = self.mtu.clone();
        if let Ok(Ok(mtu)) = timeout_at(deadline, known.wait_for(Option::is_some)).await {
            return Ok(mtu.unwrap_or_default());
        }
        let why = self.obstacles.borrow().get(&Part::Tunnel).cloned().unwrap_or_default();
        let text = format!("the MTU of pods is not known, because of the node's tunnels: {why}");
        Err(failed(&Problem::new("NODE-NO-MTU", text)))
    }

    /// Wires an interface as long as somebody waits for it, or leaves nothing of it.
    async fn serve(
        &self,
        request: &PodRequest,
        mut caller: Caller,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<PodResponse, Refusal> {
        let ours = annotations::is_ovn(bare_provider(&request.provider, &request.if_name));
        if ours {
            check_kind(request).map_err(not_given)?;
        }
        let id = id_of(request);
        let mut place = self.latest.come(&request.pod_namespace, &request.pod_name, &id);
        let _turn = tokio::select! {
            turn = self.turns.take(&id) => turn,
            () = caller.gone() => return Err(nobody_waits()),
        };
        progress.end(Stage::Turn);
        let before = self.is_wired(&id);
        let why = tokio::select! {
            answer = self.work(request, ours, deadline, progress) => return answer,
            () = caller.gone() => nobody_waits(),
            () = place.lost() => replaced(request),
        };
        if ours && !before {
            self.take_down(&Sandbox::of(request)).await?;
        }
        Err(why)
    }

    async fn work(
        &self,
        request: &PodRequest,
        ours: bool,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<PodResponse, Refusal> {
        let given = self.given(request, deadline).await?;
        progress.end(Stage::Address);
        if ours {
            return Box::pin(self.wire(request, given, deadline, progress)).await;
        }
        // Another plugin makes the interface.
        let routes = given.defaults(&request.if_name).iter().chain(&given.extras).map(route_config).collect();
        Ok(PodResponse { routes, ..response(&given) })
    }

    async fn wire(
        &self,
        request: &PodRequest,
        given: Given,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<PodResponse, Refusal> {
        let names = nic_names(&request.container_id, &request.if_name).map_err(|problem| bad(&problem))?;
        let userspace = self.switch.available(deadline).await.map_err(|problem| failed(&problem))?;
        progress.end(Stage::Bridge);
        let nic = pod_nic(request, &given, names, userspace)?;
        let netns = NetNs::open(&request.net_ns).map_err(not_attached)?;
        // Before anything is made: what is in the way of a link is deleted.
        let owner =
            self.owner(&Sandbox::of(request), &nic.names.host).map_err(|other| taken(&nic, &other))?;
        let extras = attach::up(&self.host, &netns, &nic).await.map_err(not_attached)?;
        progress.end(Stage::Link);
        self.switch.set(owner.clone(), Some(port(request, &given, &nic)));
        let ready = self.switch.ready_seen(&owner, deadline, |port| progress.see(port));
        if let Err(problem) = ready.await {
            self.switch.set(owner, None);
            // The problem is the one to tell; what is left the runtime's DEL removes.
            let _ = attach::down(&self.host, &nic.names).await;
            return Err(failed(&problem));
        }
        // Now that packets pass. Who is not told finds the pod all the same, when what he knows is too old. A machine that
        // comes from elsewhere announces itself when it is here.
        if !given.awaits_machine
            && let Err(error) = attach::announce(&netns, &nic).await
        {
            tracing::warn!(%error, link = nic.names.host, "the pod's neighbours are not told of it");
        }
        let routes: Vec<_> = nic.defaults.iter().chain(&extras).map(route_config).collect();
        Ok(PodResponse { routes, mtu: nic.mtu, nicname: nic.if_name, ..response(&given) })
    }

    /// The owner of an interface's port: one that Kube-OVN plugged goes by the name of its link. The error is the owner of
    /// a port with that link that is another sandbox's.
    fn owner(&self, sandbox: &Sandbox, link: &str) -> Result<OwnerKey, OwnerKey> {
        let view = self.switch.view();
        let view = view.borrow();
        match view.ports.iter().find(|(_, state)| state.port.link == link) {
            None => Ok(owner_of(&sandbox.id)),
            Some((owner, state)) if sandbox.has(owner, &state.port) => Ok(owner.clone()),
            Some((other, _)) => Err(other.clone()),
        }
    }

    async fn unwire(&self, sandbox: Sandbox) -> Result<(), Refusal> {
        // An ADD that still waits is one that the runtime gave up on.
        self.latest.go(&sandbox.id);
        let _turn = self.turns.take(&sandbox.id).await;
        self.take_down(&sandbox).await
    }

    fn is_wired(&self, id: &AttachmentId) -> bool {
        let Ok(names) = nic_names(&id.container_id, &id.if_name) else { return false };
        self.switch.view().borrow().ports.values().any(|state| state.port.link == names.host)
    }

    /// To be called by whose turn it is.
    async fn take_down(&self, sandbox: &Sandbox) -> Result<(), Refusal> {
        let AttachmentId { container_id, if_name } = &sandbox.id;
        // Under a name that can't be made nothing was made, and nothing for whom it was taken.
        let Ok(names) = nic_names(container_id, if_name) else { return Ok(()) };
        let Ok(owner) = self.owner(sandbox, &names.host) else { return Ok(()) };
        self.switch.set(owner.clone(), None);
        attach::down(&self.host, &names).await.map_err(not_attached)?;
        if self.switch.check().is_ok() && !self.switch.gone(&owner, Instant::now() + GONE_WITHIN).await {
            tracing::warn!(%owner, "the port is not out of Open_vSwitch yet; it will be removed");
        }
        Ok(())
    }
}

#[async_trait]
impl Handler for Wirer {
    async fn add(&self, request: PodRequest, caller: Caller) -> Result<PodResponse, Refusal> {
        let mut progress = Progress::new();
        let began = progress.began;
        self.observer.begun(&id_of(&request));
        let answer = Box::pin(self.serve(&request, caller, began + self.wait, &mut progress)).await;
        let took = began.elapsed();
        let Progress { mut stages, .. } = progress;
        if answer.is_err() {
            stages.give_up(took);
        }
        self.observer.added(&id_of(&request), &stages);
        let (pod, namespace, nic) = (&request.pod_name, &request.pod_namespace, &request.if_name);
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        match &answer {
            Ok(response) => {
                let ips: Vec<_> = response.ips.iter().map(|ip| ip.ip.as_str()).collect();
                tracing::info!(namespace, pod, nic, ?ips, took_ms, "interface wired");
            }
            Err(refusal) => {
                tracing::warn!(namespace, pod, nic, error = refusal.text(), took_ms, "interface not wired");
            }
        }
        answer
    }

    async fn del(&self, request: PodRequest) -> Result<(), Refusal> {
        self.unwire(Sandbox::of(&request)).await
    }

    async fn check(&self, request: PodRequest) -> Result<(), Refusal> {
        // What is not there now is not there: no waiting.
        let given = self.given(&request, Instant::now()).await?;
        if !annotations::is_ovn(bare_provider(&given.provider, &request.if_name)) {
            return Ok(());
        }
        let names = nic_names(&request.container_id, &request.if_name).map_err(|problem| bad(&problem))?;
        let nic = pod_nic(&request, &given, names, false)?;
        let netns = NetNs::open(&request.net_ns).map_err(not_attached)?;
        attach::check(&self.host, &netns, &nic).await.map_err(not_attached)?;
        let owner =
            self.owner(&Sandbox::of(&request), &nic.names.host).map_err(|other| taken(&nic, &other))?;
        self.switch.ready(&owner, Instant::now()).await.map_err(|problem| failed(&problem))
    }

    async fn gc(&self, request: GcRequest) -> Result<(), Refusal> {
        let ports = self.switch.view().borrow().ports.clone();
        let stale = ports.iter().filter_map(|(owner, state)| {
            let id = attachment_of(owner)?;
            let provider = bare_provider(provider_of(&state.port)?, &id.if_name);
            (*provider == *request.provider && !request.valid.contains(&id)).then_some(id)
        });
        let forget = |id: AttachmentId| async move {
            let (container, nic) = (id.container_id.clone(), id.if_name.clone());
            tracing::info!(container, nic, "the runtime does not know this interface any more");
            let done = self.unwire(Sandbox::forgotten(id)).await;
            if let Err(refusal) = &done {
                tracing::warn!(container, nic, error = refusal.text(), "it is not removed");
            }
            done
        };
        each(stale.collect(), forget).await
    }

    async fn status(&self) -> Result<(), Refusal> {
        self.switch.check().map_err(|problem| Refusal::Unavailable(problem.to_string()))?;
        if self.facts.borrow().knows(Kind::Pod) {
            return Ok(());
        }
        Err(Refusal::Unavailable(
            "NODE-NOT-SYNCED: the daemon has not read the cluster's pods yet".to_owned(),
        ))
    }
}

/// Does something to all, whatever comes of one of them; the first failure.
async fn each<T, E, F>(all: Vec<T>, mut what: impl FnMut(T) -> F + Send) -> Result<(), E>
where
    T: Send,
    E: Send,
    F: Future<Output = Result<(), E>> + Send,
{
    let mut done = Ok(());
    for one in all {
        let this = what(one).await;
        done = done.and(this);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_that_fails_keeps_none_of_the_others() {
        let mut tried = Vec::new();
        let done = each(vec![1, 2, 3, 4], |number| {
            tried.push(number);
            async move { if number % 2 == 0 { Err(number) } else { Ok(()) } }
        });
        assert_eq!(done.await, Err(2));
        assert_eq!(tried, [1, 2, 3, 4]);
        assert_eq!(each(vec![1, 3], |_| async { Ok::<_, ()>(()) }).await, Ok(()));
    }
}
