//! The namespace of a run: made, filled, looked at, and removed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Event, Namespace, Pod, Service};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client, Error};
use tokio::time::sleep;

use super::manifest::{self, LABEL, OURS, ROLE, Role};
use super::waiting::{Stage, stage};
use crate::ctl::error::CtlError;
use crate::run::controller::now;

/// How often to look at pods.
const LOOK: Duration = Duration::from_millis(250);
/// A new namespace has no service account at first, without which no pod is taken.
const ACCOUNT: Duration = Duration::from_secs(15);

/// A namespace of ours.
#[derive(Clone)]
pub(super) struct Place {
    client: Client,
    pub(super) name: String,
}

/// What a pod came to: what was asked of it, or why not.
pub(super) type Came<T> = BTreeMap<String, Result<T, String>>;

impl Place {
    pub(super) fn new(client: Client, name: String) -> Self {
        Place { client, name }
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// Makes it; whoever finds it after `longest` may remove it.
    pub(super) async fn create(&self, longest: Duration) -> Result<(), CtlError> {
        let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        let what = || format!("namespace {}", self.name);
        let namespace = manifest::namespace(&self.name, now().saturating_add(longest))
            .map_err(|e| refused(what(), &e))?;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.create(&PostParams::default(), &namespace).await.map_err(|e| refused(what(), &e))?;
        Ok(())
    }

    /// Makes the Service of all servers.
    pub(super) async fn create_service(&self) -> Result<Service, CtlError> {
        let what = || format!("Service {}/{}", self.name, manifest::SERVICE);
        let service = manifest::service().map_err(|e| refused(what(), &e))?;
        let services: Api<Service> = Api::namespaced(self.client.clone(), &self.name);
        services.create(&PostParams::default(), &service).await.map_err(|e| refused(what(), &e))
    }

    /// Makes a pod.
    pub(super) async fn create_pod(&self, pod: Result<Pod, serde_json::Error>) -> Result<(), CtlError> {
        let pod = pod.map_err(|e| refused(format!("a pod of {}", self.name), &e))?;
        let began = Instant::now();
        loop {
            match self.pods().create(&PostParams::default(), &pod).await {
                Ok(_) => return Ok(()),
                Err(Error::Api(status))
                    if status.code == 403
                        && status.message.contains("serviceaccount")
                        && began.elapsed() < ACCOUNT =>
                {
                    sleep(LOOK).await;
                }
                Err(error) => {
                    let name = pod.metadata.name.clone().unwrap_or_default();
                    return Err(refused(format!("pod {}/{name}", self.name), &error));
                }
            }
        }
    }

    /// Waits until each pod of a role is where `reached` answers something, will not come, or the time is over. By node.
    pub(super) async fn wait<T>(
        &self,
        role: Role,
        limit: Duration,
        reached: impl Fn(Stage) -> Option<T>,
    ) -> Result<Came<T>, CtlError> {
        let began = Instant::now();
        let mine = ListParams::default().labels(&format!("{ROLE}={}", role.name()));
        loop {
            let list = self.pods().list(&mine).await;
            let over = began.elapsed() >= limit;
            let pods = match list {
                Ok(list) => list.items,
                // One answer that is lost is no reason to end.
                Err(_) if !over => {
                    sleep(LOOK).await;
                    continue;
                }
                Err(error) => return Err(refused(format!("the list of pods in {}", self.name), &error)),
            };
            let mut came = Came::new();
            let mut waits = 0;
            for pod in &pods {
                let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
                let outcome = match stage(pod) {
                    Stage::Failed(why) => Err(why),
                    Stage::Waits(what, why) => {
                        waits += 1;
                        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                        Err(format!("{what} within {} s{why}", limit.as_secs()))
                    }
                    Stage::Ended(_) if role == Role::Server => {
                        Err(format!("the pod on {node} ended by itself: see what --image asks for"))
                    }
                    other => reached(other).ok_or_else(|| {
                        waits += 1;
                        format!("the pod on {node} did not end within {} s", limit.as_secs())
                    }),
                };
                came.insert(node, outcome);
            }
            if waits == 0 {
                return Ok(came);
            }
            if over {
                self.add_events(&mut came, &pods).await;
                return Ok(came);
            }
            sleep(LOOK).await;
        }
    }

    /// The last warning about a pod tells more than its status: what a network plugin said, above all.
    async fn add_events<T>(&self, came: &mut Came<T>, pods: &[Pod]) {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.name);
        // A help beside the rest.
        let Ok(list) = events.list(&ListParams::default()).await else { return };
        for pod in pods {
            let about = |event: &&Event| {
                event.involved_object.name == pod.metadata.name && event.type_.as_deref() == Some("Warning")
            };
            let said =
                list.items.iter().filter(about).filter_map(|event| event.message.as_deref()).next_back();
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or_default();
            let Some(Err(why)) = came.get_mut(node) else { continue };
            // An image that can't be pulled is told twice.
            if let Some(said) = said.filter(|said| !said.starts_with("Error: ") && !why.contains(said)) {
                *why = format!("{why}: {said}");
            }
        }
    }

    /// Removes it with all that is in it.
    ///
    /// # Errors
    /// Why it is still there.
    pub(super) async fn remove(&self) -> Result<(), String> {
        let at_once = DeleteParams::default().grace_period(0);
        // The namespace would take them along, where somebody looks after namespaces.
        let pods = self.pods().delete_collection(&at_once, &ListParams::default()).await;
        let services: Api<Service> = Api::namespaced(self.client.clone(), &self.name);
        let service = services.delete(manifest::SERVICE, &DeleteParams::default()).await;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = namespaces.delete(&self.name, &DeleteParams::default()).await;
        gone(pods.map(drop)).and(gone(service.map(drop))).and(gone(namespace.map(drop)))
    }
}

/// What is not there needs no removing.
fn gone(deleted: Result<(), Error>) -> Result<(), String> {
    match deleted {
        Err(Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        done => done.map_err(|error| error.to_string()),
    }
}

fn refused(what: String, error: &dyn std::error::Error) -> CtlError {
    CtlError::TestRefused { what, reason: error.to_string() }
}

/// Namespaces of runs that ended without removing them.
pub(super) async fn left(client: &Client) -> Result<Vec<Place>, CtlError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let ours = ListParams::default().labels(&format!("{LABEL}={OURS}"));
    let list = namespaces.list(&ours).await.map_err(|e| refused("the list of namespaces".to_owned(), &e))?;
    let left = list.items.iter().filter(|namespace| manifest::is_left(namespace, now()));
    let place = |namespace: &Namespace| {
        Place::new(client.clone(), namespace.metadata.name.clone().unwrap_or_default())
    };
    Ok(left.map(place).collect())
}
