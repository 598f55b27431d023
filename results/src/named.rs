//! From the name that a table or a line has to the variant of the core that has it.

/// `named!(function, Type, "what it is called", [Variant, …])`: a function that finds the variant
/// by `Type::name`. A variant that is not listed does not compile.
macro_rules! named {
    ($function:ident, $type:ident, $what:literal, [$($variant:ident),+ $(,)?]) => {
        pub(crate) fn $function(name: &str) -> Result<$type, String> {
            const fn listed(value: $type) -> $type {
                match value {
                    $($type::$variant => value,)+
                }
            }
            [$($type::$variant),+]
                .into_iter()
                .map(listed)
                .find(|value| value.name() == name)
                .ok_or_else(|| format!("\"{name}\" is no {}", $what))
        }
    };
}

pub(crate) use named;
