//! Connections: TLS, refusals, session settings, snapshots.

use std::error::Error;

use cluster_source::postgres::{Source, databases};
use cluster_source::{Endpoint, tls};
use cluster_source::{ErrorKind, SourceError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::server::{self, Database, endpoint};

async fn refusal(source: &Source, database: &str) -> SourceError {
    source.connect(database).await.err().expect("connected")
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}

#[tokio::test]
async fn tls_verifies_the_authority_and_the_host_name() {
    let trusted = tls(server::ca_pem().as_bytes()).unwrap();
    Source::new(endpoint(), Some(trusted.clone())).connect("postgres").await.unwrap();

    let address = Endpoint { host: "127.0.0.1".to_owned(), ..endpoint() };
    let error = refusal(&Source::new(address, Some(trusted)), "postgres").await;
    assert!(matches!(error, SourceError::Untrusted { .. }), "{error:?}");

    let key = rcgen::KeyPair::generate().unwrap();
    let stranger = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().pem();
    let error = refusal(&Source::new(endpoint(), Some(tls(stranger.as_bytes()).unwrap())), "postgres").await;
    assert!(matches!(error, SourceError::Untrusted { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::AccessDenied);

    assert!(matches!(tls(b"no certificate").unwrap_err(), SourceError::CertificateAuthorities { .. }));
}

#[tokio::test]
async fn a_server_without_tls_is_refused_and_a_silent_end_is_retried() {
    for (answer, kind) in
        [(&b"N"[..], ErrorKind::AccessDenied), (b"", ErrorKind::Unavailable), (b"S", ErrorKind::Unavailable)]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.read_exact(&mut [0; 8]).await.unwrap();
            socket.write_all(answer).await.unwrap();
        });
        let there = Endpoint { host: "127.0.0.1".to_owned(), port, ..endpoint() };
        let error = refusal(&Source::new(there, Some(tls(server::ca_pem().as_bytes()).unwrap())), "postgres").await;
        assert_eq!(error.kind(), kind, "{error:?}");
        server.await.unwrap();
    }
}

#[tokio::test]
async fn refusals_have_kinds() {
    let wrong = Endpoint { password: "wrong".to_owned(), ..endpoint() };
    assert!(!format!("{wrong:?}").contains("wrong"));
    let error = refusal(&Source::new(wrong, None), "postgres").await;
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    assert!(chain(&error).contains("28P01"), "{}", chain(&error));

    let closed = Endpoint { port: 1, ..endpoint() };
    assert_eq!(refusal(&Source::new(closed, None), "postgres").await.kind(), ErrorKind::Unavailable);
    assert_eq!(refusal(&server::source(), "no such database").await.kind(), ErrorKind::AccessDenied);

    let database = Database::create().await;
    database.execute("CREATE ROLE limited LOGIN PASSWORD 'x' CONNECTION LIMIT 0").await;
    let limited = Endpoint { user: "limited".to_owned(), password: "x".to_owned(), ..endpoint() };
    assert_eq!(refusal(&Source::new(limited, None), &database.name).await.kind(), ErrorKind::Throttled);
    database.execute("DROP ROLE limited").await;
}

#[tokio::test]
async fn any_database_that_lets_the_user_in_will_do() {
    let database = Database::create().await;
    for known in [vec![], vec!["no such".to_owned()], vec!["no such".to_owned(), database.name.clone()]] {
        let connection = server::source().knowing(known).connect_first().await.unwrap();
        assert!(databases(&connection).await.unwrap().contains(&database.name));
    }
    let wrong = Endpoint { password: "wrong".to_owned(), ..endpoint() };
    let error = Source::new(wrong, None).knowing(vec![database.name.clone()]).connect_first().await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::AccessDenied);
    let said = chain(&error);
    assert!(said.contains(&format!("{}, postgres, template1", database.name)) && said.contains("28P01"), "{said}");
}

#[tokio::test]
async fn the_server_s_configuration_changes_nothing() {
    let database = Database::create().await;
    let name = &database.name;
    database
        .execute(&format!(
            "CREATE TABLE t AS SELECT timestamptz '2020-01-02 03:04:05Z' a, interval '-1 day 2 hours' b, '\\x00ff'::bytea::text c,
               daterange('2020-01-02', '2020-02-01') d, 0.1::float8 + 0.2 e;
             ALTER TABLE t ADD f regclass DEFAULT 't'::regclass;
             ALTER TABLE t ALTER c TYPE bytea USING c::bytea;
             ALTER DATABASE {name} SET quote_all_identifiers = on;
             CREATE DOMAIN raw AS bytea; CREATE DOMAIN real8 AS float8;
             ALTER TABLE t ALTER c TYPE raw USING c, ALTER e TYPE real8;
             ALTER DATABASE {name} SET TimeZone = 'Asia/Tokyo';
             ALTER DATABASE {name} SET IntervalStyle = iso_8601;
             ALTER DATABASE {name} SET DateStyle = 'German, DMY';
             ALTER DATABASE {name} SET bytea_output = escape;
             ALTER DATABASE {name} SET extra_float_digits = -5;
             ALTER DATABASE {name} SET search_path = public;
             ALTER DATABASE {name} SET client_encoding = latin1;
             ALTER DATABASE {name} SET statement_timeout = 1;
             ALTER DATABASE {name} SET default_transaction_read_only = off"
        ))
        .await;
    let batch = &database.read("t").await.unwrap()[0];
    let row: Vec<&str> =
        batch.columns().iter().map(|column| arrow_array::cast::AsArray::as_string::<i32>(column).value(0)).collect();
    assert_eq!(
        row,
        [
            "2020-01-02 03:04:05+00",
            "-1 days +02:00:00",
            "\\x00ff",
            "[2020-01-02,2020-02-01)",
            "0.30000000000000004",
            "public.t"
        ]
    );
}

#[tokio::test]
async fn databases_without_templates() {
    let database = Database::create().await;
    let connection = database.connect().await;
    assert!(connection.server_version() >= 150_000);
    let names = databases(&connection).await.unwrap();
    assert!(names.contains(&database.name) && names.contains(&"postgres".to_owned()));
    assert!(names.iter().all(|name| !name.starts_with("template")));
}
