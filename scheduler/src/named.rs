//! Enums whose variants have names in files and tables.

/// Declares such an enum, with each name once: it is written, read and found by it.
macro_rules! named {
    (
        $(#[$meta:meta])*
        pub enum $Type:ident {
            $($(#[$doc:meta])* $Variant:ident = $name:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $Type {
            $($(#[$doc])* #[serde(rename = $name)] $Variant,)+
        }

        impl $Type {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$Variant,)+];

            /// The name in files and tables.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$Variant => $name,)+
                }
            }

            /// The one of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }
    };
}

pub(crate) use named;
