//! `include/oxbridge_embed.h` is what the source says. To write it anew: `OXB_BLESS=1 cargo test -p
//! oxbridge-embed-capi --test header`.

use std::path::Path;

const HEADER: &str = "../../include/oxbridge_embed.h";

#[test]
fn the_header_is_current() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = here.join(HEADER);
    let config =
        cbindgen::Config::from_file(here.join("cbindgen.toml")).expect("cbindgen.toml is valid");
    let made = cbindgen::generate_with_config(here, config).expect("the crate can be read");
    let mut header = Vec::new();
    made.write(&mut header);
    if std::env::var_os("OXB_BLESS").is_some() {
        std::fs::write(&path, &header).expect("include/ can be written");
    }
    let committed = std::fs::read(&path).unwrap_or_default();
    assert!(
        header == committed,
        "include/oxbridge_embed.h is not what the source says: OXB_BLESS=1 makes it so"
    );
}

#[test]
fn the_version_is_the_packages() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(HEADER);
    let header = std::fs::read_to_string(path).expect("the header is there");
    for (name, number) in [
        ("MAJOR", env!("CARGO_PKG_VERSION_MAJOR")),
        ("MINOR", env!("CARGO_PKG_VERSION_MINOR")),
        ("PATCH", env!("CARGO_PKG_VERSION_PATCH")),
    ] {
        let line = format!("#define OXE_VERSION_{name} {number}\n");
        assert!(header.contains(&line), "wanted {line}");
    }
}
