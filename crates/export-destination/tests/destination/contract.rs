//! What every destination promises, one function for each promise. The promises are described in
//! the documentation of the crate.
//!
//! The tests of this crate check a directory and a small S3 server. The end-to-end tests check the
//! S3 of the local stack.

use bytes::Bytes;
use export_destination::{Claim, Destination};
use export_task::object_key::{Parts, TaskPath};
use export_task::options::Compression;
use export_task::table::Table;

/// More than S3's first part, so that the object becomes a multipart upload.
const SEVERAL_PARTS: usize = 9 << 20;

/// Checks every promise, each below its own directory of `prefix`, which must be empty.
pub(super) async fn check(destination: &Destination, prefix: &str) {
    objects_appear_when_they_are_complete(destination, &format!("{prefix}/appear")).await;
    a_second_write_replaces_the_object(destination, &format!("{prefix}/replace")).await;
    an_aborted_object_does_not_appear(destination, &format!("{prefix}/abort")).await;
    one_of_two_claims_succeeds(destination, &format!("{prefix}/claim")).await;
    lists_hold_every_object_below_the_prefix(destination, &format!("{prefix}/list")).await;
    a_prefix_exists_when_an_object_is_below_it(destination, &format!("{prefix}/exist")).await;
    removing_a_missing_object_succeeds(destination, &format!("{prefix}/remove")).await;
    only_the_named_unfinished_parts_are_aborted(destination, &format!("{prefix}/unfinished")).await;
}

pub(super) async fn objects_appear_when_they_are_complete(destination: &Destination, prefix: &str) {
    for bytes in [10, SEVERAL_PARTS] {
        let key = format!("{prefix}/{bytes}/object");
        let mut file = destination.open(&key).await.unwrap();
        let content = content(bytes);
        for chunk in content.chunks(1 << 20) {
            file.write(Bytes::copy_from_slice(chunk)).await.unwrap();
        }
        assert_eq!(list(destination, &format!("{prefix}/{bytes}/")).await, [""; 0]);
        file.complete().await.unwrap();
        assert_eq!(list(destination, &format!("{prefix}/{bytes}/")).await, [key.as_str()]);
        assert!(read(destination, &key).await == content);
    }
}

pub(super) async fn a_second_write_replaces_the_object(destination: &Destination, prefix: &str) {
    let key = format!("{prefix}/object");
    for content in ["first", "the second"] {
        destination.put(&key, content.into()).await.unwrap();
        assert_eq!(read(destination, &key).await, content);
    }
    let mut file = destination.open(&key).await.unwrap();
    file.write("third".into()).await.unwrap();
    assert_eq!(read(destination, &key).await, "the second");
    file.complete().await.unwrap();
    assert_eq!(read(destination, &key).await, "third");
    assert_eq!(list(destination, &format!("{prefix}/")).await, [key]);
}

pub(super) async fn an_aborted_object_does_not_appear(destination: &Destination, prefix: &str) {
    let (path, table) = (TaskPath::new(prefix, "task"), table("t"));
    let parts = Parts::new(&path, [(&table, 1)].into_iter());
    for bytes in [10, SEVERAL_PARTS] {
        let mut file = destination.open(&path.part(&table, 1, 0, 0, Compression::Gzip)).await.unwrap();
        file.write(content(bytes)).await.unwrap();
        file.abort().await.unwrap();
        assert_eq!(list(destination, &path.listing_prefix()).await, [""; 0]);
        assert_eq!(destination.abort_unfinished(&path.listing_prefix(), &parts).await.unwrap(), 0);
    }
}

pub(super) async fn one_of_two_claims_succeeds(destination: &Destination, prefix: &str) {
    let key = format!("{prefix}/export_info");
    let (a, b) = tokio::join!(destination.claim(&key, "a".into(), "a"), destination.claim(&key, "b".into(), "b"));
    let (owner, refused) = match (a.unwrap(), b.unwrap()) {
        (Claim::Own, refused) => ("a", refused),
        (refused, Claim::Own) => ("b", refused),
        neither => panic!("{neither:?}"),
    };
    assert_eq!(read(destination, &key).await, owner);
    // Only S3 keeps the name of the owner.
    let again = destination.claim(&key, owner.into(), owner).await.unwrap();
    match destination {
        Destination::S3(_) => {
            assert_eq!(refused, Claim::Taken(Some(owner.to_owned())));
            assert_eq!(again, Claim::Own);
        }
        Destination::Directory(_) => assert_eq!((refused, again), (Claim::Taken(None), Claim::Taken(None))),
    }
}

