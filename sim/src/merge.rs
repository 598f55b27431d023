//! `sim merge`: the shards of a validation as one.

use console::{Exit, Stop};
use serde_json::json;

use crate::cli::MergeArgs;
use crate::folder;
use crate::terminal::style;

pub(crate) fn run(args: &MergeArgs) -> Result<Exit, Stop> {
    let report = results::merge::merge(&args.shards, &args.out, args.overwrite, |_, shards| {
        // Time and CPU of a merged run are those of its shards together.
        let sum = |key: &str| {
            let seconds = shards.iter().filter_map(|shard| shard.get(key)?.as_f64());
            (seconds.sum::<f64>() * 1e3).round() / 1e3
        };
        let (cpu, libraries) = (sum("cpu_s"), sum("cpu_in_solver_libraries_s"));
        let details = json!({
            "command_line": console::command_line(),
            "version": env!("CARGO_PKG_VERSION"),
            "machine": results::machine(),
            "wall_s": sum("wall_s"),
            "cpu_s": cpu,
            "cpu_in_solver_libraries_s": libraries,
            "cpu_in_solver_libraries_percent":
                (1e4 * libraries / cpu.max(1e-9)).round() / 100.0,
            "shards": shards,
        });
        details.as_object().cloned().unwrap_or_default()
    })
    .map_err(folder::stop)?;
    let mut text = results::render(&report, style());
    text += &format!("\ntables: {}\n", args.out.display());
    console::print(&text)?;
    Ok(Exit::Done)
}
