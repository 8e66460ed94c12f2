//! Malformed and malicious requests, and many requests at once, through `aurora-export endpoint`.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::harness::aws::{list, text};
use crate::harness::cluster::{Cluster, run};
use crate::harness::overrides::VariableOverride;
use crate::harness::task::{Task, reasons};
use crate::harness::wire::{Endpoint, element, form};
use crate::harness::{Env, faulty, shared};

/// The error codes that the API documents, without `InternalFailure` and `ServiceUnavailable`: no
/// request may cause those.
const DOCUMENTED_CODES: &[&str] = &[
    "DBClusterNotFoundFault",
    "ExportTaskNotFound",
    "IamRoleMissingPermissions",
    "IamRoleNotFound",
    "InvalidAction",
    "InvalidExportOnly",
    "InvalidParameterValue",
    "InvalidS3BucketFault",
    "KMSKeyNotAccessibleFault",
    "MalformedQueryString",
    "MissingAction",
    "MissingParameter",
    "RequestEntityTooLarge",
];

/// A cluster that does not exist, so no request can be admitted.
const MISSING_CLUSTER: &str = "arn:aws:rds:us-west-2:111122223333:cluster:hostile";

/// Generates texts: almost valid names, injections, long texts, arbitrary texts.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-zA-Z0-9-]{1,70}",
        "arn:aws:[a-z0-9]{0,5}:[a-z0-9-]{0,10}:[0-9]{0,13}:[a-z/-]{0,9}:?[a-zA-Z0-9/-]{0,70}",
        Just(String::new()),
        Just(MISSING_CLUSTER.to_owned()),
        Just("' OR 1=1; DROP TABLE tasks; --".to_owned()),
        Just("../../../etc/passwd\0".to_owned()),
        Just("<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>&b;".to_owned()),
        Just("${jndi:ldap://127.0.0.1/a}".to_owned()),
        Just("&<\"'".repeat(5_000)),
        Just("9".repeat(400)),
    ]
}

/// Generates parameter names, mostly known ones.
fn name() -> impl Strategy<Value = String> {
    let known = [
        "ExportTaskIdentifier",
        "SourceArn",
        "S3BucketName",
        "IamRoleArn",
        "KmsKeyId",
        "S3Prefix",
        "ExportOnly",
        "ExportOnly.member.1",
        "ExportOnly.member.0",
        "ExportOnly.member.x",
        "SourceType",
        "MaxRecords",
        "Marker",
        "Filters.Filter.1.Name",
        "Filters.Filter.1.Values.Value.1",
        "Filters.Filter.1.Values",
        "Filters",
        "Filters.Filter.99999999999.Name",
        "Version",
        "Action",
    ];
    prop_oneof![6 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => hostile()]
}

/// Generates request bodies that cannot succeed: bytes, or a form of an operation.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let action = prop::sample::select(vec![
        "StartExportTask",
        "DescribeExportTasks",
        "CancelExportTask",
        "DeleteDBCluster",
        "Ä<",
    ]);
    let parameters = prop::collection::vec((name(), hostile()), 0..9);
    let whole = prop::sample::select(vec![
        "ExportTaskIdentifier",
        "S3BucketName",
        "IamRoleArn",
        "KmsKeyId",
        "S3Prefix",
        "SourceArn",
    ]);
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..400),
        6 => (action, parameters).prop_map(|(action, mut parameters)| {
            parameters.push(("Action".to_owned(), action.to_owned()));
            form(&parameters).into_bytes()
        }),
        1 => (prop::sample::select(vec!["DescribeExportTasks", "CancelExportTask"]), hostile()).prop_map(|(action, id)| {
            form(&[("Action", action), ("ExportTaskIdentifier", id.as_str())]).into_bytes()
        }),
        // A complete request in which one member is wrong.
        5 => (whole, hostile()).prop_map(|(name, value)| {
            let mut good = BTreeMap::from([
                ("Action", "StartExportTask"),
                ("ExportTaskIdentifier", "hostile"),
                ("SourceArn", MISSING_CLUSTER),
                ("S3BucketName", "bucket"),
                ("IamRoleArn", "arn:aws:iam::111122223333:role/r"),
                ("KmsKeyId", "alias/k"),
            ]);
            good.insert(name, &value);
            form(&good.into_iter().collect::<Vec<_>>()).into_bytes()
        }),
    ]
}

