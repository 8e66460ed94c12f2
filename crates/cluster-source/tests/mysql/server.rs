//! A MariaDB or MySQL server in a temporary directory, shared by the tests of this binary, and
//! helpers to use it.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use cluster_source::SourceError;
use cluster_source::mysql::{self, Catalog, Connection, FoundTable, Source};
use cluster_source::{BatchOptions, Endpoint};
use export_task::options::Types;
use export_task::plan::Partition;
use futures_util::TryStreamExt;

const PASSWORD: &str = "it's secret";

/// A running server. The shared server is in a static, which is never dropped. So the guard, a
/// shell, waits for this process to end in any way, and then removes everything.
pub(crate) struct Server {
    port: u16,
    ca_pem: String,
    _process: Child,
    _guard: Child,
}

impl Server {
    /// Starts a server for a single test. `more` are options for its installation and its start.
    pub(crate) fn start(name: &str, more: &[&str]) -> Self {
        start(name, more)
    }

    /// Runs statements as a user with all privileges.
    pub(crate) fn execute(&self, sql: &str) -> Vec<Vec<String>> {
        client(self.port, "root", "", sql)
    }

    /// Runs statements as a user with all privileges. Returns the client's message if one fails.
    pub(crate) fn try_execute(&self, sql: &str) -> Result<Vec<Vec<String>>, String> {
        try_client(self.port, "root", "", sql)
    }

    /// Runs statements repeatedly, until the client is killed.
    pub(crate) fn run_forever(&self, sql: &str) -> Child {
        let mut client = spawn_client(self.port, "root", "");
        let (mut input, sql) = (client.stdin.take().unwrap(), sql.to_owned());
        std::thread::spawn(move || while input.write_all(sql.as_bytes()).is_ok() {});
        client
    }

    /// Returns the endpoint at which a user logs in.
    pub(crate) fn endpoint(&self, user: &str, password: &str) -> Endpoint {
        Endpoint { host: "localhost".to_owned(), port: self.port, user: user.to_owned(), password: password.to_owned() }
    }
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| start("all", &[]))
}

/// Returns whether the server is MySQL or MariaDB. Each has its own test binary.
pub(crate) fn is_mysql() -> bool {
    env!("CARGO_CRATE_NAME") == "mysql"
}

