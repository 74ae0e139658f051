//! Lists of peers that are kept elsewhere.

use std::path::Path;
use std::time::Duration;

use oxbridge_cache::{Dialect, Instance, Peers, Source};

const OFTEN: Duration = Duration::from_millis(5);

/// The nodes that own something.
fn owners(cache: &Instance) -> Vec<String> {
    let mut owners: Vec<String> = (0..2000)
        .filter_map(|i| cache.owner(format!("{i}")))
        .collect();
    owners.sort();
    owners.dedup();
    owners
}

/// Waits until the nodes are these; the test's own time bounds it.
async fn until(cache: &Instance, expected: &[&str]) {
    while owners(cache) != expected {
        tokio::time::sleep(OFTEN).await;
    }
}

fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("it is written");
    std::fs::rename(new, path).expect("it is renamed");
}

#[tokio::test]
async fn a_file_is_followed_and_a_bad_one_changes_nothing() {
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("peers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("peers");
    let cache = Instance::with_peers(Peers::new(Dialect::Oxbridge, "http://a:1"));
    // It need not be there yet.
    let following = cache.follow(Source::File(path.clone()), OFTEN);
    tokio::time::sleep(OFTEN * 4).await;
    assert_eq!(cache.owner("k"), None);

    replace(
        &path,
        "# the nodes\nhttp://a:1\n\n  http://b:1  # the second\nhttp://a:1\n",
    );
    until(&cache, &["http://a:1", "http://b:1"]).await;
    for bad in ["", "# nobody\n", "http://b:1\n", "http://a:1\nb\n"] {
        replace(&path, bad);
        tokio::time::sleep(OFTEN * 8).await;
        assert_eq!(owners(&cache), ["http://a:1", "http://b:1"], "{bad:?}");
    }
    replace(&path, "http://c:1\nhttp://a:1");
    until(&cache, &["http://a:1", "http://c:1"]).await;

    drop(following);
    replace(&path, "http://a:1");
    tokio::time::sleep(OFTEN * 8).await;
    assert_eq!(owners(&cache), ["http://a:1", "http://c:1"]);
    std::fs::remove_dir_all(folder).expect("it is ours");
}

#[tokio::test]
async fn a_name_stands_for_its_addresses_and_for_ourselves() {
    for (dialect, me, expected) in [
        (
            Dialect::Golang,
            "http://10.1.2.3:80",
            ["http://10.1.2.3:80", "http://127.0.0.1:80"],
        ),
        (
            Dialect::GroupcacheGo,
            "10.1.2.3:80",
            ["10.1.2.3:80", "127.0.0.1:80"],
        ),
    ] {
        let cache = Instance::with_peers(Peers::new(dialect, me));
        let _following = cache.follow(Source::Dns("127.0.0.1:80".into()), OFTEN);
        until(&cache, &expected).await;
        let _failing = cache.follow(Source::Dns("no-such-name.invalid:80".into()), OFTEN);
        tokio::time::sleep(OFTEN * 8).await;
        assert_eq!(owners(&cache), expected);
    }
}
