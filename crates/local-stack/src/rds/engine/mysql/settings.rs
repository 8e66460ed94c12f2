//! The files of a server's directory, and what is in the one with the settings.

use std::path::{Path, PathBuf};

use crate::rds::engine::Place;

pub(super) const CERTIFICATE: &str = "server.crt";
pub(super) const KEY: &str = "server.key";
pub(super) const LOG: &str = "server.log";
pub(super) const SETTINGS: &str = "my.cnf";

/// The data directory inside a server's directory.
pub(super) fn data(dir: &Path) -> PathBuf {
    dir.join("data")
}

/// The file in which a running server of this directory leaves its process id.
pub(crate) fn pid_file(dir: &Path) -> PathBuf {
    data(dir).join("server.pid")
}

/// The socket of a server's directory.
pub(crate) fn socket(dir: &Path) -> PathBuf {
    dir.join("mysql.sock")
}

/// How programs are told the settings. Must be their first argument.
pub(super) fn argument(place: &Place) -> String {
    format!("--defaults-file={}", place.dir.join(SETTINGS).display())
}

/// The settings of a server, for it and for all other programs; `more` is what only this kind of server knows. Nothing here
/// has to survive a power cut, so nothing waits for the disk.
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
    // Of what is said twice, the last counts. `tmpdir` is not shared: a server that starts removes others' temporary tables.
    [defaults.to_owned()].into_iter().chain(parameters).chain([own, more.to_owned()]).collect()
}

/// A quoted value.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
