//! The process that hosts a stack, `cargo xtask stack-server`. Only [`Stack::up`](crate::Stack::up)
//! starts it.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use export_endpoint::ExportApi;
use tokio::process::Child;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::block_in_place;

use crate::deploy::{self, Outputs};
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::stack::{self, Stack};
use crate::{ministack, prerequisites, process, rds};

/// The minimum duration of a cluster's change of state. Clients can observe `creating`, and tests
/// stay fast.
const RDS_DELAY: Duration = Duration::from_millis(300);

/// Starts a stack, writes its state file, and stops the stack on SIGTERM.
///
/// With `ends_with_stdin` it also stops the stack when the standard input ends, which means that
/// the parent process has ended. In this case it removes everything except the logs. Needs a
/// runtime with more than one thread.
///
/// # Errors
///
/// Returns an error if a part of the stack does not start or ends unexpectedly.
pub async fn run(layout: Layout, ends_with_stdin: bool) -> Result<()> {
    let mut abandoned = ends_with_stdin.then(end_of_stdin);
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|source| Error::System { resource: "a signal handler", source })?;
    let port = ministack::free_port()?;
    let endpoint = ministack::endpoint(port);
    let control = serve_rds(&layout, &endpoint).await?;
    let ended = match block_in_place(|| ministack::start(&layout, port, control.addr())) {
        Ok(mut cloud) => {
            let deployed = block_in_place(|| deploy_and_save(&layout, port, &control));
            let ended = match deployed {
                Ok(()) => wait(&mut cloud, &layout, &mut terminate, abandoned.as_mut()).await,
                failed => failed,
            };
            // ministack ends first, so that no function uses resources that are being removed.
            let _ = cloud.kill().await;
            ended
        }
        Err(error) => Err(error),
    };
    let stopped = control.shutdown().await.map_err(|error| Error::Rds(error.into()));
    block_in_place(|| process::sweep(&layout))?;
    if ends_with_stdin {
        stack::remove(&layout)?;
    }
    ended.and(stopped)
}

/// Returns a receiver that completes when the standard input ends. A separate thread reads it,
/// because the read cannot be interrupted.
fn end_of_stdin() -> oneshot::Receiver<()> {
    let (ended, receiver) = oneshot::channel();
    thread::spawn(move || {
        // Nobody writes to the standard input. A read error counts as its end.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        ended.send(())
    });
    receiver
}

async fn serve_rds(layout: &Layout, endpoint: &str) -> Result<rds::Server> {
    let config = rds::Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        data_dir: layout.data_dir.clone(),
        ca_dir: layout.state_dir.join("ca"),
        account: ministack::ACCOUNT.to_owned(),
        region: ministack::REGION.to_owned(),
        postgres_bin: Some(prerequisites::postgres(&|_| ())?),
        delay: RDS_DELAY,
        secrets: Some(aws_sdk_secretsmanager::Client::new(&ministack::sdk_config(endpoint))),
        export_tasks: Some(export_tasks(endpoint)),
    };
    rds::serve(config).await.map_err(|error| Error::Rds(error.into()))
}

/// Passes the export task actions to the deployed function, as `aurora-export endpoint` does for a
/// stack on AWS.
fn export_tasks(endpoint: &str) -> rds::ExportTasks {
    let client = aws_sdk_lambda::Client::new(&ministack::sdk_config(endpoint));
    let api = ExportApi::new(client, format!("{}-export-api", deploy::STACK));
    Arc::new(move |_, body| {
        let api = api.clone();
        Box::pin(async move { api.answer(&body).await })
    })
}

/// Deploys the template and writes the state file.
fn deploy_and_save(layout: &Layout, port: u16, control: &rds::Server) -> Result<()> {
    let endpoint = ministack::endpoint(port);
    let outputs = deploy::deploy(layout, &endpoint, control.ca_file())?;
    let stack = Stack {
        supervisor: std::process::id(),
        port,
        fingerprint: deploy::fingerprint(layout)?,
        variables: variables(&endpoint, control, &outputs),
        outputs: outputs.stack,
    };
    stack.save(layout)
}

fn variables(endpoint: &str, control: &rds::Server, outputs: &Outputs) -> BTreeMap<String, String> {
    let named =
        |name: &str, outputs: &BTreeMap<String, String>, key: &str| Some((name.to_owned(), outputs.get(key)?.clone()));
    let mut variables: BTreeMap<String, String> =
        deploy::client_environment(endpoint).map(|(name, value)| (name.to_owned(), value)).into();
    variables.insert("AWS_ENDPOINT_URL_RDS".to_owned(), format!("http://{}", control.addr()));
    variables.insert("DATABASE_CA_FILE".to_owned(), control.ca_file().display().to_string());
    variables.extend(
        [
            named("EXPORT_BUCKET", &outputs.user, "ExportBucketName"),
            named("EXPORT_ROLE_ARN", &outputs.user, "ExportRoleArn"),
            named("EXPORT_KMS_KEY_ID", &outputs.user, "ExportKmsKeyId"),
            named("EXPORT_QUEUE_URL", &outputs.user, "ExportQueueUrl"),
            named("EXPORT_TOPIC_ARN", &outputs.stack, "ExportTopicArn"),
            named("STATE_MACHINE_ARN", &outputs.stack, "StateMachineArn"),
        ]
        .into_iter()
        .flatten(),
    );
    variables
}

/// Waits for SIGTERM, for the end of the parent process, or for an unexpected end of the local
/// cloud.
async fn wait(
    cloud: &mut Child,
    layout: &Layout,
    terminate: &mut Signal,
    abandoned: Option<&mut oneshot::Receiver<()>>,
) -> Result<()> {
    let abandoned = async {
        match abandoned {
            Some(abandoned) => drop(abandoned.await),
            None => pending().await,
        }
    };
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        () = abandoned => Ok(()),
        _ = cloud.wait() => Err(Error::NotStarted { reason: "ministack ended unexpectedly".to_owned(), log: layout.log("ministack") }),
    }
}
