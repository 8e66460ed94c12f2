//! The files in a server's directory, and the content of its settings file.

use std::path::{Path, PathBuf};

use crate::rds::engine::Place;

pub(super) const CERTIFICATE: &str = "server.crt";
pub(super) const KEY: &str = "server.key";
pub(super) const LOG: &str = "server.log";
pub(super) const SETTINGS: &str = "my.cnf";

/// Returns the data directory inside a server's directory.
pub(super) fn data(dir: &Path) -> PathBuf {
    dir.join("data")
}

/// Returns the file with the process id of the server in this directory.
pub(crate) fn pid_file(dir: &Path) -> PathBuf {
    data(dir).join("server.pid")
}

/// Returns the socket in a server's directory.
pub(crate) fn socket(dir: &Path) -> PathBuf {
    dir.join("mysql.sock")
}

/// Returns the argument that names the settings file. It must be the first argument of a program.
pub(super) fn argument(place: &Place) -> String {
    format!("--defaults-file={}", place.dir.join(SETTINGS).display())
}

/// Returns the settings for the server and its tools. `more` has the settings that only this kind
/// of server knows. The data need not survive a power failure, so the settings avoid waiting for
/// the disk.
pub(super) fn text(base: &Path, place: &Place, more: &str) -> String {
    let (base, dir) = (base.display(), place.dir.display());
    let parameters = place.parameters.iter().map(|(name, value)| format!("{name} = {}\n", quoted(value)));
    let own = format!(
        "basedir = {base}\n\
         plugin_dir = {base}/lib/mysql/plugin\n\
         lc_messages_dir = {base}/share/mysql\n\
         character_sets_dir = {base}/share/mysql/charsets\n\
         datadir = {data}\n\
         tmpdir = {dir}\n\
         socket = {socket}\n\
         pid_file = {pid_file}\n\
         log_error = {dir}/{LOG}\n\
         ssl_cert = {dir}/{CERTIFICATE}\n\
         ssl_key = {dir}/{KEY}\n\
         port = {port}\n\
         bind_address = 127.0.0.1\n\
         skip_name_resolve = ON\n\
         secure_file_priv = {dir}\n\
         skip_log_bin\n\
         max_connections = 200\n\
         performance_schema = OFF\n\
         innodb_buffer_pool_size = 64M\n\
         innodb_flush_log_at_trx_commit = 0\n\
         innodb_flush_method = nosync\n\
         innodb_doublewrite = OFF\n\
         innodb_use_native_aio = OFF\n",
        data = data(&place.dir).display(),
        socket = socket(&place.dir).display(),
        pid_file = pid_file(&place.dir).display(),
        port = place.port,
    );
    let defaults = "[mysqld]\ncharacter_set_server = utf8mb4\ndefault_time_zone = '+00:00'\nlocal_infile = ON\n";
    // If a setting appears twice, the last one applies. Every server has a separate `tmpdir`,
    // because a starting server removes the temporary tables that it finds there.
    [defaults.to_owned()].into_iter().chain(parameters).chain([own, more.to_owned()]).collect()
}

/// Returns a quoted value.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
