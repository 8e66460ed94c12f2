//! What only a directory promises: no key leaves it.

use bytes::Bytes;
use export_destination::{Destination, DestinationError};
use export_task::object_key::{Parts, TaskPath};

#[tokio::test]
async fn no_key_leaves_the_directory() {
    let outside = tempfile::tempdir().unwrap();
    let root = outside.path().join("out");
    let destination = Destination::Directory(root.clone());
    let victim = outside.path().join("victim");
    std::fs::write(&victim, "untouched").unwrap();
    let absolute = victim.to_str().unwrap();
    let parts = Parts::new(&TaskPath::new("", "t"), std::iter::empty());
    for key in ["../victim", "a/../../victim", absolute, ""] {
        let results = [
            destination.put(key, Bytes::new()).await,
            destination.claim(key, Bytes::new(), "me").await.map(drop),
            destination.open(key).await.map(drop),
            destination.remove(key).await,
            destination.exists(key).await.map(drop),
            destination.list(key).await.map(drop),
            destination.abort_unfinished(key, &parts).await.map(drop),
        ];
        for result in results {
            assert!(matches!(result, Err(DestinationError::Directory { .. })), "{key:?}: {result:?}");
        }
    }
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
    assert!(!root.exists());
}
