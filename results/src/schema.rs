//! Columns: what their values are, how rows are turned into them and read back.
//!
//! [`columns!`] declares the columns of a row type once: the field, its type, the column's name
//! and one sentence. From that declaration come the writer ([`Row::write`]), the reader
//! ([`Row::read`]), the Parquet metadata and the data dictionary ([`Row::describe`]).
//!
//! **What it does not know:** which file a row is in.

use std::borrow::Cow;
use std::sync::Arc;

use polars_core::prelude::*;
use scheduler::machine::{CycleId, CycleResult, Fate, PlanId, SessionId, Trigger, WorkerId};
use scheduler::{Certificate, Cost, Fee, Instant, PlanStatus, Span, Speed, Tier};

use crate::error::ResultsError;
use crate::interval::Estimate;
use crate::read::Table;
use crate::status::{Status, reason_from_name};
use crate::value::{Kind, Value};

/// The digits of a decimal column: as many as 128 bits hold.
pub(crate) const DECIMAL_DIGITS: usize = 38;

/// What a column is, for the data dictionary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Described {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Whether a cell may be empty.
    pub(crate) is_optional: bool,
    pub(crate) sentence: Cow<'static, str>,
}

impl Described {
    pub(crate) fn new(name: &str, kind: Kind, sentence: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            is_optional: false,
            sentence: Cow::Borrowed(sentence.trim()),
        }
    }

    /// Columns of a part that not every row has.
    pub(crate) fn maybe(columns: Vec<Self>) -> impl Iterator<Item = Self> {
        columns.into_iter().map(|column| Self {
            is_optional: true,
            ..column
        })
    }

    /// The unit, by what the name ends in.
    pub(crate) fn unit(&self) -> &'static str {
        const UNITS: [(&str, &str); 6] = [
            ("_ns", "ns"),
            ("nanoseconds", "ns"),
            ("_ms", "ms"),
            ("_s", "s"),
            ("_micro", "millionths"),
            ("_percent", "%"),
        ];
        let name = self.name.trim_end_matches("_low").trim_end_matches("_high");
        let unit = UNITS.iter().find(|(end, _)| name.ends_with(end));
        unit.map_or("", |(_, unit)| unit)
    }
}

/// A type whose values fill one column.
pub(crate) trait Cell: Sized {
    const KIND: Kind;
    const IS_OPTIONAL: bool = false;
    fn value(&self) -> Value<'_>;
    /// Nothing if it is no such value.
    fn of(value: Value<'_>) -> Option<Self>;
}

impl<T: Cell> Cell for Option<T> {
    const KIND: Kind = T::KIND;
    const IS_OPTIONAL: bool = true;

    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Nothing, T::value)
    }

    fn of(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Nothing => Some(None),
            value => T::of(value).map(Some),
        }
    }
}

macro_rules! cells {
    ($($kind:ident $type:ty: $to:expr, $of:expr;)+) => {
        $(impl Cell for $type {
            const KIND: Kind = Kind::$kind;

            fn value(&self) -> Value<'_> {
                let to: fn(&$type) -> _ = $to;
                Value::$kind(to(self))
            }

            fn of(value: Value<'_>) -> Option<Self> {
                let Value::$kind(value) = value else {
                    return None;
                };
                let of: fn(_) -> Option<$type> = $of;
                of(value)
            }
        })+
    };
}

/// Numbers of things have 32 bits.
fn id<T>(number: u64, new: fn(u32) -> T) -> Option<T> {
    u32::try_from(number).ok().map(new)
}

cells! {
    Number u64: |n| *n, Some;
    Number Span: |span| span.nanos(), |nanos| Some(Span::from_nanos(nanos));
    Number Instant: |at| at.nanos(), |nanos| Some(Instant::from_nanos(nanos));
    Number Fee: |fee| fee.micros(), Fee::from_micros;
    Number PlanId: |id| id.get().into(), |n| id(n, PlanId::new);
    Number CycleId: |id| id.get().into(), |n| id(n, CycleId::new);
    Number WorkerId: |id| id.get().into(), |n| id(n, WorkerId::new);
    Number SessionId: |id| id.get().into(), |n| id(n, SessionId::new);
    Flag bool: |flag| *flag, Some;
    Float f64: |float| *float, Some;
    Money Cost: |cost| cost.micros(), |micros| Some(Cost::from_micros(micros));
}

macro_rules! texts {
    ($($type:ty: $to:expr, $of:expr;)+) => {
        $(impl Cell for $type {
            const KIND: Kind = Kind::Text;

            fn value(&self) -> Value<'_> {
                let to: for<'a> fn(&'a $type) -> &'a str = $to;
                Value::Text(to(self))
            }

            fn of(value: Value<'_>) -> Option<Self> {
                let of: fn(&str) -> Option<$type> = $of;
                of(value.text()?)
            }
        })+
    };
}

