//! What is known of a key of a scenario, and the tables that are made of keys.
//!
//! A table is declared once, by [`keys!`]: its fields with their types, defaults and bounds, and a
//! sentence each. From that come the structure itself, its reader and writer, the flags and
//! variables of both programs, and the reference page.

use crate::scenario::read::{Item, Section};
use crate::scenario::tree::{Node, Origin};

/// A key of a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    table: &'static str,
    name: &'static str,
    sentences: &'static [&'static str],
    default: Option<&'static str>,
    example: Option<&'static str>,
    /// Of a number in its smallest unit, or of the length of a text.
    pub(crate) bounds: (u64, u64),
    /// What is written where there is no value, such as "never".
    pub(crate) word: Option<&'static str>,
    variable: Option<&'static str>,
    flag: Option<&'static str>,
    metavar: &'static str,
    form: fn(&Self) -> String,
    check: fn(&Item<'_>, &Self) -> bool,
    literal: fn(&str) -> String,
}

/// The type of a key's value: how it is read and written.
pub(crate) trait Field: Sized {
    /// The bounds if the key names none.
    const RANGE: (u64, u64) = (0, u64::MAX);
    /// How the help of a flag names a value.
    const METAVAR: &'static str;

    /// Reads a value, or says what is wrong with it.
    fn read(item: &Item<'_>, key: &Key) -> Option<Self>;
    /// As it is written in a scenario; nothing where there is none.
    fn write(&self, key: &Key) -> Option<String>;
    /// What is expected, for messages and the reference.
    fn form(key: &Key) -> String;

    /// The value of a key that has no default and is not given, if that is allowed.
    fn absent() -> Option<Self> {
        None
    }

    /// The text of a flag or a variable as a value of a scenario file.
    fn literal(text: &str) -> String {
        text.to_owned()
    }
}

impl Key {
    pub(crate) const fn new<T: Field>(
        table: &'static str,
        name: &'static str,
        sentences: &'static [&'static str],
    ) -> Self {
        Self {
            table,
            name,
            sentences,
            default: None,
            example: None,
            bounds: T::RANGE,
            word: None,
            variable: None,
            flag: None,
            metavar: T::METAVAR,
            form: T::form,
            check: |item, key| T::read(item, key).is_some(),
            literal: T::literal,
        }
    }

    /// As TOML.
    pub(crate) const fn default(self, default: &'static str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    /// A value as TOML, for a key without a default.
    pub(crate) const fn example(self, example: &'static str) -> Self {
        Self {
            example: Some(example),
            ..self
        }
    }

    pub(crate) const fn within(self, least: u64, most: u64) -> Self {
        Self {
            bounds: (least, most),
            ..self
        }
    }

    pub(crate) const fn or_word(self, word: &'static str) -> Self {
        Self {
            word: Some(word),
            ..self
        }
    }

    pub(crate) const fn variable(self, variable: &'static str) -> Self {
        Self {
            variable: Some(variable),
            ..self
        }
    }

    pub(crate) const fn flag(self, flag: &'static str) -> Self {
        Self {
            flag: Some(flag),
            ..self
        }
    }

    /// The table that it stands in, such as `job`; `workers` also for `[fleet]`.
    pub const fn table_name(&self) -> &'static str {
        self.table
    }

    /// Its name in that table.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The path that `--set` takes, such as `job.beta`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.table, self.name)
    }

    /// The environment variable that gives it.
    pub const fn variable_name(&self) -> Option<&'static str> {
        self.variable
    }

    /// The flag that gives it, without the dashes.
    pub const fn flag_name(&self) -> Option<&'static str> {
        self.flag
    }

    /// How the help of that flag names a value.
    pub const fn metavar(&self) -> &'static str {
        self.metavar
    }

    /// What it means.
    pub fn about(&self) -> String {
        joined(self.sentences)
    }

    /// What a value looks like, with its bounds.
    pub fn form(&self) -> String {
        (self.form)(self)
    }

    /// The value that it has when it is not given, as TOML.
    pub const fn default_value(&self) -> Option<&'static str> {
        self.default
    }

    /// A value as TOML: the default, or else an example.
    pub fn shown_value(&self) -> &'static str {
        self.default.or(self.example).unwrap_or("1")
    }

    /// The help of its flag, in a line.
    pub fn help(&self) -> String {
        let about = self.about();
        let about = about.split_once(". ").map_or(&*about, |(first, _)| first);
        let about = about.trim_end_matches('.');
        let variable = self.variable.map(|name| format!("; variable {name}"));
        let path = self.path();
        format!("{path}: {about}{}", variable.unwrap_or_default())
    }

    /// Whether a value can be read; what is wrong with it is noted.
    pub(crate) fn check(&self, item: &Item<'_>) -> bool {
        (self.check)(item, self)
    }

    /// The text of a flag or a variable as a value of a scenario file.
    pub(crate) fn literal(&self, text: &str) -> String {
        (self.literal)(text)
    }
}