/// Returns a command that runs a server program. The program refuses root, so root runs it as
/// another user.
fn command(program: &Path, arguments: &[String]) -> Command {
    let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let mut command = if is_root { Command::new("runuser") } else { Command::new(program) };
    if is_root {
        command.args(["-u", "postgres", "--"]).arg(program);
    }
    command.arg("--no-defaults").args(arguments);
    command
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn start(name: &str, more: &[&str]) -> Server {
    let dir = PathBuf::from(format!("/var/tmp/cluster-source-mysql-{}-{name}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    // The server runs as another user when the tests run as root.
    run(Command::new("chmod").arg("0777").arg(&dir));
    let guard = guard(&dir);
    let at = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let servers = if is_mysql() { local_stack::servers::NEWEST } else { local_stack::servers::MARIADB };
    let base = servers.ensure(&|_| ()).unwrap().join("usr");
    let share = base.join("share/mysql");
    let mut options = vec![
        format!("--datadir={}", at("data")),
        format!("--basedir={}", base.display()),
        format!("--plugin-dir={}", base.join("lib/mysql/plugin").display()),
        format!("--lc-messages-dir={}", share.display()),
        format!("--character-sets-dir={}", share.join("charsets").display()),
    ];
    options.extend(more.iter().map(|&option| option.to_owned()));
    let program = if is_mysql() {
        run(command(&base.join("sbin/mysqld"), &options).arg("--initialize-insecure"));
        base.join("sbin/mysqld")
    } else {
        let mut install = command(&base.join("bin/mariadb-install-db"), &options[..2]);
        run(install.env("TMPDIR", &dir).args([
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--cross-bootstrap",
        ]));
        base.join("sbin/mariadbd")
    };
    let ca_pem = write_certificates(&dir);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    options.extend([
        format!("--port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--socket={}", at("socket")),
        format!("--pid-file={}", at("pid")),
        // A server that starts removes the temporary tables of other servers in the same directory.
        format!("--tmpdir={}", dir.display()),
        format!("--secure-file-priv={}", dir.display()),
        format!("--log-error={}", at("log")),
        format!("--ssl-cert={}", at("server.crt")),
        format!("--ssl-key={}", at("server.key")),
        "--skip-log-bin".to_owned(),
        "--max-connections=60".to_owned(),
        "--max-allowed-packet=256M".to_owned(),
        "--innodb-flush-log-at-trx-commit=0".to_owned(),
    ]);
    let option = if is_mysql() { "--mysqlx=OFF" } else { "--plugin-load-add=ha_archive" };
    options.push(option.to_owned());
    let process =
        command(&program, &options).process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "{}", std::fs::read_to_string(dir.join("log")).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(50));
    }
    let server = Server { port, ca_pem, _process: process, _guard: guard };
    let create = "CREATE USER exporter IDENTIFIED BY 'it''s secret'; GRANT ALL ON *.* TO exporter WITH GRANT OPTION";
    client(port, "root", "", create);
    server
}

/// Starts a guard, which stops the server and removes its directory when this process no longer
/// holds the guard's standard input. It has its own process group, so an interrupt from the
/// terminal doesn't reach it.
fn guard(dir: &Path) -> Child {
    let script = r#"cat >/dev/null
        pid=$(cat "$1/pid") && kill -KILL "$pid"
        while kill -0 "$pid"; do sleep 0.05; done
        rm -rf "$1""#;
    Command::new("sh")
        .args(["-c", script, "guard"])
        .arg(dir)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A server certificate for `localhost` and the authority that signed it, whose PEM is returned.
fn write_certificates(dir: &Path) -> String {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    for (name, pem) in [("server.crt", certificate.pem()), ("server.key", key.serialize_pem())] {
        let path = dir.join(name);
        std::fs::write(&path, pem).unwrap();
        run(Command::new("chmod").arg("0600").arg(&path));
        run(Command::new("chown").arg("--reference").arg(dir.join("data")).arg(&path));
    }
    authority_pem
}

/// Runs statements with the server's client. Returns the rows of their results, with NULL as the
/// client prints it.
fn client(port: u16, user: &str, password: &str, sql: &str) -> Vec<Vec<String>> {
    let excerpt = sql.get(..2000).unwrap_or(sql);
    try_client(port, user, password, sql).unwrap_or_else(|error| panic!("{excerpt}: {error}"))
}

fn spawn_client(port: u16, user: &str, password: &str) -> Child {
    let mut client = local_stack::servers::mysql_client(port, user, password, &|_| ()).unwrap();
    client
        .args(["--protocol=tcp", "--ssl", "--skip-ssl-verify-server-cert", "--skip-column-names", "--quick"])
        .arg("--max-allowed-packet=1G")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn try_client(port: u16, user: &str, password: &str, sql: &str) -> Result<Vec<Vec<String>>, String> {
    let mut client = spawn_client(port, user, password);
    let mut input = client.stdin.take().unwrap();
    let statements = format!("SET time_zone = '+00:00', sql_mode = '';\n{sql}");
    let writer = std::thread::spawn(move || input.write_all(statements.as_bytes()));
    let output = client.wait_with_output().unwrap();
    // A client that fails doesn't read all statements.
    let _ = writer.join().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8(output.stdout).unwrap();
    Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}

pub(crate) fn ca_pem() -> &'static str {
    &server().ca_pem
}

pub(crate) fn endpoint() -> Endpoint {
    server().endpoint("exporter", PASSWORD)
}

/// A source that logs in without TLS.
pub(crate) fn source() -> Source {
    Source::new(endpoint(), None)
}

/// A database for one test.
pub(crate) struct Database {
    pub name: String,
}

impl Database {
    pub(crate) fn create() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Self::create_as(&format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    pub(crate) fn create_as(name: &str) -> Self {
        let create = format!("CREATE DATABASE {} CHARACTER SET utf8mb4", quote(name));
        client(server().port, "exporter", PASSWORD, &create);
        Self { name: name.to_owned() }
    }

    /// Runs statements in the database and returns the rows of their results.
    pub(crate) fn execute(&self, sql: &str) -> Vec<Vec<String>> {
        client(server().port, "exporter", PASSWORD, &format!("USE {};\n{sql}", quote(&self.name)))
    }

    pub(crate) async fn connect(&self) -> Connection {
        connect(Some(&self.name)).await
    }

    /// Returns the catalog as the exporting user sees it.
    pub(crate) async fn catalog(&self) -> Catalog {
        self.catalog_with(Types::Aurora).await
    }

    async fn catalog_with(&self, types: Types) -> Catalog {
        mysql::catalog(&mut self.connect().await, &self.name, types, |_, _| true).await.unwrap()
    }

    /// Returns a table, which must not be skipped.
    pub(crate) async fn table(&self, name: &str) -> FoundTable {
        self.table_with(name, Types::Aurora).await
    }

    /// Returns a table of an export with these types.
    pub(crate) async fn table_with(&self, name: &str, types: Types) -> FoundTable {
        let catalog = self.catalog_with(types).await;
        let found = catalog.tables.into_iter().find(|found| found.table.name == name);
        found.unwrap_or_else(|| panic!("no table {name}: {:?}", catalog.skipped))
    }

    /// Reads a table in one partition.
    pub(crate) async fn read(&self, name: &str) -> Result<Vec<RecordBatch>, SourceError> {
        self.read_all(&self.table(name).await).await
    }

    /// Reads a table that the catalog returned, in one partition.
    pub(crate) async fn read_all(&self, found: &FoundTable) -> Result<Vec<RecordBatch>, SourceError> {
        let mut connection = self.connect().await;
        let whole = mysql::partitions(&mut connection, found, u64::MAX).await.unwrap();
        read(&mut connection, found, &whole[0]).await
    }
}

fn quote(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Waits for a free connection: tests run in parallel and may use up all connections for a moment.
async fn connect(database: Option<&str>) -> Connection {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match source().connect(database).await {
            Ok(connection) => return connection,
            Err(_) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

pub(crate) async fn read(
    connection: &mut Connection,
    found: &FoundTable,
    partition: &Partition,
) -> Result<Vec<RecordBatch>, SourceError> {
    mysql::read(connection, &found.table, partition, BatchOptions::default()).await?.try_collect().await
}
