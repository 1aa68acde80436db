//! A controller that can be killed.

use std::{sync::Arc, time::Duration};

use kubeovn_bins::run::{
    controller::{Company, run},
    report::{Asker, Report, desk},
};
use kubeovn_core::index::Settings;
use tokio::task::JoinHandle;

use crate::{
    cut::{CutCluster, CutDatabase, Fuse},
    ground::Ground,
};

/// Runs until it is killed or dropped, which is the same.
pub(crate) struct Controller {
    task: JoinHandle<()>,
    asker: Asker,
    pub(crate) fuse: Arc<Fuse>,
}

impl Controller {
    /// Starts on what is there, over connections of its own.
    pub(crate) fn start(ground: &dyn Ground) -> Self {
        let fuse = Fuse::new();
        let cluster = Arc::new(CutCluster { inner: ground.cluster(), fuse: fuse.clone() });
        let database = CutDatabase { inner: ground.database(), fuse: fuse.clone(), unanswered: None };
        let (asker, questions) = desk();
        let company = Company { questions, ..Company::default() };
        let task = tokio::spawn(run(Settings::default(), cluster, Box::new(database), company));
        Controller { task, asker, fuse }
    }

    /// How it stands; `None` when it does not answer.
    pub(crate) async fn report(&self) -> Option<Report> {
        assert!(!self.task.is_finished(), "the controller has ended by itself");
        self.asker.ask(Duration::from_secs(10)).await
    }

    /// Everything is done, as far as it can be.
    pub(crate) async fn is_idle(&self) -> bool {
        self.report().await.is_some_and(|report| report.idle)
    }

    /// It is gone when this returns: nothing is flushed, and its connections are closed.
    pub(crate) async fn kill(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.task.abort();
    }
}
