//! What a cell of a table holds.

/// How a column is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Text,
    Flag,
    Float,
    /// Whole millionths, beyond 64 bits.
    Money,
    /// Several numbers in one cell, of 32 or 64 bits each.
    Numbers(u8),
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Number => "uint64",
            Self::Text => "text",
            Self::Flag => "boolean",
            Self::Float => "float64",
            Self::Money => "decimal(38, 0)",
            Self::Numbers(32) => "list of uint32",
            Self::Numbers(_) => "list of uint64",
        }
    }
}

/// The content of a cell.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Nothing,
    Number(u64),
    Text(&'a str),
    Flag(bool),
    Float(f64),
    Money(u128),
}

macro_rules! contents {
    ($($method:ident $variant:ident $type:ty;)+) => {
        impl<'a> Value<'a> {
            $(pub(crate) const fn $method(self) -> Option<$type> {
                match self {
                    Self::$variant(value) => Some(value),
                    _ => None,
                }
            })+
        }
    };
}

contents! {
    number Number u64;
    text Text &'a str;
    flag Flag bool;
    float Float f64;
    money Money u128;
}
