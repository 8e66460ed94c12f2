//! Separate database servers for the benchmark. All clients are on this machine. The cache of the
//! server is large enough for the tables, so the speed of the disk does not matter.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use local_stack::prerequisites;
use local_stack::servers::{MARIADB, NEWEST, mysql_client};

use super::{Result, run_to_end};

/// The maximum time to start a server.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Engine {
    /// The system's PostgreSQL.
    Postgres,
    /// MariaDB of the system's distribution.
    Mariadb,
    /// The newest MySQL of Debian.
    Mysql,
}

/// A running server. It is stopped and removed when this is dropped, or when this process ends
/// without a drop.
pub(super) struct Server {
    pub port: u16,
    /// The command line client, connected to the database `bench`; a statement comes after `-c`
    /// (PostgreSQL) or `-e`.
    pub client: Vec<String>,
    engine: Engine,
    guard: Child,
}

impl Server {
    /// Starts a server with a database `bench` and a user `bench` without a password.
    pub(super) fn start(engine: Engine) -> Result<Self> {
        let dir = PathBuf::from(format!("/var/tmp/aurora-export-bench-{}-{}", engine.name(), std::process::id()));
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        fs::create_dir(&dir)?;
        run_to_end(Command::new("chmod").arg("0777").arg(&dir))?;
        let guard = guard(&dir, engine)?;
        let client = match engine {
            Engine::Postgres => start_postgres(&dir, port)?,
            Engine::Mariadb | Engine::Mysql => start_mysql(engine, &dir, port)?,
        };
        Ok(Self { port, client, engine, guard })
    }

    /// Runs statements.
    pub(super) fn execute(&self, sql: &str) -> Result<()> {
        let (program, arguments) = self.client.split_first().ok_or("no client")?;
        let option = if self.engine == Engine::Postgres { "-c" } else { "-e" };
        run_to_end(Command::new(program).args(arguments).args([option, sql]))
    }

