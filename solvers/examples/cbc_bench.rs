//! Measures cbc and lp on the families, tuned and default CBC interleaved on the same model, and
//! compares every answer with `exact`.
//!
//! `cargo run --release -p solvers --example cbc_bench -- [FAMILY] [COUNT] [FEE_DECIMALS]`

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it prints what it finds"
)]

use std::time::Duration;

use scheduler::{Fee, Outcome, PlanStatus, Problem, Worker};
use solvers::{Allocator, Cbc, CbcOptions, CbcProcess, Exact, Lp, Measured};

/// SplitMix64: enough for a measurement.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `low ..= high`; `low` if that is empty.
    fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high.saturating_sub(low) + 1)
    }
}

/// One problem of a family; fees are multiples of `step` micro-units.
fn draw(family: &str, random: &mut Random, step: u64) -> Problem {
    let fee = |random: &mut Random| random.within(0, 20_000_000 / step) * step;
    let mut workers = Vec::new();
    let (m, k) = match family {
        "thesis" => (0, random.within(50, 100)),
        "tight-lots" => (random.within(5, 60), random.within(5, 90)),
        "forced-lot" => (random.within(10, 50), random.within(6, 80)),
        "correlated" => (random.within(3, 40), random.within(5, 60)),
        "ties" => (random.within(2, 30), random.within(5, 90)),
        "partition" => (0, 2 * random.within(3, 30)),
        "zero-lot" => (random.within(0, 1), random.within(1, 40)),
        "mixed" => (random.within(0, 120), random.within(1, 100)),
        "large" => (0, 1_000),
        _ => panic!("unknown family {family}"),
    };
    let three = [fee(random), fee(random), fee(random)];
    for _ in 0..k {
        let (s_max, micros) = match family {
            "thesis" | "mixed" | "large" => (random.within(0, 200), fee(random)),
            "tight-lots" => (random.within(m, m * 13 / 10 + 1), fee(random)),
            "forced-lot" => (random.within(m, 6 * m), fee(random)),
            "correlated" => {
                let s_max = random.within(m / 2, 5 * m);
                let noise = random.within(0, 600_000 / step) * step;
                (s_max, (100_000 * s_max + noise).saturating_sub(300_000))
            }
            "ties" => (random.within(0, 4 * m), three[random.within(0, 2) as usize]),
            "partition" => (random.within(1, 1_000), 0),
            _ => (random.within(0, 60), fee(random)),
        };
        workers.push((s_max, micros));
    }
    let total: u64 = workers.iter().map(|w| w.0).sum();
    let (n, s_min, beta) = match family {
        "thesis" | "large" => {
            let n = random.within((total / 10).max(1), total);
            let s_min = random.within(0, (n / 8).min(100));
            (n, s_min, random.within(0, k / 8))
        }
        "tight-lots" => {
            let n = random.within(m, total);
            (n, m, random.within(0, (k / 4).min(n / m)))
        }
        "forced-lot" => {
            let mut sorted = workers.clone();
            sorted.sort_by_key(|w| w.1);
            let r = random.within(2, k);
            let before: u64 = sorted[..r as usize - 1].iter().map(|w| w.0).sum();
            let n = before + random.within(1, m - 1);
            (n, m, random.within(0, r - 1))
        }
        "partition" => {
            let largest = workers.iter().map(|w| w.0).max().unwrap_or(1);
            let lot = 1 + largest * total;
            let t = k / 2;
            for worker in &mut workers {
                *worker = (lot + worker.0, worker.0 * 10_000);
            }
            (t * lot + total / 2, lot, random.within(0, t))
        }
        "zero-lot" => (random.within(1, total + 3), m, random.within(0, k)),
        "mixed" => (random.within(1, total + 20), m, random.within(0, k / 3)),
        _ => (random.within(1.max(m), total), m, random.within(0, k / 5)),
    };
    let worker = |(s_max, micros)| Worker {
        s_max,
        fee: Fee::from_micros(micros).expect("below the largest"),
    };
    let workers = workers.into_iter().map(worker).collect();
    Problem::new(n, s_min, beta, workers).expect("within bounds")
}

#[derive(Default)]
struct Figures {
    walls: Vec<Duration>,
    library: Duration,
    cpu: Duration,
    optimal: usize,
    bounded: usize,
    failed: usize,
    wrong: usize,
}

