//! No circle of files: within a crate, no chain of uses leads from a file back to itself.
//!
//! A name that is brought in by `use`, or written as a path such as `super::name`, is followed to the
//! file that defines it, through whatever re-exports it comes. Declaring a module and handing its
//! names on is no use. Methods are not followed: what they belong to is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};

const CRATES: [&str; 7] = [
    "scheduler",
    "solvers",
    "scenarios",
    "results",
    "console",
    "sim",
    "runtime",
];

#[test]
fn no_file_uses_itself_by_way_of_others() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate lies in the workspace")
        .to_owned();
    let mut found = Vec::new();
    for name in CRATES {
        let source = root.join(name).join("src");
        let mut files = BTreeMap::new();
        read_into(&mut files, &source, &source);
        assert!(!files.is_empty(), "{name} has no source");
        let house = House::new(&files);
        for circle in house.circles() {
            let mut text = format!("{name}: {} files\n", circle.len());
            for (from, to, used) in house.ties(&circle) {
                text += &format!("  {from} -> {to}: {used}\n");
            }
            found.push(text);
        }
    }
    assert!(found.is_empty(), "circles of files:\n{}", found.join("\n"));
}

#[test]
fn a_circle_is_found_through_re_exports_and_paths() {
    let files = |texts: &[(&str, &str)]| -> BTreeMap<String, String> {
        texts
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    };
    let check = |texts: &[(&str, &str)], expected: &[&[&str]]| {
        let files = files(texts);
        assert_eq!(House::new(&files).circles(), expected);
    };
    let lib = (
        "lib.rs",
        "mod a;\nmod b;\nmod c;\npub use b::{B, Other as Renamed};\n",
    );
    let a = ("a.rs", "use crate::Renamed;\npub fn g(_: Renamed) {}\n");
    let b = (
        "b.rs",
        "use crate::c::C;\npub struct B(C);\npub struct Other;\n",
    );
    check(&[lib, a, b, ("c.rs", "pub struct C;\n")], &[]);
    // By a path in the code, and by one that a macro is given.
    for call in ["super::a::g();", "assert!(super::a::g());"] {
        let c = format!("pub struct C;\nfn f() {{ {call} }}\n");
        check(&[lib, a, b, ("c.rs", &c)], &[&["a.rs", "b.rs", "c.rs"]]);
    }
    // A test may use what it likes.
    let c = "pub struct C;\n#[cfg(test)]\nmod tests {\n    fn f() { crate::a::g() }\n}\n";
    check(&[lib, a, b, ("c.rs", c)], &[]);
    // A folder's file and one within it.
    let within = [
        ("lib.rs", "mod a;\n"),
        ("a/mod.rs", "mod b;\nuse b::B;\npub struct A(B);\n"),
        ("a/b.rs", "use super::A;\npub struct B(A);\n"),
    ];
    check(&within, &[&["a/b.rs", "a/mod.rs"]]);
}

fn read_into(files: &mut BTreeMap<String, String>, folder: &Path, source: &Path) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path: PathBuf = entry.expect("an entry").path();
        // Programs are crates of their own, which use the library by its name.
        if path == source.join("bin") || path == source.join("main.rs") {
            continue;
        }
        if path.is_dir() {
            read_into(files, &path, source);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(source).expect("within");
            let text = fs::read_to_string(&path).expect("source");
            files.insert(name.to_string_lossy().into_owned(), text);
        }
    }
}

/// Segments of a path: the place of a module, or what a `use` names.
type Segments = Vec<String>;

struct Module {
    file: String,
    defined: BTreeSet<String>,
    /// Names brought in, and where from.
    uses: Vec<(String, Segments)>,
    /// Paths of modules all of whose names are brought in.
    globs: Vec<Segments>,
    /// Paths in the code itself, single names included.
    paths: Vec<Segments>,
}

struct House {
    modules: BTreeMap<Segments, Module>,
}

impl House {
    fn new(files: &BTreeMap<String, String>) -> Self {
        let modules = files
            .iter()
            .map(|(name, text)| (place(name), Module::read(name, text)));
        Self {
            modules: modules.collect(),
        }
    }

    /// Every use of one file by another, with what is used.
    fn arrows(&self) -> BTreeMap<(String, String), BTreeSet<String>> {
        let mut arrows: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for (here, module) in &self.modules {
            for path in &module.paths {
                let Some((file, used)) = self.resolve(here, path, 0) else {
                    continue;
                };
                if file != module.file {
                    let tie = (module.file.clone(), file);
                    arrows.entry(tie).or_default().insert(used);
                }
            }
        }
        arrows
    }

