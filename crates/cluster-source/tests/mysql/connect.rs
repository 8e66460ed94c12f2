//! The login: TLS, the proofs of a password, and the kinds of refusals.

use cluster_source::error::ErrorKind;
use cluster_source::mysql::{self, Source};
use cluster_source::{Endpoint, SourceError, tls};

use crate::server::{self, Database, endpoint, is_mysql, source};

async fn refusal(source: &Source, database: Option<&str>) -> SourceError {
    source.connect(database).await.err().expect("the connection was not refused")
}

#[tokio::test]
async fn tls_is_verified() {
    let trusted = tls(server::ca_pem().as_bytes()).unwrap();
    let mut connection = Source::new(endpoint(), Some(trusted.clone())).connect(None).await.unwrap();
    assert_eq!(mysql::max_connections(&mut connection).await.unwrap(), 60);
    // The certificate is for localhost.
    let address = Endpoint { host: "127.0.0.1".to_owned(), ..endpoint() };
    let error = refusal(&Source::new(address, Some(trusted)), None).await;
    assert!(matches!(error, SourceError::Untrusted { .. }), "{error:?}");
    let stranger = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap().cert.pem();
    let error = refusal(&Source::new(endpoint(), Some(tls(stranger.as_bytes()).unwrap())), None).await;
    assert!(matches!(error, SourceError::Untrusted { .. }), "{error:?}");
}

#[tokio::test]
async fn passwords_are_proved_with_and_without_tls_and_cache() {
    let database = Database::create();
    let plugins: &[&str] = if is_mysql() { &["caching_sha2_password"] } else { &["mysql_native_password"] };
    for plugin in plugins {
        for (password, n) in [("päss'wörd", 1), ("", 2), ("x", 3)] {
            let user = format!("u{n}_{}", plugin.len());
            let by = if is_mysql() {
                format!("IDENTIFIED WITH {plugin} BY '{}'", password.replace('\'', "''"))
            } else {
                format!("IDENTIFIED VIA {plugin} USING PASSWORD('{}')", password.replace('\'', "''"))
            };
            database.execute(&format!("CREATE USER {user} {by}"));
            let login = Endpoint { user: user.clone(), password: password.to_owned(), ..endpoint() };
            // The server's cache has no entry at the first login, and has one at the second.
            for _ in 0..2 {
                Source::new(login.clone(), None).connect(None).await.unwrap();
            }
            database.execute(&format!("ALTER USER {user} {by}"));
            let trusted = tls(server::ca_pem().as_bytes()).unwrap();
            for _ in 0..2 {
                Source::new(login.clone(), Some(trusted.clone())).connect(None).await.unwrap();
            }
            let wrong = Endpoint { password: "wrong".to_owned(), ..login };
            assert_eq!(refusal(&Source::new(wrong, None), None).await.kind(), ErrorKind::AccessDenied);
        }
    }
}

#[tokio::test]
async fn refusals_have_different_kinds() {
    let database = Database::create();
    database
        .execute("CREATE USER nobody IDENTIFIED BY 'p'; CREATE USER one IDENTIFIED BY 'p' WITH MAX_USER_CONNECTIONS 1");
    let source_as =
        |user: &str| Source::new(Endpoint { user: user.to_owned(), password: "p".to_owned(), ..endpoint() }, None);
    assert_eq!(refusal(&source_as("nobody"), Some(&database.name)).await.kind(), ErrorKind::AccessDenied);
    let _first = source_as("one").connect(None).await.unwrap();
    assert_eq!(refusal(&source_as("one"), None).await.kind(), ErrorKind::Throttled);
    let closed = Source::new(Endpoint { port: 1, ..endpoint() }, None);
    assert_eq!(refusal(&closed, None).await.kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn databases_of_users_only() {
    let database = Database::create();
    let mut connection = source().connect(None).await.unwrap();
    let databases = mysql::databases(&mut connection).await.unwrap();
    assert!(databases.contains(&database.name));
    for system in ["mysql", "sys", "information_schema", "performance_schema"] {
        assert!(!databases.iter().any(|name| name == system));
    }
}