    /// Fills a table from a file of tab-separated text.
    pub(super) fn load(&self, table: &str, file: &Path) -> Result<()> {
        let file = file.display();
        match self.engine {
            Engine::Postgres => self.execute(&format!("\\copy {table} FROM '{file}'")),
            _ => self.execute(&format!("LOAD DATA LOCAL INFILE '{file}' INTO TABLE {table}; ANALYZE TABLE {table}")),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

impl Engine {
    /// Returns the name in files and options.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mariadb => "mariadb",
            Self::Mysql => "mysql",
        }
    }
}

/// Starts a guard process. It stops the server and removes its directory as soon as its standard
/// input is closed, which happens at the latest when this process ends. A separate process group
/// keeps a Ctrl-C in the terminal away from it.
fn guard(dir: &Path, engine: Engine) -> Result<Child> {
    // PostgreSQL releases its shared memory on SIGQUIT.
    let signal = if engine == Engine::Postgres { "QUIT" } else { "KILL" };
    let script = r#"cat >/dev/null
        pid=$(head -n 1 "$1/pid") && kill -s "$2" "$pid" && while kill -0 "$pid"; do sleep 0.05; done
        rm -rf "$1""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "guard"]).arg(dir).arg(signal).process_group(0).stdin(Stdio::piped());
    Ok(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
}

fn start_postgres(dir: &Path, port: u16) -> Result<Vec<String>> {
    let programs = prerequisites::postgres(&crate::say)?;
    let data = dir.join("data");
    let encoding = ["--no-sync", "-U", "bench", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "-D"];
    run_to_end(unprivileged(&programs.join("initdb")).args(encoding).arg(&data))?;
    let here = dir.display();
    let options = [
        format!("port={port}"),
        "listen_addresses=127.0.0.1".to_owned(),
        format!("unix_socket_directories={here}"),
        format!("external_pid_file={here}/pid"),
        "shared_buffers=2GB".to_owned(),
        "max_wal_size=8GB".to_owned(),
        "fsync=off".to_owned(),
        "autovacuum=off".to_owned(),
        // The output of the client is the reference for the comparison, so its time zone must be
        // known.
        "timezone=UTC".to_owned(),
    ];
    let mut server = unprivileged(&programs.join("postgres"));
    server.arg("-D").arg(&data).args(options.iter().flat_map(|option| ["-c", option]));
    let address = format!("postgres://bench@127.0.0.1:{port}/");
    let psql = programs.join("psql");
    let execute = |sql: &str| {
        let mut client = Command::new(&psql);
        client.args(["-q", "-c", sql]).arg(format!("{address}postgres"));
        client
    };
    run_server(server, dir, execute("SELECT"))?;
    run_to_end(&mut execute("CREATE DATABASE bench"))?;
    let client = ["-qtAX".to_owned(), "--set=ON_ERROR_STOP=1".to_owned(), format!("{address}bench")];
    Ok([psql.display().to_string()].into_iter().chain(client).collect())
}

fn start_mysql(engine: Engine, dir: &Path, port: u16) -> Result<Vec<String>> {
    let servers = if engine == Engine::Mysql { NEWEST } else { MARIADB };
    let base = servers.ensure(&crate::say)?.join("usr");
    let at = |name: &str| dir.join(name).display().to_string();
    let mut options = vec![
        "--no-defaults".to_owned(),
        format!("--datadir={}", at("data")),
        format!("--basedir={}", base.display()),
        format!("--plugin-dir={}", base.join("lib/mysql/plugin").display()),
        format!("--lc-messages-dir={}", base.join("share/mysql").display()),
        format!("--character-sets-dir={}", base.join("share/mysql/charsets").display()),
    ];
    let (program, own) = if engine == Engine::Mysql {
        let program = base.join("sbin/mysqld");
        run_to_end(unprivileged(&program).args(&options).arg("--initialize-insecure"))?;
        // Without these options MySQL would create certificates. The other servers have no TLS
        // either.
        (program, ["--mysqlx=OFF", "--tls-version=", "--innodb-redo-log-capacity=2G"])
    } else {
        let mut install = unprivileged(&base.join("bin/mariadb-install-db"));
        install.args(&options[..3]).args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        run_to_end(install.arg("--cross-bootstrap"))?;
        (base.join("sbin/mariadbd"), ["--skip-ssl", "--innodb-log-file-size=1G", "--sql-mode="])
    };
    options.extend([
        format!("--port={port}"),
        format!("--socket={}", at("socket")),
        format!("--pid-file={}", at("pid")),
    ]);
    options.extend([format!("--tmpdir={}", dir.display()), format!("--log-error={}", at("log"))]);
    // The default directory exists only if MySQL's package is installed.
    options.push(format!("--secure-file-priv={}", dir.display()));
    options.extend(own.map(str::to_owned));
    let fast = ["--bind-address=127.0.0.1", "--skip-log-bin", "--local-infile=1", "--innodb-buffer-pool-size=3G"];
    options.extend(fast.map(str::to_owned));
    options.extend(["--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite"].map(str::to_owned));
    let mut server = unprivileged(&program);
    server.args(&options);
    let execute = |sql: &str| -> Result<Command> {
        let mut client = mysql_client(port, "root", "", &crate::say)?;
        client.args(["-e", sql]);
        Ok(client)
    };
    run_server(server, dir, execute("DO 1")?)?;
    run_to_end(&mut execute(
        "CREATE DATABASE bench CHARACTER SET utf8mb4; CREATE USER bench; GRANT ALL ON *.* TO bench",
    )?)?;
    let mut client = mysql_client(port, "bench", "", &crate::say)?;
    client.args(["--skip-column-names", "--local-infile=1", "bench"]);
    let words = std::iter::once(client.get_program()).chain(client.get_args());
    Ok(words.map(|word| word.to_string_lossy().into_owned()).collect())
}

/// Starts a server program and waits until `client` succeeds.
fn run_server(mut server: Command, dir: &Path, mut client: Command) -> Result<()> {
    let log = dir.join("log.start");
    let output = fs::File::create(&log)?;
    server.process_group(0).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let mut process = server.spawn()?;
    // The thread reaps the process when it ends. Otherwise the guard would wait for ever.
    let process = thread::spawn(move || process.wait());
    let deadline = Instant::now() + START_TIMEOUT;
    while run_to_end(&mut client).is_err() {
        if process.is_finished() || Instant::now() > deadline {
            let output = fs::read_to_string(&log)? + &fs::read_to_string(dir.join("log")).unwrap_or_default();
            return Err(format!("the server did not start: {output}").into());
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Returns a command that runs a server's program as a user other than root, because the servers
/// refuse to run as root.
fn unprivileged(program: &Path) -> Command {
    let root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    let mut command = if root { Command::new("runuser") } else { Command::new(program) };
    if root {
        command.args(["-u", "postgres", "--"]).arg(program);
    }
    command.current_dir("/");
    command
}