/// The lines of a comment as one.
pub(crate) fn joined(lines: &[&str]) -> String {
    let lines = lines.iter().map(|line| line.trim());
    lines.collect::<Vec<_>>().join(" ")
}

/// A structure whose fields are keys.
pub(crate) trait Table: Sized {
    /// Its name.
    const NAME: &'static str;
    /// What it is about.
    const ABOUT: &'static [&'static str];
    /// Its keys, in the order in which they are written.
    const KEYS: &'static [Key];

    /// Reads all keys, whatever is wrong with any of them.
    fn read_keys(section: &mut Section<'_>) -> Option<Self>;
    /// The keys with their values; those without a value are left out.
    fn written(&self) -> Vec<(&'static Key, String)>;

    /// Reads a table that may be left out. Keys that it does not have are mistakes.
    fn read_from(root: &mut Section<'_>) -> Option<Self> {
        let empty = Node::table(root.at.clone(), Vec::new());
        let item = root.take(Self::NAME).unwrap_or(Item {
            node: &empty,
            path: Self::NAME.to_owned(),
            mistakes: root.mistakes,
        });
        Self::read_item(&item)
    }

    /// Reads a value that must be this table.
    fn read_item(item: &Item<'_>) -> Option<Self> {
        let mut section = item.section()?;
        let table = Self::read_keys(&mut section);
        section.finish();
        table
    }

    /// As a table within a line.
    fn in_line(&self) -> String {
        let pairs = self.written().into_iter();
        let pairs = pairs.map(|(key, value)| format!("{} = {value}", key.name));
        format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
    }
}

impl Section<'_> {
    /// The value of a key, its default, or a mistake.
    pub(crate) fn get<T: Field>(&mut self, key: &'static Key) -> Option<T> {
        if let Some(item) = self.take(key.name) {
            return T::read(&item, key);
        }
        if let Some(text) = key.default {
            let node = Node::value(text, &Origin::Line(0));
            let item = Item {
                node: &node,
                path: self.path_of(key.name),
                mistakes: self.mistakes,
            };
            return T::read(&item, key);
        }
        let absent = T::absent();
        if absent.is_none() {
            let (path, form) = (self.path_of(key.name), key.form());
            let example = key.shown_value();
            self.mistake(format!(
                "{path} is missing, expected {form}, such as {example}"
            ));
        }
        absent
    }
}

/// Declares a table of a scenario.
///
/// Each field has its sentence, its type, and what is to be known of the key: a default or an
/// example, bounds, a variable, a flag.
macro_rules! keys {
    (
        $(#[doc = $about:literal])+
        pub struct $table:ident in $name:literal {
            $(
                $(#[doc = $doc:literal])+
                $field:ident $(as $key:literal)?: $type:ty
                    => $($method:ident($($argument:expr),*)).+;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $table {
            $( $(#[doc = $doc])+ pub $field: $type, )+
        }

        crate::scenario::key::keys! {
            $(#[doc = $about])+
            for $table in $name {
                $(
                    $(#[doc = $doc])+
                    $field $(as $key)?: $type => $($method($($argument),*)).+;
                )+
            }
        }
    };
    (
        $(#[doc = $about:literal])+
        for $table:ident in $name:literal {
            $(
                $(#[doc = $doc:literal])+
                $field:ident $(as $key:literal)?: $type:ty
                    => $($method:ident($($argument:expr),*)).+;
            )+
        }
    ) => {
        impl crate::scenario::key::Table for $table {
            const NAME: &'static str = $name;
            const ABOUT: &'static [&'static str] = &[$($about),+];
            const KEYS: &'static [crate::scenario::key::Key] = &[$(
                crate::scenario::key::Key::new::<$type>(
                    $name,
                    crate::scenario::key::keys!(@name $field $($key)?),
                    &[$($doc),+],
                )$(.$method($($argument),*))+,
            )+];

            fn read_keys(
                section: &mut crate::scenario::read::Section<'_>,
            ) -> Option<Self> {
                let mut keys = Self::KEYS.iter();
                $( let $field = section.get::<$type>(keys.next()?); )+
                Some(Self { $( $field: $field?, )+ })
            }

            fn written(&self) -> Vec<(&'static crate::scenario::key::Key, String)> {
                let (mut keys, mut pairs) = (Self::KEYS.iter(), Vec::new());
                $(
                    if let Some(key) = keys.next()
                        && let Some(value) = crate::scenario::key::Field::write(&self.$field, key)
                    {
                        pairs.push((key, value));
                    }
                )+
                pairs
            }
        }
    };
    (@name $field:ident $key:literal) => { $key };
    (@name $field:ident) => { stringify!($field) };
}
pub(crate) use keys;
