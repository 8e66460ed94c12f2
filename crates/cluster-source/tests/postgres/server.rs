//! A PostgreSQL server in a temporary directory, shared by the tests of this binary, and shorthands
//! to use it.

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use cluster_source::SourceError;
use cluster_source::live::Live;
use cluster_source::postgres::{self, Catalog, Connection, FoundTable, Source};
use cluster_source::{BatchOptions, Endpoint};
use export_task::export_only::ExportOnly;
use export_task::options::Types;
use export_task::plan::Partition;
use export_task::range::Range;
use futures_util::TryStreamExt;
use local_stack::prerequisites::postgres as installed_programs;
use tokio_postgres::NoTls;

/// The environment variable with the directory of the programs of the tested version. Without it
/// the newest installed version is tested.
const BIN_VARIABLE: &str = "POSTGRES_BIN";
const PASSWORD: &str = "it's secret";

/// A running server. It is in a static, which is never dropped. So a shell, the guard, waits until
/// this process ends, and then stops the server and removes its files.
struct Server {
    port: u16,
    ca_pem: String,
    _guard: Child,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(start)
}

/// Returns a command that runs as an ordinary user, because the server refuses to run as root.
fn command(program: &str) -> Command {
    let path = std::env::var_os(BIN_VARIABLE)
        .map_or_else(|| installed_programs(&|_| ()).unwrap(), PathBuf::from)
        .join(program);
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(path);
        command
    } else {
        Command::new(path)
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn start() -> Server {
    let dir = PathBuf::from(format!("/var/tmp/cluster-source-test-{}", std::process::id()));
    let data = dir.join("data");
    let guard = guard(&dir, &data);
    std::fs::create_dir(&dir).unwrap();
    // The server runs as another user when the tests run as root.
    run(Command::new("chmod").arg("0777").arg(&dir));
    let password = dir.join("password");
    std::fs::write(&password, PASSWORD).unwrap();
    run(command("initdb")
        .args(["--no-sync", "--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"])
        .arg(format!("--pwfile={}", password.display()))
        .arg("--pgdata")
        .arg(&data));
    let ca_pem = write_certificates(&data);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = format!(
        "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} -c ssl=on -c fsync=off \
         -c full_page_writes=off -c autovacuum=off -c max_connections=60",
        dir.display()
    );
    run(command("pg_ctl")
        .args(["start", "--wait", "--silent", "--options", &settings, "--pgdata"])
        .arg(&data)
        .arg("--log")
        .arg(dir.join("log"))
        .stdout(Stdio::null()));
    Server { port, ca_pem, _guard: guard }
}

/// Starts the guard, which stops the server and removes its directory when this process no longer
/// holds the guard's standard input. A separate process group protects the guard from an interrupt
/// at the terminal.
fn guard(dir: &Path, data: &Path) -> Child {
    let script = r#"cat >/dev/null
        pid=$(head -n 1 "$2/postmaster.pid") && kill -QUIT "$pid"
        while [ -e "$2/postmaster.pid" ] && kill -0 "$pid"; do sleep 0.05; done
        rm -rf "$1""#;
    Command::new("sh")
        .args(["-c", script, "guard"])
        .arg(dir)
        .arg(data)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Writes a server certificate for `localhost`. Returns the PEM of the authority that signed it.
fn write_certificates(data: &Path) -> String {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    for (name, pem) in [("server.crt", certificate.pem()), ("server.key", key.serialize_pem())] {
        let path = data.join(name);
        std::fs::write(&path, pem).unwrap();
        run(Command::new("chmod").arg("0600").arg(&path));
        run(Command::new("chown").arg("--reference").arg(data).arg(&path));
    }
    authority_pem
}

pub(crate) fn ca_pem() -> &'static str {
    &server().ca_pem
}

pub(crate) fn endpoint() -> Endpoint {
    Endpoint {
        host: "localhost".to_owned(),
        port: server().port,
        user: "postgres".to_owned(),
        password: PASSWORD.to_owned(),
    }
}

/// Returns a source that logs in as the superuser, without TLS.
pub(crate) fn source() -> Source {
    Source::new(endpoint(), None)
}

/// A database for one test, and an ordinary client that fills it.
pub(crate) struct Database {
    pub name: String,
    pub admin: tokio_postgres::Client,
}

impl Database {
    pub(crate) async fn create() -> Self {
        Self::create_with("").await
    }

    /// Creates a database with options of `CREATE DATABASE`.
    pub(crate) async fn create_with(options: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let maintenance = admin("postgres").await;
        maintenance.batch_execute(&format!("CREATE DATABASE {name} {options}")).await.unwrap();
        let admin = admin(&name).await;
        Self { name, admin }
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.admin.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    pub(crate) async fn connect(&self) -> Connection {
        source().connect(&self.name).await.unwrap()
    }

    /// Returns the catalog as the exporting user sees it.
    pub(crate) async fn catalog(&self) -> Catalog {
        self.catalog_of(Types::Aurora).await
    }

    /// Returns the catalog for exports with these types.
    pub(crate) async fn catalog_of(&self, types: Types) -> Catalog {
        postgres::catalog(&self.connect().await, &self.name, types, |_, _| true).await.unwrap()
    }

    /// Returns a table by name, which must not be skipped.
    pub(crate) async fn table(&self, name: &str) -> FoundTable {
        let catalog = self.catalog().await;
        let found = catalog.tables.into_iter().find(|found| found.table.name == name);
        found.unwrap_or_else(|| panic!("no table {name}: {:?}", catalog.skipped))
    }

    /// Reads a table, one relation after the other.
    pub(crate) async fn read(&self, name: &str) -> Result<Vec<RecordBatch>, SourceError> {
        let found = self.table(name).await;
        let mut batches = Vec::new();
        for partition in whole(&found) {
            batches.extend(read(&self.connect().await, &found, &partition).await?);
        }
        Ok(batches)
    }
}

pub(crate) async fn admin(database: &str) -> tokio_postgres::Client {
    let Endpoint { host, port, user, password } = endpoint();
    let mut config = tokio_postgres::Config::new();
    config.host(host).port(port).user(user).password(password).dbname(database);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match config.connect(NoTls).await {
            Ok((client, connection)) => {
                tokio::spawn(connection);
                return client;
            }
            // Concurrent tests may use all connections for a moment.
            Err(_) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// Pins databases.
pub(crate) async fn pin(databases: &[&Database]) -> Result<Live, SourceError> {
    let names: Vec<String> = databases.iter().map(|database| database.name.clone()).collect();
    Live::pin(cluster_source::Source::Postgres(source()), &ExportOnly::from(names), 1).await
}

/// Returns one partition per relation.
pub(crate) fn whole(found: &FoundTable) -> Vec<Partition> {
    let partition = |relation: &postgres::FoundRelation| Partition {
        table: 0,
        relation: relation.relation.clone(),
        batch_index: relation.batch_index,
        partition_index: 0,
        range: Range::All,
        bytes: 0,
    };
    found.relations.iter().map(partition).collect()
}

pub(crate) async fn read(
    connection: &Connection,
    found: &FoundTable,
    partition: &Partition,
) -> Result<Vec<RecordBatch>, SourceError> {
    postgres::read(connection, &found.table, partition, BatchOptions::default()).await?.try_collect().await
}

/// Returns the peak memory of this process in bytes.
pub(crate) fn peak_memory() -> u64 {
    let mut status = String::new();
    std::fs::File::open("/proc/self/status").unwrap().read_to_string(&mut status).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