impl Figures {
    fn add(&mut self, measured: &Measured, exact: &Outcome) {
        self.walls.push(measured.wall);
        self.library += measured.library_cpu;
        let truth = exact.planned().expect("feasible");
        match &measured.outcome {
            Outcome::Planned(planned) => {
                let proven = truth.status == PlanStatus::Optimal;
                if planned.status == PlanStatus::Optimal {
                    self.optimal += 1;
                    self.wrong += usize::from(proven && planned.plan.cost != truth.plan.cost);
                } else {
                    self.bounded += 1;
                }
                let above = planned.lower_bound.is_some_and(|b| b > truth.plan.cost);
                let below = proven && planned.plan.cost < truth.plan.cost;
                self.wrong += usize::from(above) + usize::from(below);
            }
            other => {
                self.failed += 1;
                if self.failed == 1 {
                    eprintln!("{other:?}");
                }
            }
        }
    }

    fn print(&mut self, name: &str) {
        self.walls.sort_unstable();
        let count = self.walls.len();
        let total: Duration = self.walls.iter().sum();
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        println!(
            "{name:12} median {:8.4} mean {:8.4} p99 {:8.3} max {:8.3} ms, library {:7.4} of cpu {:7.4} ms, \
             optimal {} otherwise {} failed {} wrong {}",
            ms(self.walls[count / 2]),
            ms(total) / count as f64,
            ms(self.walls[count * 99 / 100]),
            ms(self.walls[count - 1]),
            ms(self.library) / count as f64,
            ms(self.cpu) / count as f64,
            self.optimal,
            self.bounded,
            self.failed,
            self.wrong
        );
    }
}

/// What a problem costs this side and the child when 64 travel together.
fn time_batches(mut process: CbcProcess, family: &str, count: usize, step: u64) {
    let mut random = Random(1);
    let mut problems = Vec::new();
    while problems.len() < count {
        let problem = draw(family, &mut random, step);
        if problem.infeasibility().is_none() {
            problems.push(problem);
        }
    }
    let (start, wall) = (thread_cpu_time(), std::time::Instant::now());
    for batch in problems.chunks(64) {
        process.measure_all(batch);
    }
    let (cpu, wall) = (thread_cpu_time() - start, wall.elapsed());
    let stat = process
        .pid()
        .map(|pid| std::fs::read_to_string(format!("/proc/{pid}/schedstat")));
    let child: f64 = stat
        .and_then(Result::ok)
        .and_then(|s| s.split(' ').next().and_then(|ns| ns.parse().ok()))
        .unwrap_or(0.0);
    let ms = |d: Duration| d.as_secs_f64() * 1e3 / count as f64;
    println!(
        "in batches: wall {:.4} ms, library {:.4}, child's cpu {:.4}, parent's cpu {:.4}",
        ms(wall),
        ms(process.library_cpu()),
        child / 1e6 / count as f64,
        ms(cpu)
    );
}

fn thread_cpu_time() -> Duration {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    clock.now().expect("a clock").into()
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let family = args.first().map_or("thesis", String::as_str);
    let number = |i: usize, default: u64| {
        args.get(i)
            .map_or(default, |a| a.parse().expect("a number"))
    };
    let count = number(1, 500) as usize;
    let step = 10_u64.pow(6 - number(2, 2) as u32);
    let child = std::env::current_exe()
        .expect("a path")
        .with_file_name("cbc_serve");
    let mut allocators: Vec<(&str, Box<dyn Allocator>)> = vec![
        ("cbc tuned", Box::new(Cbc::new())),
        ("lp", Box::new(Lp::new())),
        ("exact", Box::new(Exact::default())),
    ];
    if number(3, 1) == 1 {
        let default = Cbc::new().with_options(CbcOptions::Default);
        allocators.push(("cbc default", Box::new(default)));
        if child.exists() {
            let none: [&str; 0] = [];
            allocators.push(("cbc process", Box::new(CbcProcess::new(&child, none))));
        }
    }
    let mut figures: Vec<Figures> = allocators.iter().map(|_| Figures::default()).collect();
    let mut random = Random(1);
    let mut done = 0;
    while done < count {
        let problem = draw(family, &mut random, step);
        if problem.infeasibility().is_some() {
            continue;
        }
        done += 1;
        let exact = Exact::default().measure(&problem).outcome;
        for ((_, allocator), figures) in allocators.iter_mut().zip(&mut figures) {
            let start = thread_cpu_time();
            let measured = allocator.measure(&problem);
            figures.cpu += thread_cpu_time() - start;
            figures.add(&measured, &exact);
        }
    }
    if number(3, 1) == 1 && child.exists() {
        let none: [&str; 0] = [];
        time_batches(CbcProcess::new(child, none), family, count, step);
    }
    for ((name, _), figures) in allocators.iter().zip(&mut figures) {
        figures.print(name);
    }
}
