//! Tests the RDS control plane with the AWS SDK and real database servers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod mysql;
mod support;

use std::time::{Duration, Instant};

use aws_sdk_rds::Client;
use aws_sdk_rds::error::ProvideErrorMetadata;
use aws_sdk_rds::types::{DbCluster, Filter, Tag};
use support::{Stack, connect, connect_without_tls, processes_in};

/// Creates a cluster and waits until it is available.
async fn create(rds: &Client, id: &str) -> DbCluster {
    let created = rds
        .create_db_cluster()
        .db_cluster_identifier(id)
        .engine("aurora-postgresql")
        .master_username("app")
        .master_user_password("first-secret")
        .database_name("shop")
        .tags(Tag::builder().key("team").value("a & b").build())
        .send()
        .await
        .unwrap()
        .db_cluster
        .unwrap();
    assert_eq!(created.status(), Some("creating"));
    assert_eq!(available(rds, id).await.port(), created.port());
    created
}

/// Waits until a cluster is available.
async fn available(rds: &Client, id: &str) -> DbCluster {
    loop {
        let cluster = cluster(rds, id).await.expect("the cluster exists");
        match cluster.status() {
            Some("available") => return cluster,
            Some("creating" | "resetting-master-credentials") => tokio::time::sleep(Duration::from_millis(50)).await,
            other => panic!("{id} is {other:?}"),
        }
    }
}

async fn cluster(rds: &Client, id: &str) -> Option<DbCluster> {
    match rds.describe_db_clusters().db_cluster_identifier(id).send().await {
        Ok(mut found) => found.db_clusters.take()?.pop(),
        Err(error) if error.code() == Some("DBClusterNotFoundFault") => None,
        Err(error) => panic!("{error:?}"),
    }
}

