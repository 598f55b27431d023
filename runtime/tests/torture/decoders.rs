//! Every decoder that reads what others wrote, with inputs that are changed at random: within this process,
//! so that many are tried.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use results::event_log::{EventFile, EventReader};
use runtime::data::{BatchShape, DataSource};
use runtime::model::{ModelKind, ModelSpec, TrainingOptions, Weights, Wire};
use runtime::net::Token;
use runtime::protocol::{Brief, Down, Hello, Order, Report, Trained, Training, Up, VERSION};
use scenarios::{Draws, Instances, Overrides, Scenario};
use scheduler::machine::{Config, Event, Limit};
use scheduler::{Instant, Span};

use crate::{Attempt, Tried};

/// Inputs of one attempt.
const INPUTS: u64 = 2_000;

/// Reads bytes, with the help of a file in the folder where the decoder wants one.
type Read = Box<dyn Fn(&[u8], &Path)>;

/// Something that is read, and whole examples of it.
struct Decoder {
    name: &'static str,
    examples: Vec<Vec<u8>>,
    read: Read,
}

pub(crate) fn mutate(attempt: &Attempt<'_>) -> Result<Tried, String> {
    let mut draws = attempt.draws();
    let all = decoders(&attempt.folder);
    let decoder = &all[attempt.seed as usize % all.len()];
    for number in 0..INPUTS {
        let choice = draws.between(0, decoder.examples.len() as u64 - 1) as usize;
        let input = changed(&decoder.examples[choice], &mut draws);
        let read = || (decoder.read)(&input, &attempt.folder);
        if catch_unwind(AssertUnwindSafe(read)).is_err() {
            let path = attempt.folder.join("input");
            fs::write(&path, &input).expect("room");
            let (name, path) = (decoder.name, path.display());
            return Err(format!("the {name} of input {number} panics: {path}"));
        }
    }
    Ok(INPUTS.into())
}

/// One to four changes.
fn changed(example: &[u8], draws: &mut Draws) -> Vec<u8> {
    let mut bytes = example.to_vec();
    for _ in 0..draws.between(1, 4) {
        let length = bytes.len() as u64;
        let at = draws.between(0, length) as usize;
        let end = bytes.len().min(at + draws.between(0, 16) as usize);
        match draws.between(0, 7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            3 => bytes.insert(at, draws.between(0, 255) as u8),
            4 => {
                // Numbers at their bounds are where decoders break.
                let edges: [&[u8]; 6] = [
                    b"18446744073709551615",
                    b"-1",
                    b"1e999",
                    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                    b"\0\0\0\0\0\0\0\x80",
                    b"\"",
                ];
                let edge = edges[draws.between(0, 5) as usize];
                bytes.splice(at..end, edge.iter().copied());
            }
            _ if at < bytes.len() => bytes[at] ^= 1 << draws.between(0, 7),
            _ => bytes.push(0),
        }
    }
    bytes
}

fn decoders(folder: &Path) -> Vec<Decoder> {
    fn of(
        name: &'static str,
        examples: Vec<Vec<u8>>,
        read: impl Fn(&[u8], &Path) + 'static,
    ) -> Decoder {
        let read = Box::new(read);
        Decoder {
            name,
            examples,
            read,
        }
    }
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    vec![
        of("token", vec![token(folder)], |input, _| {
            let _ = Token::parse(&String::from_utf8_lossy(input));
        }),
        of("order", orders(), |input, _| {
            if let Ok(order) = postcard::from_bytes::<Order>(input) {
                let _ = order.check();
            }
            let _ = postcard::from_bytes::<Down>(input);
        }),
        of("report", reports(), |input, _| {
            if let Ok(Report::Hello(hello)) = postcard::from_bytes::<Report>(input) {
                let _ = hello.check(ModelKind::Linear);
            }
            let _ = postcard::from_bytes::<Up>(input);
        }),
        of("scenario", texts(&scenarios_as_texts()), |input, _| {
            let text = String::from_utf8_lossy(input);
            if let Ok(scenario) = Scenario::parse("x.toml", &text, &Overrides::NONE) {
                let _ = scenario.to_string();
            }
        }),
        of(
            "instance",
            texts(&[
                r#"{"n":14,"beta":0,"s_min":5,"workers":[{"s_max":5,"fee":1.50},{"s_max":9,"fee":2e0}]}"#,
                r#"{"id":"a","n":6,"workers":[{"name":"pc1","costs":[[0,0],[1,9],[4,12],[6,12.5]]},{"s_max":9,"fee":0.25}],"most_employed":2}"#,
            ]),
            |input, _| Instances::new(input).for_each(drop),
        ),
        of("event log", vec![event_log(folder)], |input, folder| {
            let path = folder.join("log.jsonl");
            fs::write(&path, input).expect("room");
            if let Ok(reader) = EventReader::open(&path) {
                reader.for_each(drop);
            }
        }),
        of("data set", idx(), |input, folder| {
            let path = folder.join("data");
            let _ = fs::create_dir(&path);
            let [images, labels] = if input.get(3) == Some(&3) {
                [input.to_vec(), idx()[1].clone()]
            } else {
                [idx()[0].clone(), input.to_vec()]
            };
            for part in ["train", "t10k"] {
                let file = |kind: &str, rank| path.join(format!("{part}-{kind}-idx{rank}-ubyte"));
                fs::write(file("images", 3), &images).expect("room");
                fs::write(file("labels", 1), &labels).expect("room");
            }
            let _ = DataSource::Folder(path).load();
        }),
    ]
}