#[test]
fn a_thousand_hostile_requests_get_documented_errors_and_change_nothing() {
    let env = shared();
    let endpoint = Endpoint::start(env);
    let mut runner = TestRunner::deterministic();
    let mut bodies: Vec<Vec<u8>> = (0..1000).map(|_| body().new_tree(&mut runner).unwrap().current()).collect();
    bodies.push(vec![b'a'; (1 << 20) + 1]);
    run(async {
        let answers = stream::iter(&bodies)
            .map(|body| {
                let endpoint = &endpoint;
                async move { (body, endpoint.post(body).await) }
            })
            .buffer_unordered(6)
            .collect::<Vec<_>>()
            .await;
        let mut seen = BTreeMap::<String, u32>::new();
        for (body, (status, document)) in answers {
            let excerpt = String::from_utf8_lossy(&body[..body.len().min(500)]).into_owned();
            assert!(document.len() < 300_000, "{excerpt}");
            let code = match status {
                // Only DescribeExportTasks may succeed.
                200 => {
                    assert!(document.starts_with("<DescribeExportTasksResponse"), "{excerpt}: {document}");
                    "200"
                }
                400..500 => element(&document, "Code"),
                _ => panic!("{status} {document} to {excerpt}"),
            };
            assert!(status == 200 || DOCUMENTED_CODES.contains(&code), "{status} {document} to {excerpt}");
            *seen.entry(code.to_owned()).or_default() += 1;
        }
        // The requests reach every stage of validation.
        for code in [
            "InvalidParameterValue",
            "MissingParameter",
            "MalformedQueryString",
            "DBClusterNotFoundFault",
            "ExportTaskNotFound",
        ] {
            assert!(seen.contains_key(code), "{seen:?}");
        }
    });
    let table = env.output("TaskTableName");
    let items = env.aws("dynamodb", "scan", json!({"TableName": table}));
    let is_hostile = |item: &&Value| item.to_string().contains("hostile");
    assert_eq!(list(&items, "Items").iter().find(is_hostile), None);
}

/// Sends all requests at once. Counts the responses by `STARTING` or the error code.
fn race(env: &Env, endpoint: &Endpoint, requests: &[Value]) -> BTreeMap<String, usize> {
    let bodies: Vec<String> = requests
        .iter()
        .map(|request| {
            let member = |(name, value): (&String, &Value)| (name.clone(), value.as_str().unwrap().to_owned());
            let mut parameters: Vec<(String, String)> = request.as_object().unwrap().iter().map(member).collect();
            parameters.push(("Action".into(), "StartExportTask".into()));
            form(&parameters)
        })
        .collect();
    let answers = run(join_all(bodies.iter().map(|body| endpoint.post(body.as_bytes()))));
    let mut counts = BTreeMap::new();
    for (status, document) in answers {
        let outcome = element(&document, if status == 200 { "Status" } else { "Code" });
        *counts.entry(outcome.to_owned()).or_default() += 1;
    }
    // The admitted tasks need not run.
    for request in requests {
        let _ =
            env.try_aws("rds", "cancel_export_task", json!({"ExportTaskIdentifier": request["ExportTaskIdentifier"]}));
    }
    counts
}

