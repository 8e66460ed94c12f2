//! The shared state of the control plane, and background work that continues after the response.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::cluster::{Cluster, Names, Registry, Settings, resource_id};
use super::engine::{self, EngineError, Place, Programs, Server};
use super::error::ApiError;
use super::faults::Faults;
use super::tls::Authority;

/// The state that all actions share.
pub(crate) struct ControlPlane {
    pub(crate) names: Names,
    pub(crate) data_dir: PathBuf,
    pub(crate) delay: Duration,
    pub(crate) secrets: Option<Client>,
    pub(crate) postgres_bin: Option<PathBuf>,
    pub(crate) authority: Authority,
    pub(crate) registry: Mutex<Registry>,
    pub(crate) faults: Mutex<Faults>,
    /// The running background tasks. `None` after the shutdown has begun.
    pub(crate) work: Mutex<Option<JoinSet<()>>>,
}

impl ControlPlane {
    /// Locks the resources. Callers must not hold the lock across an await.
    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }

    /// Returns a server for a new cluster, with a free port.
    pub(crate) fn new_server(
        &self,
        registry: &Registry,
        programs: Programs,
        (id, resource_id): (&str, &str),
        settings: &Settings,
    ) -> Result<Server, ApiError> {
        let port = engine::free_port(&registry.ports()).map_err(ApiError::internal)?;
        let parameters = registry.parameters(&settings.parameter_group);
        let place = Place { name: id.to_owned(), dir: self.data_dir.join(resource_id), port, parameters };
        Server::new(programs, place).map_err(ApiError::internal)
    }

    /// Runs `work` in the background, unless the shutdown has begun.
    pub(crate) fn spawn<W>(self: &Arc<Self>, work: impl FnOnce(Arc<Self>) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        if let Some(tasks) = lock(&self.work).as_mut() {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(work(Arc::clone(self)));
        }
    }

    /// Waits for `work`, but at least for the configured delay.
    pub(crate) async fn at_least_delay<T>(&self, work: impl Future<Output = T>) -> T {
        let end = Instant::now() + self.delay;
        let done = work.await;
        sleep_until(end).await;
        done
    }

    /// Changes a cluster if it still exists.
    pub(crate) fn update(&self, id: &str, change: impl FnOnce(&mut Cluster)) {
        if let Ok(cluster) = self.registry().cluster(id) {
            change(cluster);
        }
    }

    /// Sets the status of a cluster according to the result of background work. `failed` is the
    /// status after an error.
    pub(crate) fn settle(&self, id: &str, done: Result<(), EngineError>, failed: &str) {
        if let Err(error) = &done {
            tracing::error!(cluster = id, error = error as &dyn std::error::Error, "the database server failed");
        }
        self.update(id, |cluster| {
            cluster.status = if done.is_ok() { "available" } else { failed }.to_owned();
            if let Some(secret) = cluster.secret.as_mut().filter(|_| done.is_ok()) {
                secret.status = "active";
            }
        });
    }

    /// Waits until the status of a cluster is none of `states`. Returns the status, or `None` if
    /// the cluster no longer exists.
    pub(crate) async fn wait_until_not(&self, id: &str, states: &[&str]) -> Option<String> {
        loop {
            let status = self.registry().clusters.get(id).map(|cluster| cluster.status.clone());
            if status.as_deref().is_none_or(|status| !states.contains(&status)) {
                return status;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns the resource id and the ARN of a new cluster.
    pub(crate) fn identity(&self, id: &str) -> (String, String) {
        (resource_id("cluster"), self.names.arn("cluster", id))
    }
}

/// Locks a mutex, also after a panic of another holder. The data is consistent even then, because
/// every change is a single assignment or insertion.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
