//! Request bodies as boto3 and the AWS CLI send them, and the documents that these clients parse.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use rds_query::{MAX_BODY, ParseError, Request, xml};

#[test]
fn a_captured_start_export_task_body() {
    let request = Request::parse(
        b"Action=StartExportTask&Version=2014-10-31&ExportTaskIdentifier=t1\
          &SourceArn=arn%3Aaws%3Ards%3Aus-east-1%3A111122223333%3Acluster%3Ac&S3BucketName=b&S3Prefix=p%2Fq+r\
          &ExportOnly.member.10=db.k&ExportOnly.member.1=db.public.t&ExportOnly.member.2=db.s2",
    )
    .unwrap();
    assert_eq!(request.action(), "StartExportTask");
    assert_eq!(request.get("SourceArn"), Some("arn:aws:rds:us-east-1:111122223333:cluster:c"));
    assert_eq!(request.get("S3Prefix"), Some("p/q r"));
    assert_eq!(request.get("Version"), None);
    assert_eq!(request.list("ExportOnly", "member"), ["db.public.t", "db.s2", "db.k"]);
    let names: Vec<_> = request.params().keys().filter(|name| !name.contains('.')).collect();
    assert_eq!(names, ["ExportTaskIdentifier", "S3BucketName", "S3Prefix", "SourceArn"]);
}

#[test]
fn nested_structures() {
    let request = Request::parse(
        b"Action=DescribeExportTasks&Filters.Filter.2.Name=s3-bucket&Filters.Filter.2.Values.Value.1=b\
          &Filters.Filter.1.Name=status&Filters.Filter.1.Values.Value.1=complete&Filters.Filter.1.Values.Value.2=failed\
          &Filters.Filter.x.Name=ignored&Tags.member.1.Key=k&Tags.member.1.Value=&Empty=",
    )
    .unwrap();
    let filters = request.structs("Filters", "Filter");
    assert_eq!(filters.len(), 2);
    assert_eq!(filters[0].get("Name"), Some("status"));
    assert_eq!(filters[0].list("Values", "Value"), ["complete", "failed"]);
    assert_eq!(filters[1].get("Name"), Some("s3-bucket"));
    // The generic name and the model's name mean the same.
    let tags = request.structs("Tags", "Tag");
    assert_eq!((tags[0].get("Key"), tags[0].get("Value")), (Some("k"), Some("")));
    assert!(request.list("Empty", "member").is_empty());
    // Some parameters are passwords, so logs must not hold values.
    let debug = format!("{request:?}");
    assert!(debug.contains("Filters.Filter.1.Name") && !debug.contains("status"));
}

#[test]
fn malformed_bodies() {
    let code = |body: &[u8]| Request::parse(body).unwrap_err().code();
    assert_eq!(code(b""), "MissingAction");
    assert_eq!(code(b"Action=&a=b"), "MissingAction");
    assert_eq!(code(b"Action=A&a=%f"), "MalformedQueryString");
    assert_eq!(code(b"Action=A&a=%+f"), "MalformedQueryString");
    assert_eq!(code(b"Action=A&a=%ff"), "MalformedQueryString");
    assert_eq!(code(b"Action=A&a=1&a=1"), "MalformedQueryString");
    assert_eq!(code(b"Action=A%3E%3Cb"), "InvalidAction");
    let large = Request::parse(&vec![b'a'; MAX_BODY + 1]).unwrap_err();
    assert_eq!((large.clone(), large.status()), (ParseError::TooLarge, 413));
}

#[test]
fn documents() {
    let body = xml::response("DescribeExportTasks", "r-1", |result| {
        result.child("ExportTasks", |tasks| {
            tasks.child("ExportTask", |task| {
                task.text("ExportTaskIdentifier", "a<b").maybe("S3Prefix", None::<&str>).text("PercentProgress", 7);
                task.list("ExportOnly", "member", ["a.b", "c&d"]);
            });
        });
    });
    assert_eq!(
        body,
        "<DescribeExportTasksResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><DescribeExportTasksResult>\
         <ExportTasks><ExportTask><ExportTaskIdentifier>a&lt;b</ExportTaskIdentifier><PercentProgress>7</PercentProgress>\
         <ExportOnly><member>a.b</member><member>c&amp;d</member></ExportOnly></ExportTask></ExportTasks>\
         </DescribeExportTasksResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata>\
         </DescribeExportTasksResponse>"
    );
    assert_eq!(
        xml::error(xml::Fault::Sender, "ExportTaskNotFound", "no \"x\" & no y", "r-2"),
        "<ErrorResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\"><Error><Type>Sender</Type>\
         <Code>ExportTaskNotFound</Code><Message>no \"x\" &amp; no y</Message></Error><RequestId>r-2</RequestId>\
         </ErrorResponse>"
    );
    assert!(!xml::response("AddTagsToResource", "r-3", |_| ()).contains("Result>"));
}

/// Percent-encodes all characters that are not unreserved, as every client does.
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Resolves the writer's escapes as an XML parser does.
fn unescape(text: &str) -> String {
    text.replace("&#13;", "\r").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_survives_the_form(value in any::<String>(), items in prop::collection::vec(any::<String>(), 0..20)) {
        let mut body = format!("Action=A&Name={}", encode(&value));
        for (index, item) in items.iter().enumerate().rev() {
            body.push_str(&format!("&L.member.{}={}", index + 1, encode(item)));
        }
        let request = Request::parse(body.as_bytes()).unwrap();
        prop_assert_eq!(request.get("Name"), Some(value.as_str()));
        prop_assert_eq!(request.list("L", "Item"), items);
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(body in prop::collection::vec(any::<u8>(), 0..300), printable in "[A-Za-z0-9.&=%+]{0,200}") {
        for body in [body, [b"Action=A&".as_slice(), printable.as_bytes()].concat()] {
            if let Ok(request) = Request::parse(&body) {
                for name in request.params().keys().filter_map(|name| name.split('.').next()) {
                    request.list(name, "member");
                    request.structs(name, "member");
                }
            }
        }
    }

    #[test]
    fn any_text_survives_xml(value in any::<String>()) {
        let body = xml::error(xml::Fault::Receiver, "C", &value, "r");
        let text = body.split_once("<Message>").unwrap().1.split_once("</Message>").unwrap().0;
        prop_assert!(!text.contains(['<', '>', '\r', '\0']));
        let carried: String = value
            .chars()
            .map(|c| if (c < ' ' && !"\t\n\r".contains(c)) || c == '\u{fffe}' || c == '\u{ffff}' { '\u{fffd}' } else { c })
            .collect();
        prop_assert_eq!(unescape(text), carried);
    }
}
