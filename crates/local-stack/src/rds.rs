//! The RDS control plane of the local stack: an RDS Query server on loopback whose clusters are
//! real database servers.
//!
//! `CreateDBCluster` initializes and starts a server. `RestoreDBClusterToPointInTime` makes a
//! physical copy of a running server. `DeleteDBCluster` removes it. State changes take time, limits
//! apply, and invalid requests are refused with the error codes of RDS.
//!
//! `EngineVersion` selects one of the servers on this machine by its major version: `15` or `18`
//! for `aurora-postgresql`, `10` or `9` (or the names `mariadb` and `mysql`) for `aurora-mysql`.
//! Clusters of Aurora MySQL run on MariaDB unless they request MySQL. Responses show the version of
//! the server.
//!
//! Differences from RDS: a cluster can be reached before it has an instance. `Port` is ignored;
//! every cluster gets a free port on 127.0.0.1. There are no snapshots. All state is lost when the
//! process ends.
//!
//! Tests control it with these requests:
//!
//! * `POST /_control/faults` with `{"action", "times", "code", "status", "message"}` makes the next
//!   calls of an action fail.
//! * `DELETE /_control/faults` removes all faults.
//! * `POST /_control/clusters/{id}` with `{"EngineMode", "Status"}` changes what the control plane
//!   reports of a cluster.
//!
//! # Layout
//!
//! * `control` – shared state and background work. `cluster` – the model of clusters and instances.
//! * `clusters`, `modify`, `restore`, `instances`, `tags`, `parameters` – the actions. `validate` –
//!   their request parameters. `xml` – their responses.
//! * `engine` – the database servers. `tls` – their certificates. `secrets` – master passwords in
//!   Secrets Manager.
//! * `error` – error responses. `faults` – errors that tests request.

mod cluster;
mod clusters;
mod control;
mod engine;
mod error;
mod faults;
mod instances;
mod modify;
mod parameters;
mod restore;
mod secrets;
mod tags;
mod tls;
mod validate;
mod xml;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use rds_query::Request;
use rds_query::xml as document;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use control::{ControlPlane, lock};
pub use engine::EngineError;
use error::ApiError;
pub use tls::TlsError;

/// Handles the export task actions (`StartExportTask`, `DescribeExportTasks`, `CancelExportTask`).
/// It gets the unchanged headers and body of the request.
pub type ExportTasks = Arc<dyn Fn(HeaderMap, Bytes) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send + Sync>;

/// The configuration of the control plane.
#[derive(Clone)]
pub struct Config {
    /// The address to listen on. It must be a loopback address; port 0 selects a free port.
    pub listen: SocketAddr,
    /// The directory for the servers' data. Every user must be able to enter it and its parents,
    /// because servers started by root run as `postgres`. Nothing else may use it, because servers
    /// found in it are stopped and removed.
    pub data_dir: PathBuf,
    /// The directory of the certificate authority.
    pub ca_dir: PathBuf,
    /// The account of all resources.
    pub account: String,
    /// The Region of all resources.
    pub region: String,
    /// The directory of the programs for PostgreSQL clusters without a version. `None` searches for
    /// one.
    pub postgres_bin: Option<PathBuf>,
    /// The minimum duration of a state change.
    pub delay: Duration,
    /// The client for `ManageMasterUserPassword`. Without it, that option is refused.
    pub secrets: Option<aws_sdk_secretsmanager::Client>,
    /// The handler of the export task actions. Without it, they are unknown actions.
    pub export_tasks: Option<ExportTasks>,
}

