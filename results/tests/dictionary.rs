//! The data dictionary is what is declared. That tables are too is tested where tables are.

use std::fs;
use std::path::Path;

use results::dictionary::markdown;

/// `UPDATE_DOCS=1 cargo test -p results --test dictionary` writes the page.
#[test]
fn the_page_is_what_is_declared() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/tables.md");
    let declared = markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("room");
        fs::write(&path, &declared).expect("room");
    }
    let page = fs::read_to_string(&path).expect("the page is there");
    assert!(
        page == declared,
        "docs/reference/tables.md is not what is declared: run this test with UPDATE_DOCS=1"
    );
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let sentence = line.trim_end_matches(" |").rsplit(" | ").next();
        let is_sentence = |text: &str| text.ends_with('.') && text.len() > 4;
        assert!(sentence.is_some_and(is_sentence), "{line}");
    }
}