texts! {
    String: |text| text, |text| Some(text.to_owned());
    Arc<str>: |text| text, |text| Some(text.into());
    Cow<'static, str>: |text| text, |text| Some(Cow::Owned(text.to_owned()));
    Status: |status| status.name(), Status::from_name;
    Certificate: |certificate| certificate.name(), Certificate::from_name;
    // Why there is no plan: reasons are known beforehand.
    &'static str: |text| text, reason_from_name;
    PlanStatus: |status| status.name(), PlanStatus::from_name;
    Trigger: |trigger| trigger.name(), Trigger::from_name;
    CycleResult: |result| result.name(), CycleResult::from_name;
    Fate: |fate| fate.name(), Fate::from_name;
}

/// A type whose values fill a column, or a few.
pub(crate) trait Field: Sized {
    fn describe(name: &str, sentence: &'static str, to: &mut Vec<Described>);
    /// Rows without a value leave their cells empty.
    fn write<'a>(
        name: &str,
        values: impl Iterator<Item = Option<&'a Self>> + Clone,
        to: &mut Vec<Column>,
    ) where
        Self: 'a;
    fn read(table: &Table<'_>, name: &str) -> Result<Vec<Self>, ResultsError>;
}

impl<T: Cell> Field for T {
    fn describe(name: &str, sentence: &'static str, to: &mut Vec<Described>) {
        to.push(Described {
            is_optional: T::IS_OPTIONAL,
            ..Described::new(name, T::KIND, sentence)
        });
        if let Some(plain) = name.strip_suffix(EXACT) {
            to.push(Described {
                is_optional: T::IS_OPTIONAL,
                ..Described::new(plain, Kind::Float, "The same in units of money, rounded.")
            });
        }
    }

    fn write<'a>(
        name: &str,
        values: impl Iterator<Item = Option<&'a Self>> + Clone,
        to: &mut Vec<Column>,
    ) where
        Self: 'a,
    {
        let values = values.map(|value| value.map_or(Value::Nothing, T::value));
        to.push(column(name, T::KIND, values.clone()));
        if let Some(plain) = name.strip_suffix(EXACT) {
            to.push(column(plain, Kind::Float, values.map(rounded)));
        }
    }

    fn read(table: &Table<'_>, name: &str) -> Result<Vec<Self>, ResultsError> {
        let take = |value: Value<'_>| {
            T::of(value).ok_or_else(|| match value {
                Value::Nothing => table.damaged(format!("column {name} has missing values")),
                Value::Text(text) => table.damaged(format!("\"{text}\" is no {name}")),
                Value::Number(number) => table.damaged(format!("{number} is no {name}")),
                value => table.damaged(format!("{value:?} is no {name}")),
            })
        };
        table.cells(name, T::KIND, take)
    }
}

/// What ends the name of a column of money in millionths, which has one of floats beside it.
const EXACT: &str = "_micro";

/// Money in units, as a float.
fn rounded(exact: Value<'_>) -> Value<'_> {
    match exact {
        Value::Number(micros) => Value::Float(micros as f64 / 1e6),
        Value::Money(micros) => Value::Float(micros as f64 / 1e6),
        _ => Value::Nothing,
    }
}

impl Field for Speed {
    fn describe(name: &str, sentence: &'static str, to: &mut Vec<Described>) {
        u64::describe(&format!("{name}_batches"), sentence, to);
        Span::describe(&format!("{name}_ns"), "In this time.", to);
    }

    fn write<'a>(
        name: &str,
        values: impl Iterator<Item = Option<&'a Self>> + Clone,
        to: &mut Vec<Column>,
    ) {
        let batches =
            |speed: Option<&Self>| speed.map_or(Value::Nothing, |s| Value::Number(s.batches()));
        let took = |speed: Option<&Self>| {
            speed.map_or(Value::Nothing, |s| Value::Number(s.took().nanos()))
        };
        to.push(column(
            &format!("{name}_batches"),
            Kind::Number,
            values.clone().map(batches),
        ));
        to.push(column(
            &format!("{name}_ns"),
            Kind::Number,
            values.map(took),
        ));
    }

    fn read(table: &Table<'_>, name: &str) -> Result<Vec<Self>, ResultsError> {
        let speeds = Option::<Self>::read(table, name)?.into_iter();
        let speed = |speed: Option<Self>| table.required(speed, &format!("{name}_batches"));
        speeds.map(speed).collect()
    }
}

