//! Requests of clients and the answers they get, without any service.

#![allow(clippy::unwrap_used)]

use export_api::actions::{Operation, Outcome};
use export_api::query;
use export_task::filter::{Describe, FilterName, SourceType};
use export_task::member::ExportTaskMember;
use export_task::request::StartExportTask;
use export_task::task::{ExportTask, Status};
use serde_json::json;

/// As boto3 sends it.
const START: &str = "Action=StartExportTask&Version=2014-10-31&ExportTaskIdentifier=t1\
    &SourceArn=arn%3Aaws%3Ards%3Aus-west-2%3A123456789012%3Acluster%3Aac&S3BucketName=bucket&S3Prefix=p%2Fq\
    &IamRoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fr&KmsKeyId=k\
    &ExportOnly.member.1=db.public.t&ExportOnly.member.2=db.s2";

fn start_json() -> serde_json::Value {
    json!({
        "ExportTaskIdentifier": "t1", "SourceArn": "arn:aws:rds:us-west-2:123456789012:cluster:ac",
        "S3BucketName": "bucket", "S3Prefix": "p/q", "IamRoleArn": "arn:aws:iam::123456789012:role/r", "KmsKeyId": "k",
        "ExportOnly": ["db.public.t", "db.s2"],
    })
}

fn parse(body: &str) -> Result<Operation, String> {
    let request = rds_query::Request::parse(body.as_bytes()).map_err(|e| query::parse_error(&e).code().to_owned())?;
    query::parse(&request).map_err(|e| e.code().to_owned())
}

fn task() -> ExportTask {
    let request = StartExportTask::from_json(start_json()).unwrap().validate().unwrap();
    ExportTask::new(request, "arn:execution".into(), 1_667_249_886_998)
}

#[test]
fn form_and_json_are_the_same_request() {
    let from_form = parse(START).unwrap();
    assert_eq!(from_form, Operation::from_json(start_json()).unwrap());
    let mut with_action = start_json();
    with_action["Action"] = "StartExportTask".into();
    assert_eq!(from_form, Operation::from_json(with_action).unwrap());
}

#[test]
fn describe_takes_filters_and_paging() {
    let body = "Action=DescribeExportTasks&Version=2014-10-31&Filters.Filter.1.Name=status\
        &Filters.Filter.1.Values.Value.1=complete&Filters.Filter.1.Values.Value.2=failed&MaxRecords=20&SourceType=CLUSTER";
    let wanted = Operation::Describe(Describe {
        source_type: Some(SourceType::Cluster),
        filters: vec![(FilterName::Status, vec!["complete".into(), "failed".into()])],
        max_records: 20,
        ..Describe::default()
    });
    assert_eq!(parse(body).unwrap(), wanted);
    let json = json!({"Action": "DescribeExportTasks", "MaxRecords": 20, "SourceType": "CLUSTER",
        "Filters": [{"Name": "status", "Values": ["complete", "failed"]}]});
    assert_eq!(Operation::from_json(json).unwrap(), wanted);
}

#[test]
fn wrong_requests_get_the_apis_codes() {
    for (body, code) in [
        ("", "MissingAction"),
        ("Version=2014-10-31", "MissingAction"),
        ("Action=Nonsense", "InvalidAction"),
        ("Action=%zz", "MalformedQueryString"),
        ("Action=CancelExportTask", "MissingParameter"),
        ("Action=CancelExportTask&ExportTaskIdentifier=a&ExportTaskIdentifer=b", "InvalidParameterValue"),
        ("Action=StartExportTask&ExportOnly=db", "InvalidParameterValue"),
        ("Action=StartExportTask&ExportOnly.1=db", "InvalidParameterValue"),
        ("Action=StartExportTask&ExportOnly.member.0=db", "InvalidParameterValue"),
        ("Action=StartExportTask&ExportOnly.member.1.Name=db", "InvalidParameterValue"),
        ("Action=DescribeExportTasks&Filters.Filter.1.Name=status", "MissingParameter"),
        ("Action=DescribeExportTasks&Filters.Filter.1.Values.Value.1=failed", "MissingParameter"),
        ("Action=DescribeExportTasks&Filters=status", "InvalidParameterValue"),
        ("Action=DescribeExportTasks&MaxRecords=20&MaxRecords=21", "MalformedQueryString"),
        ("Action=DescribeExportTasks&MaxRecords=19", "InvalidParameterValue"),
        ("Action=DescribeExportTasks&SourceType=TABLE", "InvalidParameterValue"),
        ("Action=DescribeExportTasks&Marker=!", "InvalidParameterValue"),
        (
            "Action=DescribeExportTasks&Filters.Filter.1.Name=Status&Filters.Filter.1.Values.Value.1=x",
            "InvalidParameterValue",
        ),
    ] {
        assert_eq!(parse(body).unwrap_err(), code, "{body}");
    }
}

#[test]
fn an_empty_list_is_no_list() {
    let empty = START.replace("&ExportOnly.member.1=db.public.t&ExportOnly.member.2=db.s2", "&ExportOnly=");
    let Operation::Start(start) = parse(&empty).unwrap() else { panic!("{empty}") };
    assert_eq!(start.export_only, None);
    assert_eq!(parse(&"a".repeat(rds_query::MAX_BODY + 1)).unwrap_err(), "RequestEntityTooLarge");
}

#[test]
fn a_task_renders_as_rds_does() {
    let mut task = task();
    let started = query::render("StartExportTask", "id", &Outcome::Task(Box::new(ExportTaskMember::from(&task))));
    assert_eq!(
        started,
        "<StartExportTaskResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><StartExportTaskResult>\
         <ExportTaskIdentifier>t1</ExportTaskIdentifier><SourceArn>arn:aws:rds:us-west-2:123456789012:cluster:ac</SourceArn>\
         <S3Bucket>bucket</S3Bucket><S3Prefix>p/q</S3Prefix><IamRoleArn>arn:aws:iam::123456789012:role/r</IamRoleArn>\
         <KmsKeyId>k</KmsKeyId><Status>STARTING</Status><PercentProgress>0</PercentProgress>\
         <TotalExtractedDataInGB>0</TotalExtractedDataInGB><SourceType>CLUSTER</SourceType>\
         <ExportOnly><member>db.public.t</member><member>db.s2</member></ExportOnly></StartExportTaskResult>\
         <ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></StartExportTaskResponse>"
    );
    task.status = Status::Failed;
    task.task_end_time = Some(1_667_249_886_998);
    task.failure_cause = Some("a < b & c".into());
    let page = Outcome::Page { export_tasks: vec![(&task).into()], marker: Some("7431".into()) };
    let described = query::render("DescribeExportTasks", "id", &page);
    assert!(described.contains("<TaskEndTime>2022-10-31T20:58:06.998Z</TaskEndTime>"), "{described}");
    assert!(described.contains("<FailureCause>a &lt; b &amp; c</FailureCause>"), "{described}");
    assert!(
        described.contains("</ExportTask></ExportTasks><Marker>7431</Marker></DescribeExportTasksResult>"),
        "{described}"
    );
}

#[test]
fn a_noted_failure_shows_only_once_the_task_has_failed() {
    let mut task = task();
    task.failure_cause = Some("noted by a worker".into());
    assert_eq!(ExportTaskMember::from(&task).failure_cause, None);
    task.status = Status::Failed;
    assert!(ExportTaskMember::from(&task).failure_cause.is_some());
}
