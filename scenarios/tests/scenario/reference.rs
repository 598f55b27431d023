//! The page of all keys is what is generated.

use std::fs;

use scenarios::scenario::reference;

#[test]
fn the_page_is_what_is_generated() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/reference/scenario-keys.md"
    );
    let page = fs::read_to_string(path).unwrap_or_default();
    assert!(
        page == reference::markdown(),
        "{path} is not what is generated: write it with `sim scenarios --keys --format markdown`"
    );
}