/// An error of the control plane as a whole.
#[derive(Debug, thiserror::Error)]
pub enum RdsError {
    /// The address is not a loopback address.
    #[error("{0} is not a loopback address")]
    NotLoopback(SocketAddr),
    /// The address cannot be used.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A database server failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The certificate authority cannot be created or read.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A running control plane. Dropping this stops and removes its database servers, without waiting
/// for background work. [`Server::shutdown`] waits for it.
pub struct Server {
    addr: SocketAddr,
    control: Arc<ControlPlane>,
    stop: Option<oneshot::Sender<()>>,
    http: JoinHandle<io::Result<()>>,
}

/// Starts the control plane. First removes the servers of an earlier one from the data directory.
///
/// # Errors
///
/// Returns an error if the address, the data directory or the certificate authority cannot be used.
pub async fn serve(config: Config) -> Result<Server, RdsError> {
    if !config.listen.ip().is_loopback() {
        return Err(RdsError::NotLoopback(config.listen));
    }
    let data_dir = open_data_dir(&config.data_dir)?;
    sweep(&data_dir)?;
    let control = Arc::new(ControlPlane {
        names: cluster::Names { account: config.account, region: config.region },
        data_dir,
        delay: config.delay,
        secrets: config.secrets,
        postgres_bin: config.postgres_bin,
        authority: tls::Authority::open(&config.ca_dir)?,
        registry: Mutex::default(),
        faults: Mutex::default(),
        work: Mutex::new(Some(JoinSet::new())),
    });
    let router = Router::new()
        .route("/_control/faults", post(add_fault).delete(clear_faults))
        .route("/_control/clusters/{id}", post(change_cluster))
        .fallback(query)
        .with_state((Arc::clone(&control), config.export_tasks));
    let listen = |source| RdsError::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
    let addr = listener.local_addr().map_err(listen)?;
    let (stop, stopped) = oneshot::channel();
    let serve = axum::serve(listener, router).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    tracing::info!(%addr, "the RDS control plane has started");
    Ok(Server { addr, control, stop: Some(stop), http: tokio::spawn(serve.into_future()) })
}

impl Server {
    /// Returns the address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the PEM file with the certificate authority of the database servers, for clients.
    pub fn ca_file(&self) -> &Path {
        self.control.authority.certificate()
    }

    /// Stops accepting requests, waits for background work, stops all database servers and removes
    /// their data.
    ///
    /// # Errors
    ///
    /// Returns an error if a directory cannot be removed.
    pub async fn shutdown(mut self) -> Result<(), RdsError> {
        drop(self.stop.take());
        // A client that keeps its connection open must not delay the end of the servers.
        let _ = tokio::time::timeout(Duration::from_secs(5), &mut self.http).await;
        let work = lock(&self.control.work).take();
        if let Some(work) = work {
            work.join_all().await;
        }
        Ok(sweep(&self.control.data_dir)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.http.abort();
        drop(lock(&self.control.work).take());
        if let Err(error) = sweep(&self.control.data_dir) {
            tracing::error!(error = &error as &dyn std::error::Error, "cannot remove the database servers");
        }
    }
}

/// Stops every database server of a data directory and removes its data, even if its control plane
/// has crashed. Does not change anything else in the directory.
///
/// # Errors
///
/// Returns an error if a directory cannot be removed. The other directories are removed
/// nevertheless.
pub fn sweep(data_dir: &Path) -> Result<(), EngineError> {
    let entries = match std::fs::read_dir(data_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(engine::file(data_dir))?,
    };
    let dirs: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| cluster::is_cluster_dir(path)).collect();
    // Stopping is quick, but removing gigabytes is not. All servers are stopped first, so that an
    // interruption leaves no process.
    dirs.iter().for_each(|dir| engine::stop(dir));
    dirs.iter().map(|dir| engine::remove(dir)).fold(Ok(()), Result::and)
}

/// Creates the data directory. Every user can enter it.
fn open_data_dir(dir: &Path) -> Result<PathBuf, EngineError> {
    let open = || {
        if !dir.exists() {
            std::fs::create_dir_all(dir)?;
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o711))?;
        }
        dir.canonicalize()
    };
    open().map_err(engine::file(dir))
}

