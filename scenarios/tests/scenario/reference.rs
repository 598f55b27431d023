//! The page of all keys is what is generated.

use std::fs;

use scenarios::scenario::reference;

/// `UPDATE_DOCS=1 cargo test -p scenarios --test scenario` writes the page.
#[test]
fn the_page_is_what_is_generated() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/reference/scenario-keys.md"
    );
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, reference::markdown()).expect("the page can be written");
    }
    let page = fs::read_to_string(path).unwrap_or_default();
    assert!(
        page == reference::markdown(),
        "docs/reference/scenario-keys.md is not what is generated: run this test with UPDATE_DOCS=1"
    );
}
