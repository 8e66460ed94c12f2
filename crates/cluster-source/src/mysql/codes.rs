//! The server's error codes, under the names that MySQL and MariaDB give them (`perror` prints
//! them).
//!
//! Unless a comment names one product, MySQL and MariaDB use a code for the same error.

/// A file can't be opened.
pub(super) const ER_CANT_OPEN_FILE: u16 = 1016;
/// A file can't be found.
pub(super) const ER_FILE_NOT_FOUND: u16 = 1017;
/// The disk is full.
pub(super) const ER_DISK_FULL: u16 = 1021;
/// A storage engine failed. The message begins with the engine's own error number.
pub(super) const ER_GET_ERRNO: u16 = 1030;
/// A file holds incorrect information.
pub(super) const ER_NOT_FORM_FILE: u16 = 1033;
/// An index file is corrupt.
pub(super) const ER_NOT_KEYFILE: u16 = 1034;
/// An index file has an old format.
pub(super) const ER_OLD_KEYFILE: u16 = 1035;
/// The server is out of memory.
pub(super) const ER_OUTOFMEMORY: u16 = 1037;
/// The sort buffer is too small.
pub(super) const ER_OUT_OF_SORTMEMORY: u16 = 1038;
/// The server has no free connection.
pub(super) const ER_CON_COUNT_ERROR: u16 = 1040;
/// The server is out of memory.
pub(super) const ER_OUT_OF_RESOURCES: u16 = 1041;
/// The user has no access to the database.
pub(super) const ER_DBACCESS_DENIED_ERROR: u16 = 1044;
/// The login was refused.
pub(super) const ER_ACCESS_DENIED_ERROR: u16 = 1045;
/// The database doesn't exist.
pub(super) const ER_BAD_DB_ERROR: u16 = 1049;
/// The table is unknown.
pub(super) const ER_BAD_TABLE_ERROR: u16 = 1051;
/// The server is shutting down.
pub(super) const ER_SERVER_SHUTDOWN: u16 = 1053;
/// The column is unknown.
pub(super) const ER_BAD_FIELD_ERROR: u16 = 1054;
/// A table is full. In an export it is a temporary table.
pub(super) const ER_RECORD_FILE_FULL: u16 = 1114;
/// The client's host is blocked after too many connection errors.
pub(super) const ER_HOST_IS_BLOCKED: u16 = 1129;
/// The client's host may not connect.
pub(super) const ER_HOST_NOT_PRIVILEGED: u16 = 1130;
/// The server can't create a thread.
pub(super) const ER_CANT_CREATE_THREAD: u16 = 1135;
/// The user has no privilege on the table.
pub(super) const ER_TABLEACCESS_DENIED_ERROR: u16 = 1142;
/// The user has no privilege on the column.
pub(super) const ER_COLUMNACCESS_DENIED_ERROR: u16 = 1143;
/// The table doesn't exist.
pub(super) const ER_NO_SUCH_TABLE: u16 = 1146;
/// A packet is larger than `max_allowed_packet`.
pub(super) const ER_NET_PACKET_TOO_LARGE: u16 = 1153;
/// Reading from the network failed.
pub(super) const ER_NET_READ_ERROR: u16 = 1158;
/// Reading from the network timed out.
pub(super) const ER_NET_READ_INTERRUPTED: u16 = 1159;
/// Writing to the network failed.
pub(super) const ER_NET_ERROR_ON_WRITE: u16 = 1160;
/// Writing to the network timed out.
pub(super) const ER_NET_WRITE_INTERRUPTED: u16 = 1161;
/// The index doesn't exist. MySQL spells the name `ER_KEY_DOES_NOT_EXITS`.
pub(super) const ER_KEY_DOES_NOT_EXISTS: u16 = 1176;
/// The server aborted the connection.
pub(super) const ER_NEW_ABORTING_CONNECTION: u16 = 1184;
/// The table is marked as crashed.
pub(super) const ER_CRASHED_ON_USAGE: u16 = 1194;
/// The table is marked as crashed, and its repair failed.
pub(super) const ER_CRASHED_ON_REPAIR: u16 = 1195;
/// The user has reached `max_user_connections`.
pub(super) const ER_TOO_MANY_USER_CONNECTIONS: u16 = 1203;
/// A lock was not granted in time.
pub(super) const ER_LOCK_WAIT_TIMEOUT: u16 = 1205;
/// The lock table is full.
pub(super) const ER_LOCK_TABLE_FULL: u16 = 1206;
/// The statement was the victim of a deadlock.
pub(super) const ER_LOCK_DEADLOCK: u16 = 1213;
/// The user has reached a resource limit of the account.
pub(super) const ER_USER_LIMIT_REACHED: u16 = 1226;
/// The statement needs a privilege that the user lacks.
pub(super) const ER_SPECIFIC_ACCESS_DENIED_ERROR: u16 = 1227;
/// The client doesn't support the authentication protocol.
pub(super) const ER_NOT_SUPPORTED_AUTH_MODE: u16 = 1251;
/// The bytes of a key are not text in its character set.
pub(super) const ER_INVALID_CHARACTER_STRING: u16 = 1300;
/// The statement was killed. MySQL also reports a timeout so when it is deep in a join.
pub(super) const ER_QUERY_INTERRUPTED: u16 = 1317;
/// A generated column divides by zero.
pub(super) const ER_DIVISION_BY_ZERO: u16 = 1365;
/// The user has no privilege on the routine.
pub(super) const ER_PROCACCESS_DENIED_ERROR: u16 = 1370;
/// The table was altered after the transaction that reads it began.
pub(super) const ER_TABLE_DEF_CHANGED: u16 = 1412;
/// The definer of a view or routine doesn't exist.
pub(super) const ER_NO_SUCH_USER: u16 = 1449;
/// The account's authentication plugin is not loaded.
pub(super) const ER_PLUGIN_IS_NOT_LOADED: u16 = 1524;
/// The number that a generated column computes is out of range.
pub(super) const ER_DATA_OUT_OF_RANGE: u16 = 1690;
/// The login was refused. The message says nothing of a password.
pub(super) const ER_ACCESS_DENIED_NO_PASSWORD_ERROR: u16 = 1698;
/// An index is corrupt.
pub(super) const ER_INDEX_CORRUPT: u16 = 1712;
/// The table's tablespace is missing.
pub(super) const ER_TABLESPACE_MISSING: u16 = 1812;
/// The table's tablespace is discarded.
pub(super) const ER_TABLESPACE_DISCARDED: u16 = 1814;
/// The password must be changed before any other statement.
pub(super) const ER_MUST_CHANGE_PASSWORD: u16 = 1820;
/// The password has expired.
pub(super) const ER_MUST_CHANGE_PASSWORD_LOGIN: u16 = 1862;
/// The table is missing, corrupt or contains bad data.
pub(super) const ER_TABLE_CORRUPT: u16 = 1877;
/// The connection was killed (MariaDB).
pub(super) const ER_CONNECTION_KILLED: u16 = 1927;
/// The storage engine doesn't have the table (MariaDB).
pub(super) const ER_NO_SUCH_TABLE_IN_ENGINE: u16 = 1932;
/// The statement exceeded `max_statement_time` (MariaDB).
pub(super) const ER_STATEMENT_TIMEOUT: u16 = 1969;
/// The statement exceeded `max_execution_time` (MySQL).
pub(super) const ER_QUERY_TIMEOUT: u16 = 3024;
/// The server is in offline mode.
pub(super) const ER_SERVER_OFFLINE_MODE: u16 = 3032;
/// The account is locked (MariaDB).
pub(super) const ER_ACCOUNT_HAS_BEEN_LOCKED_MARIADB: u16 = 4151;
/// The account is locked (MySQL).
pub(super) const ER_ACCOUNT_HAS_BEEN_LOCKED: u16 = 3118;
/// A text is not JSON (MySQL).
pub(super) const ER_INVALID_JSON_TEXT: u16 = 3140;
/// A function's argument is not JSON (MySQL).
pub(super) const ER_INVALID_JSON_TEXT_IN_PARAM: u16 = 3141;
/// A JSON value can't be cast (MySQL).
pub(super) const ER_INVALID_JSON_VALUE_FOR_CAST: u16 = 3156;
/// The server requires TLS (MySQL).
pub(super) const ER_SECURE_TRANSPORT_REQUIRED: u16 = 3159;
/// The server closed an inactive connection (MySQL).
pub(super) const ER_CLIENT_INTERACTION_TIMEOUT: u16 = 4031;