    /// The file that defines what a path names, if that is not a module itself.
    fn resolve(&self, here: &[String], path: &[String], depth: u32) -> Option<(String, String)> {
        if depth > 16 {
            return None;
        }
        let mut at: Segments = match path.first()?.as_str() {
            "crate" => Vec::new(),
            "super" => here[..here.len().checked_sub(1)?].to_vec(),
            _ => here.to_vec(),
        };
        let skip = usize::from(matches!(path[0].as_str(), "crate" | "super" | "self"));
        for (i, segment) in path.iter().enumerate().skip(skip) {
            if segment == "super" {
                at.pop()?;
                continue;
            }
            let mut child = at.clone();
            child.push(segment.clone());
            if self.modules.contains_key(&child) {
                at = child;
                continue;
            }
            let module = self.modules.get(&at)?;
            if module.defined.contains(segment) {
                return Some((module.file.clone(), segment.clone()));
            }
            let brought = module.uses.iter().find(|(name, _)| name == segment);
            if let Some((_, from)) = brought {
                if from == path && at == here {
                    return None; // it names a crate
                }
                let mut onward = from.clone();
                onward.extend_from_slice(&path[i + 1..]);
                return self.resolve(&at, &onward, depth + 1);
            }
            return module.globs.iter().find_map(|glob| {
                let mut onward = glob.clone();
                onward.extend_from_slice(&path[i..]);
                self.resolve(&at, &onward, depth + 1)
            });
        }
        None
    }

    /// Groups of files that use each other in a loop, each in order.
    fn circles(&self) -> Vec<Vec<String>> {
        let mut reached: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let arrows = self.arrows();
        for (from, to) in arrows.keys() {
            reached.entry(from.clone()).or_default().insert(to.clone());
        }
        loop {
            let before = reached.clone();
            for beyond in reached.values_mut() {
                let further: Vec<String> = beyond
                    .iter()
                    .filter_map(|file| before.get(file))
                    .flatten()
                    .cloned()
                    .collect();
                beyond.extend(further);
            }
            if before == reached {
                break;
            }
        }
        let reaches = |a: &str, b: &str| reached.get(a).is_some_and(|to| to.contains(b));
        let circles: BTreeSet<Vec<String>> = reached
            .keys()
            .filter(|file| reaches(file, file))
            .map(|file| {
                let both = |other: &&String| reaches(file, other) && reaches(other, file);
                reached.keys().filter(both).cloned().collect()
            })
            .collect();
        circles.into_iter().collect()
    }

    fn ties(&self, circle: &[String]) -> Vec<(String, String, String)> {
        let within = |file: &String| circle.contains(file);
        self.arrows()
            .into_iter()
            .filter(|((from, to), _)| within(from) && within(to))
            .map(|((from, to), used)| (from, to, used.into_iter().collect::<Vec<_>>().join(", ")))
            .collect()
    }
}

impl Module {
    fn read(file: &str, text: &str) -> Self {
        let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let mut module = Self {
            file: file.to_owned(),
            defined: BTreeSet::new(),
            uses: Vec::new(),
            globs: Vec::new(),
            paths: Vec::new(),
        };
        module.visit_file(&parsed);
        module
    }

    /// Takes `a::{b, c as d, e::*}` apart.
    fn bring(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.bring(&path.tree, &with(&path.ident)),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.bring(tree, before);
                }
            }
            syn::UseTree::Glob(_) => self.globs.push(before.to_vec()),
            syn::UseTree::Name(name) if name.ident == "self" => {
                let last = before.last().expect("`self` follows a path").clone();
                self.uses.push((last, before.to_vec()));
            }
            syn::UseTree::Name(name) => {
                self.uses.push((name.ident.to_string(), with(&name.ident)));
            }
            syn::UseTree::Rename(name) => {
                self.uses.push((name.rename.to_string(), with(&name.ident)));
            }
        }
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let (name, attributes) = match item {
            syn::Item::Const(item) => (Some(&item.ident), &item.attrs),
            syn::Item::Enum(item) => (Some(&item.ident), &item.attrs),
            syn::Item::Fn(item) => (Some(&item.sig.ident), &item.attrs),
            syn::Item::Macro(item) => (item.ident.as_ref(), &item.attrs),
            syn::Item::Static(item) => (Some(&item.ident), &item.attrs),
            syn::Item::Struct(item) => (Some(&item.ident), &item.attrs),
            syn::Item::Trait(item) => (Some(&item.ident), &item.attrs),
            syn::Item::Type(item) => (Some(&item.ident), &item.attrs),
            syn::Item::Mod(item) => (item.content.as_ref().map(|_| &item.ident), &item.attrs),
            syn::Item::Use(item) => {
                self.bring(&item.tree, &[]);
                return;
            }
            _ => return visit::visit_item(self, item),
        };
        let is_test = |attribute: &syn::Attribute| {
            attribute.path().is_ident("cfg")
                && attribute
                    .meta
                    .to_token_stream()
                    .to_string()
                    .contains("test")
        };
        if !attributes.iter().any(is_test) {
            self.defined.extend(name.map(ToString::to_string));
            visit::visit_item(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Segments = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        self.paths.push(segments);
        visit::visit_path(self, path);
    }

    /// What a macro is given, where that is a list of expressions.
    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let list = Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
        if let Ok(expressions) = called.parse_body_with(list) {
            for expression in &expressions {
                // Kept alive no longer than the visit: what is noted of it is its names.
                let mut within = Names::default();
                within.visit_expr(expression);
                self.paths.extend(within.0);
            }
        }
    }
}

/// The paths in an expression.
#[derive(Default)]
struct Names(Vec<Segments>);

impl<'ast> Visit<'ast> for Names {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter();
        self.0
            .push(segments.map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

/// The place of a file in its crate's tree of modules.
fn place(file: &str) -> Segments {
    let path = file.strip_suffix(".rs").unwrap_or(file);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" {
        return Vec::new();
    }
    path.split('/').map(str::to_owned).collect()
}