impl Field for Option<Speed> {
    fn describe(name: &str, sentence: &'static str, to: &mut Vec<Described>) {
        let from = to.len();
        Speed::describe(name, sentence, to);
        to[from..]
            .iter_mut()
            .for_each(|column| column.is_optional = true);
    }

    fn write<'a>(
        name: &str,
        values: impl Iterator<Item = Option<&'a Self>> + Clone,
        to: &mut Vec<Column>,
    ) {
        Speed::write(name, values.map(|value| value.and_then(Option::as_ref)), to);
    }

    fn read(table: &Table<'_>, name: &str) -> Result<Vec<Self>, ResultsError> {
        let (batches, nanos) = (format!("{name}_batches"), format!("{name}_ns"));
        let pairs = Option::<u64>::read(table, &batches)?.into_iter();
        let pairs = pairs.zip(Option::<Span>::read(table, &nanos)?);
        let speed = |(batches, took): (Option<u64>, Option<Span>)| {
            let Some((batches, took)) = batches.zip(took) else {
                return Ok(None);
            };
            let wrong = || table.damaged(format!("{} is no {nanos}", took.nanos()));
            Speed::measured(batches, took).map(Some).ok_or_else(wrong)
        };
        pairs.map(speed).collect()
    }
}

/// Tiers of fees are a text, as one reads and writes them.
impl Field for Vec<Tier> {
    fn describe(name: &str, sentence: &'static str, to: &mut Vec<Described>) {
        Option::<String>::describe(name, sentence, to);
    }

    fn write<'a>(
        name: &str,
        values: impl Iterator<Item = Option<&'a Self>> + Clone,
        to: &mut Vec<Column>,
    ) {
        let text = |tiers: &Self| {
            let tiers = tiers
                .iter()
                .map(|tier| format!("{}:{}", tier.after, tier.fee));
            tiers.collect::<Vec<_>>().join(" ")
        };
        let texts: Vec<String> = values
            .map(|tiers| tiers.map(text).unwrap_or_default())
            .collect();
        let value = |text| match text {
            "" => Value::Nothing,
            text => Value::Text(text),
        };
        let values = texts.iter().map(|text| value(text.as_str()));
        to.push(column(name, Kind::Text, values));
    }

    fn read(table: &Table<'_>, name: &str) -> Result<Vec<Self>, ResultsError> {
        let tier = |text: &str| {
            let (after, fee) = text.split_once(':')?;
            let (after, fee) = (after.parse().ok()?, fee.parse().ok()?);
            Some(Tier { after, fee })
        };
        let tiers = |text: Option<String>| {
            let text = text.unwrap_or_default();
            let tiers: Option<Self> = text.split_whitespace().map(tier).collect();
            tiers.ok_or_else(|| table.damaged(format!("\"{text}\" is no {name}")))
        };
        let texts = Option::<String>::read(table, name)?.into_iter();
        texts.map(tiers).collect()
    }
}

/// The ends of an estimate's interval stand in columns of their own.
const ENDS: [&str; 2] = ["_low", "_high"];

/// A column of an estimate: what is added to its name, and which of its numbers it holds.
type Part = (&'static str, fn(&Estimate) -> Option<f64>);

impl Field for Option<Estimate> {
    fn describe(name: &str, sentence: &'static str, to: &mut Vec<Described>) {
        Option::<f64>::describe(name, sentence, to);
        let ends = [
            "Lower end of its 95 % confidence interval.",
            "Upper end of it.",
        ];
        for (end, sentence) in ENDS.into_iter().zip(ends) {
            Option::<f64>::describe(&format!("{name}{end}"), sentence, to);
        }
    }

    fn write<'a>(
        name: &str,
        values: impl Iterator<Item = Option<&'a Self>> + Clone,
        to: &mut Vec<Column>,
    ) {
        let parts: [Part; 3] = [
            ("", |estimate| Some(estimate.value)),
            (ENDS[0], |estimate| estimate.low),
            (ENDS[1], |estimate| estimate.high),
        ];
        for (end, part) in parts {
            let values = values.clone().map(|value| value.and_then(Option::as_ref));
            let values =
                values.map(|value| value.and_then(part).map_or(Value::Nothing, Value::Float));
            to.push(column(&format!("{name}{end}"), Kind::Float, values));
        }
    }

    fn read(table: &Table<'_>, name: &str) -> Result<Vec<Self>, ResultsError> {
        let of = |end: &str| Option::<f64>::read(table, &format!("{name}{end}"));
        let ends = of(ENDS[0])?.into_iter().zip(of(ENDS[1])?);
        let values = of("")?.into_iter().zip(ends);
        let estimate = |(value, (low, high)): (Option<f64>, (Option<f64>, Option<f64>))| {
            value.map(|value| Estimate { value, low, high })
        };
        Ok(values.map(estimate).collect())
    }
}

