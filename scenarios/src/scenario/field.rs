//! How values of each type are read and written.

use scheduler::machine::{Billing, Partial, Replan};
use scheduler::{CapacityModel, LinkService, Objective};

use crate::scenario::key::{Field, Key};
use crate::scenario::read::{Item, plain};
use crate::scenario::tree::Value;
use crate::scenario::unit::{Quantity, Ratio, SignedRatio, range, scaled};

macro_rules! whole {
    ($($type:ty)+) => {$(
        impl Field for $type {
            const METAVAR: &'static str = "N";

            fn read(item: &Item<'_>, key: &Key) -> Option<Self> {
                item.whole(key.bounds.0, key.bounds.1)?.try_into().ok()
            }

            fn write(&self, _: &Key) -> Option<String> {
                Some(self.to_string())
            }

            fn form(key: &Key) -> String {
                format!("a whole number from {} to {}", key.bounds.0, key.bounds.1)
            }
        }
    )+};
}
whole!(u8 u32 u64);

impl Field for bool {
    const METAVAR: &'static str = "BOOL";

    fn read(item: &Item<'_>, _: &Key) -> Option<Self> {
        item.bool()
    }

    fn write(&self, _: &Key) -> Option<String> {
        Some(self.to_string())
    }

    fn form(_: &Key) -> String {
        "true or false".to_owned()
    }
}

impl<Q: Quantity> Field for Q {
    const RANGE: (u64, u64) = <Q as Quantity>::RANGE;
    const METAVAR: &'static str = <Q as Quantity>::METAVAR;

    fn read(item: &Item<'_>, key: &Key) -> Option<Self> {
        item.quantity(key.bounds)
    }

    fn write(&self, _: &Key) -> Option<String> {
        Some(self.written())
    }

    fn form(key: &Key) -> String {
        if key.bounds == <Q as Quantity>::RANGE {
            Q::WHAT.to_owned()
        } else {
            range::<Q>(key.bounds)
        }
    }
}

/// The one number that may be negative.
impl Field for SignedRatio {
    const METAVAR: &'static str = "NUMBER";

    fn read(item: &Item<'_>, key: &Key) -> Option<Self> {
        let (Value::Whole(text) | Value::Decimal(text)) = &item.node.value else {
            return item.expected(&Self::form(key));
        };
        let (sign, size) = match text.strip_prefix('-') {
            Some(size) => (-1, size),
            None => (1, text.as_str()),
        };
        match scaled::<Ratio>(&plain(size), 1_000_000, || Self::form(key)) {
            Ok(size) if size.micros() <= 2_000_000 => {
                Some(Self::from_micros(sign * size.micros() as i64))
            }
            Ok(_) => item.expected(&Self::form(key)),
            Err(what) => item.expected(&what),
        }
    }

    fn write(&self, _: &Key) -> Option<String> {
        let (sign, size) = self.parts();
        Some(format!("{sign}{}", size.written()))
    }

    fn form(_: &Key) -> String {
        "a number from -2 to 2".to_owned()
    }
}

/// A text of at least one letter.
impl Field for String {
    const RANGE: (u64, u64) = (1, 4_096);
    const METAVAR: &'static str = "TEXT";

    fn read(item: &Item<'_>, key: &Key) -> Option<Self> {
        let (least, most) = key.bounds;
        let fits = |text: &&str| {
            (least..=most).contains(&(text.len() as u64)) && !text.contains(char::is_control)
        };
        match item.text().filter(fits) {
            Some(text) => Some(text.to_owned()),
            None => item.expected(&format!(
                "{}, such as {}",
                Self::form(key),
                key.shown_value()
            )),
        }
    }

    fn write(&self, _: &Key) -> Option<String> {
        Some(quoted(self))
    }

    fn form(key: &Key) -> String {
        format!("a text of at most {} letters", key.bounds.1)
    }

    fn literal(text: &str) -> String {
        quoted(text)
    }
}

/// A value that need not be there; what stands for that is the key's word, if it has one.
impl<T: Field> Field for Option<T> {
    const RANGE: (u64, u64) = T::RANGE;
    const METAVAR: &'static str = T::METAVAR;

    fn read(item: &Item<'_>, key: &Key) -> Option<Self> {
        if key.word.is_some() && item.text() == key.word {
            return Some(None);
        }
        T::read(item, key).map(Some)
    }

    fn write(&self, key: &Key) -> Option<String> {
        match self {
            Some(value) => value.write(key),
            None => key.word.map(quoted),
        }
    }

    fn form(key: &Key) -> String {
        let form = T::form(key);
        key.word
            .map_or(form.clone(), |word| format!("{form}, or \"{word}\""))
    }

    fn absent() -> Option<Self> {
        Some(None)
    }

    fn literal(text: &str) -> String {
        T::literal(text)
    }
}

impl<T: Field> Field for Vec<T> {
    const RANGE: (u64, u64) = T::RANGE;
    const METAVAR: &'static str = "LIST";

    fn read(item: &Item<'_>, key: &Key) -> Option<Self> {
        let items = item.list()?;
        // All of them, so that all mistakes are found.
        let values: Vec<Option<T>> = items.iter().map(|item| T::read(item, key)).collect();
        values.into_iter().collect()
    }

    fn write(&self, key: &Key) -> Option<String> {
        let values: Vec<String> = self.iter().filter_map(|value| value.write(key)).collect();
        if values.iter().any(|value| value.starts_with('{')) {
            return Some(format!("[\n    {},\n]", values.join(",\n    ")));
        }
        Some(format!("[{}]", values.join(", ")))
    }

    fn form(key: &Key) -> String {
        format!("a list, each {}", T::form(key))
    }

    fn literal(text: &str) -> String {
        format!("[{text}]")
    }
}

/// A type that is one of several names, the default first.
macro_rules! choices {
    ($($type:ty { $($name:literal => $value:ident),+ $(,)? })+) => {$(
        impl $crate::scenario::key::Field for $type {
            const METAVAR: &'static str = "NAME";

            fn read(
                item: &$crate::scenario::read::Item<'_>,
                _: &$crate::scenario::key::Key,
            ) -> Option<Self> {
                item.choice(&[$(($name, Self::$value)),+])
            }

            fn write(&self, _: &$crate::scenario::key::Key) -> Option<String> {
                let name = match self {
                    $( Self::$value => $name, )+
                };
                Some($crate::scenario::field::quoted(name))
            }

            fn form(_: &$crate::scenario::key::Key) -> String {
                $crate::scenario::field::listed(&[$($name),+])
            }

            fn literal(text: &str) -> String {
                $crate::scenario::field::quoted(text)
            }
        }
    )+};
}
pub(crate) use choices;

choices! {
    CapacityModel { "full" => Full, "compute-only" => ComputeOnly }
    LinkService { "ordered" => Ordered, "shared" => Shared, "last-first" => LastFirst }
    Objective {
        "cheapest" => Cheapest,
        "cheapest-then-quickest" => CheapestThenQuickest,
        "quickest" => Quickest,
    }
    Replan { "adaptive" => Adaptive, "static" => Static }
    Partial { "accept" => Accept, "discard" => Discard }
    Billing { "assigned" => Assigned, "computed" => Computed }
}

/// Names as an alternative.
pub(crate) fn listed(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => quoted.concat(),
    }
}

/// A text as TOML writes it.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted += &format!("\\u{:04X}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