pub(super) async fn lists_hold_every_object_below_the_prefix(destination: &Destination, prefix: &str) {
    let keys = ["a", "b/a", "b/c/a", "b/c/b", "d"].map(|name| format!("{prefix}/in/{name}"));
    for key in keys.iter().chain([&format!("{prefix}/inner/a"), &format!("{prefix}/z")]) {
        destination.put(key, Bytes::new()).await.unwrap();
    }
    assert_eq!(list(destination, &format!("{prefix}/in/")).await, keys);
    assert_eq!(list(destination, &format!("{prefix}/in/b/")).await, keys[1..4]);
    assert_eq!(list(destination, &format!("{prefix}/out/")).await, [""; 0]);
}

pub(super) async fn a_prefix_exists_when_an_object_is_below_it(destination: &Destination, prefix: &str) {
    assert!(!destination.exists(&format!("{prefix}/task/")).await.unwrap());
    destination.put(&format!("{prefix}/task/shop/object"), Bytes::new()).await.unwrap();
    assert!(destination.exists(&format!("{prefix}/task/")).await.unwrap());
    assert!(!destination.exists(&format!("{prefix}/tas/")).await.unwrap());
}

pub(super) async fn removing_a_missing_object_succeeds(destination: &Destination, prefix: &str) {
    let (removed, kept) = (format!("{prefix}/removed"), format!("{prefix}/kept"));
    for key in [&removed, &kept] {
        destination.put(key, Bytes::new()).await.unwrap();
    }
    for _ in 0..2 {
        destination.remove(&removed).await.unwrap();
        assert!(!destination.contains(&removed).await.unwrap());
        assert!(destination.contains(&kept).await.unwrap());
        assert_eq!(list(destination, &format!("{prefix}/")).await, [kept.as_str()]);
    }
    destination.remove(&format!("{prefix}/never/written")).await.unwrap();
}

pub(super) async fn only_the_named_unfinished_parts_are_aborted(destination: &Destination, prefix: &str) {
    let path = TaskPath::new(prefix, "task");
    let (own, other) = (table("own"), table("other"));
    let part = |table: &Table, index| path.part(table, 1, index, 0, Compression::Gzip);
    for key in [part(&own, 0), part(&own, 1), part(&own, 2), part(&other, 0)] {
        let mut file = destination.open(&key).await.unwrap();
        file.write(content(SEVERAL_PARTS)).await.unwrap();
        // A worker that is killed neither aborts nor drops its file.
        std::mem::forget(file);
    }
    destination.put(&part(&own, 3), Bytes::new()).await.unwrap();

    for (table, aborted) in [(&own, 3), (&own, 0), (&other, 1), (&other, 0)] {
        let parts = Parts::new(&path, [(table, 1)].into_iter());
        assert_eq!(destination.abort_unfinished(&path.listing_prefix(), &parts).await.unwrap(), aborted);
    }
    assert_eq!(list(destination, &path.listing_prefix()).await, [part(&own, 3)]);
}

/// Returns that many bytes, of which no two parts of an object are alike.
fn content(bytes: usize) -> Bytes {
    (0..bytes).map(|at| (at ^ at >> 8 ^ at >> 16) as u8).collect()
}

async fn list(destination: &Destination, prefix: &str) -> Vec<String> {
    let mut keys = destination.list(prefix).await.unwrap();
    keys.sort();
    keys
}

async fn read(destination: &Destination, key: &str) -> Bytes {
    match destination {
        Destination::Directory(root) => std::fs::read(root.join(key)).unwrap().into(),
        Destination::S3(s3) => {
            let object = s3.client.get_object().bucket(&s3.bucket).key(key).send().await.unwrap();
            object.body.collect().await.unwrap().into_bytes()
        }
    }
}

fn table(name: &str) -> Table {
    let (database, schema) = ("shop".to_owned(), "public".to_owned());
    Table { id: 0, database, schema, name: name.to_owned(), directory_suffix: None, columns: vec![] }
}