/// A column of these contents.
pub(crate) fn column<'a>(
    name: &str,
    kind: Kind,
    values: impl Iterator<Item = Value<'a>>,
) -> Column {
    let name = PlSmallStr::from(name);
    match kind {
        Kind::Number => {
            UInt64Chunked::from_iter_options(name, values.map(Value::number)).into_column()
        }
        Kind::Text => StringChunked::from_iter_options(name, values.map(Value::text)).into_column(),
        Kind::Flag => {
            BooleanChunked::from_iter_options(name, values.map(Value::flag)).into_column()
        }
        Kind::Float => {
            Float64Chunked::from_iter_options(name, values.map(Value::float)).into_column()
        }
        Kind::Money => {
            let signed =
                |micros| i128::try_from(micros).expect("a cost is at most 10^27 millionths");
            let micros = values.map(|value| value.money().map(signed));
            Int128Chunked::from_iter_options(name, micros)
                .into_decimal_unchecked(DECIMAL_DIGITS, 0)
                .into_column()
        }
        Kind::Numbers(_) => unreachable!("lists are built where they are written"),
    }
}

/// A type that is a row of a table, or a part of one.
pub(crate) trait Row: Sized {
    /// The columns, in order.
    fn describe() -> Vec<Described>;
    /// The columns of these rows; a row that is none leaves its cells empty.
    fn write<'a>(rows: impl Iterator<Item = Option<&'a Self>> + Clone) -> Vec<Column>
    where
        Self: 'a;
    /// The rows of a row group.
    fn read(table: &Table<'_>) -> Result<Vec<Self>, ResultsError>;
}

/// The cells of one row under their names.
pub(crate) fn cells<T: Row>(row: &T) -> Vec<(String, serde_json::Value)> {
    let columns = T::write(std::iter::once(Some(row))).into_iter();
    let cell = |column: Column| {
        let value = match column.get(0) {
            Ok(AnyValue::UInt64(number)) => number.into(),
            Ok(AnyValue::Float64(float)) => float.into(),
            Ok(AnyValue::Boolean(flag)) => flag.into(),
            Ok(AnyValue::String(text)) => text.into(),
            Ok(AnyValue::StringOwned(text)) => text.as_str().into(),
            _ => serde_json::Value::Null,
        };
        (column.name().to_string(), value)
    };
    columns.map(cell).collect()
}

/// `columns!` declares the columns of a row type: for each `/// sentence` and
/// `field: Type = "column"`. With `struct` it defines the type as well; with `for` the type is
/// defined elsewhere, and what else it has follows `..`.
macro_rules! columns {
    (
        $(#[$about:meta])*
        $seen:vis struct $row:ident {
            $($(#[doc = $sentence:literal])+ $field:ident: $type:ty = $name:literal,)+
        }
    ) => {
        $(#[$about])*
        $seen struct $row {
            $($(#[doc = $sentence])+ $seen $field: $type,)+
        }

        $crate::schema::columns! {
            for $row {
                $($(#[doc = $sentence])+ $field: $type = $name,)+
            }
        }
    };
    (
        for $row:ty {
            $($(#[doc = $sentence:literal])+ $field:ident: $type:ty = $name:literal,)+
            $(.. $rest:ident: $default:expr)?
        }
    ) => {
        impl $crate::schema::Row for $row {
            fn describe() -> Vec<$crate::schema::Described> {
                let mut all = Vec::new();
                $(<$type as $crate::schema::Field>::describe(
                    $name, concat!($($sentence),+), &mut all,
                );)+
                all
            }

            fn write<'a>(
                rows: impl Iterator<Item = Option<&'a Self>> + Clone,
            ) -> Vec<polars_core::prelude::Column> {
                let mut all = Vec::new();
                $(<$type as $crate::schema::Field>::write(
                    $name, rows.clone().map(|row| row.map(|row| &row.$field)), &mut all,
                );)+
                all
            }

            fn read(
                table: &$crate::read::Table<'_>,
            ) -> Result<Vec<Self>, $crate::error::ResultsError> {
                $(let mut $field =
                    <$type as $crate::schema::Field>::read(table, $name)?.into_iter();)+
                let mut rows = Vec::with_capacity(table.height());
                while let ($(Some($field),)+) = ($($field.next(),)+) {
                    rows.push(Self { $($field,)+ $($rest: $default)? });
                }
                Ok(rows)
            }
        }
    };
}

pub(crate) use columns;