/// Deletes a cluster and waits until it no longer exists.
async fn delete(rds: &Client, id: &str) {
    rds.delete_db_cluster().db_cluster_identifier(id).skip_final_snapshot(true).send().await.unwrap();
    while cluster(rds, id).await.is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_is_one_point_in_time_of_a_busy_cluster() {
    let stack = Stack::start().await;
    let rds = &stack.rds;
    let source = create(rds, "source").await;
    let port = source.port().unwrap() as u16;

    // The master user is no superuser and cannot connect to RDS's own database, but has the rights
    // of an owner.
    let db = connect(&stack, port, "shop", "app", "first-secret").await.unwrap();
    let row = db.query_one(
        "SELECT rolsuper, pg_has_role('rds_superuser', 'member') FROM pg_roles WHERE rolname = current_user",
        &[],
    );
    let row = row.await.unwrap();
    assert_eq!((row.get(0), row.get(1)), (false, true));
    let tls: bool = db.query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).await.unwrap().get(0);
    assert!(tls);
    db.batch_execute("CREATE EXTENSION hstore; CREATE TABLE a (id bigint PRIMARY KEY); CREATE TABLE b (id bigint)")
        .await
        .unwrap();
    assert!(connect(&stack, port, "rdsadmin", "app", "first-secret").await.is_err());
    assert!(connect(&stack, port, "shop", "app", "wrong-secret").await.is_err());
    assert!(connect(&stack, port, "shop", "rdsadmin", "").await.is_err());
    assert!(connect_without_tls(port, "postgres", "app", "first-secret").await.is_ok());

    // Each transaction writes the same row to both tables. They would differ in a copy that is not
    // one point in time.
    let writer = connect(&stack, port, "shop", "app", "first-secret").await.unwrap();
    let writing = tokio::spawn(async move {
        for id in 0i64.. {
            let sql = format!("BEGIN; INSERT INTO a VALUES ({id}); INSERT INTO b VALUES ({id}); COMMIT");
            writer.batch_execute(&sql).await.unwrap();
        }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let clone = rds
        .restore_db_cluster_to_point_in_time()
        .db_cluster_identifier("copy")
        .source_db_cluster_identifier(source.db_cluster_arn().unwrap())
        .restore_type("copy-on-write")
        .use_latest_restorable_time(true)
        .vpc_security_group_ids("sg-1")
        .send()
        .await
        .unwrap()
        .db_cluster
        .unwrap();
    assert_eq!(clone.status(), Some("creating"));
    assert_eq!(clone.clone_group_id(), source.clone_group_id());
    assert_eq!(clone.vpc_security_groups()[0].vpc_security_group_id(), Some("sg-1"));
    assert!(clone.tag_list().is_empty());
    available(rds, "copy").await;
    writing.abort();

    let copy = connect(&stack, clone.port().unwrap() as u16, "shop", "app", "first-secret").await.unwrap();
    let sql = "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM a FULL JOIN b USING (id) WHERE a.id IS NULL OR b.id IS NULL)";
    let row = copy.query_one(sql, &[]).await.unwrap();
    let (rows, torn): (i64, i64) = (row.get(0), row.get(1));
    assert!(rows > 0);
    assert_eq!(torn, 0);
    let later: i64 = db.query_one("SELECT count(*) FROM a", &[]).await.unwrap().get(0);
    assert!(later > rows);
    // Source and clone are independent from now on.
    copy.batch_execute("DROP TABLE a").await.unwrap();
    assert_eq!(db.query("SELECT FROM b LIMIT 1", &[]).await.unwrap().len(), 1);

    delete(rds, "copy").await;
    assert_eq!(processes_in(&stack.data_dir).len(), 1);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_can_be_given_or_managed() {
    let stack = Stack::start().await;
    let rds = &stack.rds;
    let port = create(rds, "c").await.port().unwrap() as u16;
    rds.modify_db_cluster().db_cluster_identifier("c").master_user_password("it's-$econd").send().await.unwrap();
    available(rds, "c").await;
    assert!(connect(&stack, port, "shop", "app", "first-secret").await.is_err());
    connect(&stack, port, "shop", "app", "it's-$econd").await.unwrap();

    let managed =
        rds.modify_db_cluster().db_cluster_identifier("c").manage_master_user_password(true).send().await.unwrap();
    let secret = managed.db_cluster.unwrap().master_user_secret.unwrap();
    assert_eq!(secret.secret_status(), Some("creating"));
    let cluster = available(rds, "c").await;
    assert_eq!(cluster.master_user_secret().unwrap().secret_status(), Some("active"));
    let (name, value) = stack.secrets.lock().unwrap().iter().next().map(|(a, b)| (a.clone(), b.clone())).unwrap();
    assert_eq!(name, format!("rds!{}", cluster.db_cluster_resource_id().unwrap()));
    let login: serde_json::Value = serde_json::from_str(&value).unwrap();
    connect(&stack, port, "shop", login["username"].as_str().unwrap(), login["password"].as_str().unwrap())
        .await
        .unwrap();

    let refused = rds.modify_db_cluster().db_cluster_identifier("c").master_user_password("third-secret").send().await;
    assert_eq!(refused.unwrap_err().code(), Some("InvalidParameterCombination"));
    delete(rds, "c").await;
    assert!(stack.secrets.lock().unwrap().is_empty());

    let new = rds.create_db_cluster().db_cluster_identifier("m").engine("aurora-postgresql").master_username("app");
    new.manage_master_user_password(true).send().await.unwrap();
    let cluster = available(rds, "m").await;
    assert_eq!(cluster.master_user_secret().unwrap().secret_status(), Some("active"));
    let value = stack.secrets.lock().unwrap().values().next().unwrap().clone();
    let login: serde_json::Value = serde_json::from_str(&value).unwrap();
    let password = login["password"].as_str().unwrap();
    connect(&stack, cluster.port().unwrap() as u16, "postgres", "app", password).await.unwrap();
    delete(rds, "m").await;
    assert!(stack.secrets.lock().unwrap().is_empty());
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_requests_are_refused_with_the_codes_of_rds() {
    let stack = Stack::start().await;
    let rds = &stack.rds;
    let unknown = rds.describe_db_clusters().db_cluster_identifier("none").send().await.unwrap_err();
    assert!(unknown.as_service_error().unwrap().is_db_cluster_not_found_fault());
    let unknown = rds.describe_db_instances().db_instance_identifier("none").send().await.unwrap_err();
    assert!(unknown.as_service_error().unwrap().is_db_instance_not_found_fault());
    let oracle = rds.create_db_cluster().db_cluster_identifier("o").engine("oracle-ee").send().await.unwrap_err();
    assert_eq!(oracle.code(), Some("InvalidParameterValue"));
    for id in ["-a", "a-", "a--b", "1a", "a_b"] {
        let bad =
            rds.create_db_cluster().db_cluster_identifier(id).engine("aurora-postgresql").send().await.unwrap_err();
        assert_eq!(bad.code(), Some("InvalidParameterValue"), "{id}");
    }
    let other = rds.describe_db_engine_versions().send().await.unwrap_err();
    assert_eq!(other.code(), Some("InvalidAction"));

    let c = create(rds, "Mixed-Case").await;
    assert_eq!(c.db_cluster_identifier(), Some("mixed-case"));
    let again = rds.create_db_cluster().db_cluster_identifier("mixed-case").engine("aurora-postgresql");
    let again = again.master_username("app").master_user_password("first-secret").send().await.unwrap_err();
    assert!(again.as_service_error().unwrap().is_db_cluster_already_exists_fault());

    // A cluster with an instance cannot be deleted, and neither can a protected cluster.
    let instance = rds.create_db_instance().db_instance_identifier("i").db_cluster_identifier("mixed-case");
    let instance = instance.db_instance_class("db.r6g.large").engine("aurora-postgresql").send().await.unwrap();
    assert_eq!(instance.db_instance().unwrap().db_instance_status(), Some("creating"));
    let of_cluster = Filter::builder().name("db-cluster-id").values(c.db_cluster_arn().unwrap()).build();
    loop {
        let found = rds.describe_db_instances().filters(of_cluster.clone()).send().await.unwrap();
        let instance = &found.db_instances()[0];
        if instance.db_instance_status() == Some("available") {
            assert_eq!(instance.endpoint().unwrap().port(), c.port());
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let full =
        rds.delete_db_cluster().db_cluster_identifier("mixed-case").skip_final_snapshot(true).send().await.unwrap_err();
    assert!(full.as_service_error().unwrap().is_invalid_db_cluster_state_fault());
    rds.delete_db_instance().db_instance_identifier("i").skip_final_snapshot(true).send().await.unwrap();
    rds.modify_db_cluster().db_cluster_identifier("mixed-case").deletion_protection(true).send().await.unwrap();
    let kept =
        rds.delete_db_cluster().db_cluster_identifier("mixed-case").skip_final_snapshot(true).send().await.unwrap_err();
    assert_eq!(kept.code(), Some("InvalidParameterCombination"));
    rds.modify_db_cluster().db_cluster_identifier("mixed-case").deletion_protection(false).send().await.unwrap();

    // Tags.
    let arn = c.db_cluster_arn().unwrap();
    let tag = Tag::builder().key("k").value("v").build();
    rds.add_tags_to_resource().resource_name(arn).tags(tag).send().await.unwrap();
    rds.remove_tags_from_resource().resource_name(arn).tag_keys("team").send().await.unwrap();
    let tags = rds.list_tags_for_resource().resource_name(arn).send().await.unwrap();
    assert_eq!(tags.tag_list().iter().map(|tag| tag.key().unwrap()).collect::<Vec<_>>(), ["k"]);

    // Tests can set faults and states.
    stack
        .post("/_control/faults", r#"{"action":"DescribeDBClusters","times":1,"code":"Throttling","status":400}"#)
        .await;
    let throttled = rds.describe_db_clusters().send().await.unwrap_err();
    assert_eq!(throttled.code(), Some("Throttling"));
    stack.post("/_control/clusters/mixed-case", r#"{"EngineMode":"serverless","Status":"stopped"}"#).await;
    let changed = cluster(rds, "mixed-case").await.unwrap();
    assert_eq!((changed.engine_mode(), changed.status()), (Some("serverless"), Some("stopped")));
    let stopped = rds.restore_db_cluster_to_point_in_time().db_cluster_identifier("copy");
    let stopped = stopped.source_db_cluster_identifier("mixed-case").use_latest_restorable_time(true).send().await;
    assert!(stopped.unwrap_err().as_service_error().unwrap().is_invalid_db_cluster_state_fault());
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sweep_removes_the_servers_of_a_crashed_control_plane() {
    let stack = Stack::start().await;
    create(&stack.rds, "left").await;
    assert_eq!(processes_in(&stack.data_dir).len(), 1);
    let start = Instant::now();
    local_stack::rds::sweep(&stack.data_dir).unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(processes_in(&stack.data_dir).is_empty());
    // Only the certificate authority remains.
    assert_eq!(std::fs::read_dir(&stack.data_dir).unwrap().count(), 1);
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sixteenth_clone_is_a_full_copy() {
    let stack = Stack::start().await;
    let source = create(&stack.rds, "source").await;
    // Without the source server all copies fail, which is faster than sixteen successful copies.
    local_stack::rds::sweep(&stack.data_dir).unwrap();
    for number in 1..=16 {
        let clone = stack.rds.restore_db_cluster_to_point_in_time().db_cluster_identifier(format!("clone-{number}"));
        let clone = clone.source_db_cluster_identifier("source").restore_type("copy-on-write");
        let clone = clone.use_latest_restorable_time(true).send().await.unwrap().db_cluster.unwrap();
        assert_eq!(clone.clone_group_id() == source.clone_group_id(), number <= 15, "{number}");
    }
    while cluster(&stack.rds, "clone-1").await.unwrap().status() != Some("cloning-failed") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    delete(&stack.rds, "clone-1").await;
    stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn export_task_actions_are_passed_on() {
    let stack = Stack::start().await;
    let tasks = stack.rds.describe_export_tasks().export_task_identifier("nightly").send().await.unwrap();
    assert_eq!(tasks.export_tasks()[0].export_task_identifier(), Some("nightly"));
    stack.stop().await;
}
