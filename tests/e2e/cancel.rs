//! A canceled task ends within seconds, whatever a function is waiting for. `refusals` tests the
//! same for extraction.

use std::time::{Duration, Instant};

use export_aws::StepError;
use export_task::task::{CloneEndpoint, TaskRef};
use futures_util::future::join;
use serde_json::json;
use tokio::net::TcpListener;

use crate::harness::aws::list;
use crate::harness::bench::{Bench, code};
use crate::harness::cluster::{Cluster, run};
use crate::harness::wait_for;
use crate::harness::wire::control;

/// A service that accepts every connection and never responds, until this is dropped.
struct Silent {
    _listener: TcpListener,
    endpoint: String,
}

impl Silent {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        Self { _listener: listener, endpoint }
    }
}

/// Cancels the task while `handler` runs. Asserts that `handler` ends with `ExportCanceled` soon
/// afterwards.
async fn ends_when_canceled<T: std::fmt::Debug>(
    bench: &Bench,
    task: &TaskRef,
    handler: impl Future<Output = Result<T, StepError>>,
) {
    let cancel = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        bench.store.cancel(&task.export_task_identifier).await.unwrap();
        Instant::now()
    };
    let ended = async { (handler.await, Instant::now()) };
    let ((result, ended), canceled) = join(ended, cancel).await;
    assert_eq!(code(result), "ExportCanceled");
    assert!(ended > canceled && ended - canceled < Duration::from_secs(10), "{:?}", ended - canceled);
}

#[test]
fn a_task_is_canceled_while_its_clone_is_created() {
    let bench = Bench::new("cancel-cloning");
    let cluster = Cluster::create(bench.env, "slow-clone", "SELECT 1");
    run(async {
        let task = bench.admit("slow-clone", &cluster.id, "1", 5).await.unwrap();
        let input = || clone_cluster::Input { task: task.clone() };
        let clone = &task.clone_identifier;
        // A call with no time to poll describes the clone once.
        let asked = clone_cluster::handle(&bench.cloning(Duration::ZERO), input()).await.unwrap();
        assert_eq!(asked.status, "creating");
        wait_for("the clone", Duration::from_secs(60), || {
            let found = bench.env.aws("rds", "describe_db_clusters", json!({"DBClusterIdentifier": clone}));
            (list(&found, "DBClusters")[0]["Status"] == "available").then_some(())
        });
        control(bench.env, &format!("clusters/{clone}"), &json!({"Status": "backing-up"}));
        let (began, hold) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(clone_cluster::handle(&bench.cloning(hold), input()).await.unwrap().status, "creating");
        assert!(began.elapsed() >= hold);
        let lasting = bench.cloning(Duration::from_secs(600));
        ends_when_canceled(&bench, &task, clone_cluster::handle(&lasting, input())).await;

        control(bench.env, &format!("clusters/{clone}"), &json!({"Status": "available"}));
        bench.fail(&input().task, "ExportCanceled", "{}").await.unwrap();
        bench.delete_clone(&task).await;
    });
}

#[test]
fn a_task_is_canceled_while_its_export_is_planned() {
    let bench = Bench::new("cancel-planning");
    run(async {
        let task = bench.admit("slow-plan", "any", "1", 5).await.unwrap();
        let silent = Silent::new().await;
        let secrets = aws_sdk_secretsmanager::config::Builder::from(&bench.aws).endpoint_url(&silent.endpoint).build();
        let deps = plan_export::Deps {
            store: bench.store.clone(),
            secrets: aws_sdk_secretsmanager::Client::from_conf(secrets),
            work_bucket: bench.work_bucket(),
            target_bytes: 1 << 20,
            max_workers: 4,
        };
        let clone = CloneEndpoint {
            status: "available".into(),
            host: Some("127.0.0.1".into()),
            database: None,
            port: Some(1),
            engine: "aurora-postgresql".into(),
            instance_class: None,
            secret_arn: Some("arn".into()),
        };
        let input = plan_export::Input { task: task.clone(), clone };
        ends_when_canceled(&bench, &task, plan_export::handle(&deps, input)).await;
    });
}

#[test]
fn a_task_is_canceled_while_its_export_is_finished() {
    let bench = Bench::new("cancel-finishing");
    run(async {
        let task = bench.admit("slow-finish", "any", "1", 5).await.unwrap();
        bench.store.begin_extraction("slow-finish", 1, 0).await.unwrap();
        let silent = Silent::new().await;
        let deps = finish_export::Deps {
            store: bench.store.clone(),
            work_bucket: bench.work_bucket(),
            aws: bench.aws.to_builder().endpoint_url(&silent.endpoint).build(),
        };
        let input = json!({"Task": task, "Outcome": "COMPLETE"});
        let finish = finish_export::handle(&deps, serde_json::from_value(input).unwrap());
        ends_when_canceled(&bench, &task, finish).await;
        assert_eq!(bench.fail(&task, "ExportCanceled", "{}").await.unwrap().status, "CANCELED");
    });
}