/// The state of the HTTP handlers.
type Shared = State<(Arc<ControlPlane>, Option<ExportTasks>)>;

/// Handles an RDS Query request.
async fn query(State((control, export_tasks)): Shared, headers: HeaderMap, body: Bytes) -> Response {
    if !export_endpoint::is_from_aws_client(&headers) {
        return export_endpoint::refusal();
    }
    let id = uuid::Uuid::new_v4().to_string();
    let request = match Request::parse(&body) {
        Ok(request) => request,
        Err(error) => return reply(&id, Err(error.into())),
    };
    let action = request.action();
    let fault = lock(&control.faults).take(action);
    if let Some(fault) = fault {
        return reply(&id, Err(fault));
    }
    if let ("StartExportTask" | "DescribeExportTasks" | "CancelExportTask", Some(export_tasks)) =
        (action, &export_tasks)
    {
        return export_tasks(headers, body).await;
    }
    let result = match action {
        "CreateDBCluster" => clusters::create(&control, &request, &id).await,
        "DescribeDBClusters" => clusters::describe(&control, &request, &id),
        "ModifyDBCluster" => modify::modify(&control, &request, &id).await,
        "RestoreDBClusterToPointInTime" => restore::restore(&control, &request, &id),
        "DeleteDBCluster" => clusters::delete(&control, &request, &id),
        "CreateDBInstance" => instances::create(&control, &request, &id),
        "DescribeDBInstances" => instances::describe(&control, &request, &id),
        "DeleteDBInstance" => instances::delete(&control, &request, &id),
        "AddTagsToResource" => tags::add(&control, &request, &id),
        "RemoveTagsFromResource" => tags::remove(&control, &request, &id),
        "ListTagsForResource" => tags::list(&control, &request, &id),
        "CreateDBClusterParameterGroup" => parameters::create(&control, &request, &id),
        "ModifyDBClusterParameterGroup" => parameters::modify(&control, &request, &id),
        other => {
            Err(ApiError::new("InvalidAction", format!("Could not find operation {other} for version 2014-10-31")))
        }
    };
    match &result {
        Ok(_) => tracing::info!(action, "request succeeded"),
        Err(error) => tracing::info!(action, %error, "request refused"),
    }
    reply(&id, result)
}

/// Returns the HTTP response for the result of an action.
fn reply(id: &str, result: Result<String, ApiError>) -> Response {
    let (status, body) = match result {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => {
            let fault = if error.status < 500 { document::Fault::Sender } else { document::Fault::Receiver };
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, document::error(fault, &error.code, &error.message, id))
        }
    };
    let headers = [(header::CONTENT_TYPE.as_str(), document::CONTENT_TYPE), ("x-amzn-requestid", id)];
    (status, headers, body).into_response()
}

/// Handles `POST /_control/faults`.
async fn add_fault(State((control, _)): Shared, body: Bytes) -> Response {
    match serde_json::from_slice(&body) {
        Ok(fault) => {
            lock(&control.faults).add(fault);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

/// Handles `DELETE /_control/faults`.
async fn clear_faults(State((control, _)): Shared) -> StatusCode {
    lock(&control.faults).clear();
    StatusCode::NO_CONTENT
}

/// The JSON body of `POST /_control/clusters/{id}`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Change {
    engine_mode: Option<String>,
    status: Option<String>,
}

/// Handles `POST /_control/clusters/{id}`.
async fn change_cluster(State((control, _)): Shared, UrlPath(id): UrlPath<String>, body: Bytes) -> Response {
    let change: Change = match serde_json::from_slice(&body) {
        Ok(change) => change,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let mut registry = control.registry();
    let Ok(cluster) = registry.cluster(&id) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if let Some(mode) = change.engine_mode {
        cluster.engine_mode = mode;
    }
    if let Some(status) = change.status {
        cluster.status = status;
    }
    StatusCode::NO_CONTENT.into_response()
}
