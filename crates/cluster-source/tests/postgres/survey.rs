//! Which databases are surveyed, and what becomes of those that can't be.

use cluster_source::Source;
use export_planner::Survey;
use export_task::engine::Engine;
use export_task::export_only::ExportOnly;
use export_task::options::Options;

use crate::server::{Database, endpoint};

/// The survey of one database: its tables, and whether it is said to be unreadable.
async fn survey(database: &str) -> (Vec<String>, bool) {
    let source = Source::new(Engine::Postgresql, endpoint(), None);
    let survey = Survey::take(&source, &ExportOnly::from(vec![database.to_owned()]), &Options::default(), 1 << 20, 4)
        .await
        .unwrap();
    let unreadable = survey.unreadable_databases == [database];
    assert_eq!(unreadable, !survey.unreadable_databases.is_empty());
    (survey.tables.into_iter().map(|table| table.name).collect(), unreadable)
}

#[tokio::test]
async fn a_database_that_nobody_may_connect_to_is_reported() {
    let (closed, open) = (Database::create().await, Database::create().await);
    let name = &closed.name;
    closed.execute("CREATE TABLE t (n int)").await;
    assert_eq!(survey(name).await, (vec!["t".to_owned()], false));
    open.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    assert_eq!(survey(name).await, (vec![], true));
}

#[tokio::test]
async fn a_database_in_an_encoding_without_conversion_is_reported() {
    let database = Database::create().await;
    let name = format!("{}_mule", database.name);
    database.execute(&format!("CREATE DATABASE {name} ENCODING mule_internal LOCALE 'C' TEMPLATE template0")).await;
    assert_eq!(survey(&name).await, (vec![], true));
}

#[tokio::test]
async fn a_database_with_names_that_are_no_text_is_reported() {
    let database = Database::create_with("ENCODING sql_ascii LOCALE 'C' TEMPLATE template0").await;
    database
        .execute("DO $$ BEGIN EXECUTE format('CREATE TABLE %I (n int)', convert_from('\\xe4', 'sql_ascii')); END $$")
        .await;
    assert_eq!(survey(&database.name).await, (vec![], true));
}

#[tokio::test]
async fn a_template_of_the_user_s_own_is_exported() {
    let database = Database::create().await;
    let name = &database.name;
    database.execute(&format!("CREATE TABLE t (n int); ALTER DATABASE {name} IS_TEMPLATE true")).await;
    assert_eq!(survey(name).await, (vec!["t".to_owned()], false));
}
