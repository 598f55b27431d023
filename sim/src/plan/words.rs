//! What the page, the curves and the line for scripts put in the same words.

use scheduler::{Cost, Span};
use solvers::changes::Change;

use super::answer::{Answer, Idle};

/// Why a worker is idle; with its own numbers if it is the only one.
pub(super) fn why(answer: &Answer, idle: Idle, alone: bool) -> String {
    let lot = answer.request.demand().1.max(1);
    match idle {
        Idle::Late(at) if alone => format!("joins at {}, after the plan is made", seconds(at)),
        Idle::Late(_) => "join after the plan is made".to_owned(),
        Idle::FeeTooLow(least) if alone => format!("does not work for less than {least}"),
        Idle::FeeTooLow(_) => "do not work for what is paid".to_owned(),
        Idle::NotReady => "not benchmarked when the plan is made".to_owned(),
        Idle::NoTime(fixed) if alone => format!(
            "its parameters alone take {} of {}",
            seconds(fixed),
            seconds(answer.request.limit())
        ),
        Idle::NoTime(_) => "their parameters alone take all the time".to_owned(),
        Idle::BelowLot(s_max, lot) if alone => format!("can take {s_max} in time, a lot is {lot}"),
        Idle::BelowLot(..) if answer.request.terms().is_some() => {
            "cannot take a lot of theirs in time".to_owned()
        }
        Idle::BelowLot(_, lot) => format!("cannot take a lot of {lot} in time"),
        Idle::CostsMore => "with all that is paid, no cheaper plan employs it".to_owned(),
        Idle::TooExpensive(highest) => {
            format!("more expensive than every employed worker: they get at most {highest}")
        }
        Idle::NotNeeded => "others who get as much hold the data".to_owned(),
        Idle::LotTooLarge if lot > 1 => {
            format!(
                "cheaper than some employed, but a lot of {lot} here makes the rest more expensive"
            )
        }
        Idle::LotTooLarge => "cheaper than some employed, but left out by the allocator".to_owned(),
        Idle::OneTooMany(employed) => format!(
            "no more expensive than some employed, but with more than {employed} at the orchestrator's \
             link all have less time, which costs more"
        ),
        Idle::NoPlan => "there is no plan".to_owned(),
    }
}

/// A change in words, with what to type for it.
pub(super) fn words_of(answer: &Answer, change: Change) -> String {
    match change {
        Change::Limit { to } => format!("{change} ({})", setting_of(answer, to)),
        Change::Beta { to } => format!("{change} (--set job.beta={to})"),
        Change::SMin { to } => format!("{change} (--set job.s_min={to})"),
        Change::Budget { to } => {
            let all = to.micros() * u128::from(answer.stated.cycles);
            let all = Cost::from_micros(all);
            format!("raise the budget to {all} (--budget {all})")
        }
        Change::Workers { .. } => change.to_string(),
    }
}

/// A time to read: three digits after the point, or more where it is small.
pub(super) fn seconds(span: Span) -> String {
    match span.nanos() {
        0..=99_999_999 => span.to_string(),
        100_000_000..=99_999_999_999 => format!("{:.3} s", span.seconds_f64()),
        _ => format!("{:.1} s", span.seconds_f64()),
    }
}

/// A time in seconds, with every digit that it has.
pub(super) fn exact_seconds(span: Span) -> String {
    let (whole, rest) = (span.nanos() / 1_000_000_000, span.nanos() % 1_000_000_000);
    let text = format!("{whole}.{rest:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What to type for a cycle to have so much time.
pub(super) fn setting_of(answer: &Answer, cycle: Span) -> String {
    let stated = &answer.stated;
    let time = exact_seconds(stated.of(cycle));
    format!("--set {}={time}s", stated.key())
}