#[test]
fn fifty_racing_starts_admit_exactly_what_the_limits_allow() {
    let (env, _exclusive) = faulty();
    let endpoint = Endpoint::start(env);
    let clusters: Vec<Cluster> = ["race-a", "race-b", "race-c"]
        .map(|id| Cluster::create(env, id, "CREATE TABLE t AS SELECT 1 AS a"))
        .into_iter()
        .collect();
    let ended = |requests: &[Value]| {
        for request in requests {
            let id = text(request, "ExportTaskIdentifier");
            let asked = json!({"ExportTaskIdentifier": id});
            if env.try_aws("rds", "describe_export_tasks", asked).is_ok() {
                let task = Task::from_request(env, request);
                task.wait_until_ended();
                task.leaves_nothing();
            }
        }
    };

    let same: Vec<Value> = (0..50).map(|n| clusters[n % 3].request("one-identifier")).collect();
    let counts = race(env, &endpoint, &same);
    assert_eq!(counts, BTreeMap::from([("STARTING".into(), 1), ("ExportTaskAlreadyExists".into(), 49)]));
    ended(&same[..1]);

    let one: Vec<Value> = (0..50).map(|n| clusters[0].request(&format!("one-cluster-{n}"))).collect();
    let counts = race(env, &endpoint, &one);
    assert_eq!(counts, BTreeMap::from([("STARTING".into(), 1), ("InvalidExportSourceState".into(), 49)]));
    ended(&one);

    let two = json!({"MAX_CONCURRENT_TASKS": "2"});
    let _limits = ["export-api", "validate-request"].map(|function| VariableOverride::apply(env, function, &two));
    let many: Vec<Value> = (0..50).map(|n| clusters[n % 3].request(&format!("limit-{n}"))).collect();
    let counts = race(env, &endpoint, &many);
    assert_eq!(counts["STARTING"], 2, "{counts:?}");
    assert_eq!(
        counts["ExportTaskLimitReachedFault"] + counts.get("InvalidExportSourceState").copied().unwrap_or_default(),
        48,
        "{counts:?}"
    );
    ended(&many);
}

/// Objects that an ordinary user can create and whose code would run with the rights of the
/// exporting user. If the code ran, a secret would appear in an error message or as a value.
const TRAPS: &str = "
    CREATE ROLE mallory; GRANT mallory TO CURRENT_USER; CREATE SCHEMA x; GRANT ALL ON SCHEMA x TO mallory;
    CREATE TABLE secret AS SELECT 'confidential' AS v;
    SET ROLE mallory;
    CREATE FUNCTION x.volatile_code() RETURNS text LANGUAGE plpgsql AS $$
      BEGIN
        IF current_user <> 'mallory' THEN RETURN (SELECT v FROM public.secret); END IF;
        RETURN '1';
      END $$;
    CREATE FUNCTION x.code() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
      BEGIN IF x.volatile_code() <> '1' THEN RAISE '%', x.volatile_code(); END IF; RETURN '1'; END $$;
    CREATE TYPE x.pair AS (a text, b text);
    CREATE FUNCTION x.print(x.pair) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN x.volatile_code(); END $$;
    CREATE CAST (x.pair AS text) WITH FUNCTION x.print(x.pair) AS IMPLICIT;
    CREATE TABLE x.printed AS SELECT g AS id, ROW('p', 'q')::x.pair AS v FROM generate_series(1, 1000) g;
    CREATE TABLE x.planned AS SELECT g AS id, 'one' AS v FROM generate_series(1, 1000) g;
    CREATE INDEX ON x.planned ((id || x.code()));
    CREATE STATISTICS x.s ON id, (v || x.code()) FROM x.planned;
    CREATE TABLE x.computed AS SELECT g AS id, ROW('p', 'q')::x.pair AS v FROM generate_series(1, 1000) g;
    CREATE INDEX ON x.computed (id) WHERE x.code() = '1';
    RESET ROLE;";

#[test]
fn code_of_database_users_does_not_run() {
    let cluster = Cluster::create(shared(), "trapped", TRAPS);
    let task = Task::start(&cluster, "trapped", json!({}));
    let watched = task.wait_until_complete();
    assert_eq!(watched.skipped(), reasons(&[("shop.x.computed", "UNTRUSTED_CODE")]));
    let warning = text(&watched.last, "WarningMessage");
    assert!(
        warning.contains("x.code()") && warning.contains("mallory") && !warning.contains("confidential"),
        "{warning}"
    );
    let tables = [["shop", "public", "secret"], ["shop", "x", "printed"]];
    // The comparison plans a query of x.planned, so the code must be gone first.
    cluster.sql("shop", "DROP INDEX x.planned_expr_idx; DROP STATISTICS x.s; DROP TABLE x.computed");
    assert_eq!(task.compare_with(&cluster, &[&tables[..], &[["shop", "x", "planned"]]].concat()), 2001);
}