fn token(folder: &Path) -> Vec<u8> {
    let state = folder.join("state");
    let token = crate::common::program()
        .args(["token", "--state"])
        .arg(state)
        .output()
        .expect("it runs");
    token.stdout.trim_ascii().to_vec()
}

fn orders() -> Vec<Vec<u8>> {
    let model = ModelSpec {
        kind: ModelKind::Linear,
        weights: Weights::Xavier,
        options: TrainingOptions::NONE,
        shape: BatchShape::of_bytes(32, 784, 10, 256),
    };
    let all = [
        Order::Job(Brief {
            run: 1,
            job: 1,
            model,
            parameters: 7_850,
            wire: Wire::F32,
            data: None,
            program: None,
            fee_micro: 1,
            seed: 1,
            allow_gpu: true,
        }),
        Order::Ship {
            session: 1,
            plan: 2,
            keep: 3,
            new: 4,
        },
        Order::Train(Training {
            session: 1,
            cycle: 2,
            batches: 60,
            passes: 1,
            beat_ns: 5,
            beat_batches: 6,
            tail_batches: 7,
            stop_in_ns: 8,
            results_in_ns: 9,
            rate_ppb: 1_000_000_000,
        }),
        Order::Excluded {
            reason: "late".to_owned(),
            may_return: true,
        },
    ];
    all.iter().map(bytes).collect()
}

fn reports() -> Vec<Vec<u8>> {
    let all = [
        Report::Hello(Hello {
            version: VERSION,
            name: "pc1".to_owned(),
            least_fee_micro: 1,
            cores: 4,
            cpu: "a processor".to_owned(),
            device: "cpu".to_owned(),
            threads: 1,
            models: vec![ModelKind::Linear],
            memory: Some(7),
            holds: None,
        }),
        Report::Leave {
            reason: "done".to_owned(),
        },
    ];
    let mut all: Vec<_> = all.iter().map(bytes).collect();
    all.push(bytes(&Up::Trained(Trained {
        session: 1,
        cycle: 2,
        done: 3,
        took_ns: 4,
        tail_ns: 5,
    })));
    all
}

fn bytes(value: &impl serde::Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("it has a form")
}

fn scenarios_as_texts() -> Vec<&'static str> {
    // Not that of ten thousand workers, which takes long to read.
    let small = scenarios::catalogue()
        .iter()
        .filter(|entry| entry.text.len() < 4_000);
    small
        .filter(|entry| entry.name != "ten-thousand")
        .map(|entry| entry.text)
        .collect()
}

fn event_log(folder: &Path) -> Vec<u8> {
    let path = folder.join("whole.jsonl");
    let config = Config::new(60, 3, Limit::Cycle(Span::from_secs(2)));
    let mut writer = EventFile::create(&path, &config).expect("room");
    for event in [Event::Wake, Event::Stopped] {
        writer.append(Instant::START, &event).expect("room");
    }
    writer.publish().expect("room");
    fs::read(&path).expect("it is there")
}

fn idx() -> Vec<Vec<u8>> {
    let mut images = [2051_u32, 4, 2, 2].map(u32::to_be_bytes).concat();
    images.extend([7; 16]);
    let mut labels = [2049_u32, 4].map(u32::to_be_bytes).concat();
    labels.extend([0, 1, 2, 1]);
    vec![images, labels]
}
