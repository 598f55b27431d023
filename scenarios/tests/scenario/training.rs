//! How training goes: what keys mean together, the learning rate of each cycle, bytes on the wire.

use scenarios::scenario::Wire;

use crate::{GOOD, with};

#[test]
fn keys_without_a_meaning_are_mistakes() {
    let check = |set: &[&str], expected: &str| {
        let errors = with(GOOD, set).expect_err(expected);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].ends_with(expected), "{errors:?}");
    };
    let adam = ["training.optimizer=adamw", "training.momentum=0.9"];
    check(
        &adam,
        "training.momentum has no meaning, expected training.optimizer = \"sgd\" with it",
    );
    for key in ["step_every=3", "step_factor=0.5"] {
        check(
            &[&format!("training.{key}")],
            "training.schedule = \"step\" with it",
        );
    }
    for key in ["outer_rate=1", "outer_momentum=0.5"] {
        check(
            &[&format!("training.{key}")],
            "training.outer = \"nesterov\" with it",
        );
    }
    check(&["training.loss=hinge"], ", \"thesis-softmax\"");
    // What stands in for nothing is not written, so that it reads back as the same.
    let scenario = with(GOOD, &["training.loss=logits"]).expect("an old name");
    let text = scenario.to_string();
    assert!(
        text.contains("loss = \"cross-entropy\"") && !text.contains("optimizer"),
        "{text}"
    );
}

#[test]
fn the_learning_rate_follows_the_schedule() {
    let rates = |set: &[&str]| {
        let scenario = with(GOOD, set).expect("valid");
        let rate = |cycle| scenario.training().rate_ppb(cycle, 6) / 1_000_000;
        (1..=6).map(rate).collect::<Vec<_>>()
    };
    assert_eq!(rates(&[]), [1000; 6]);
    assert_eq!(
        rates(&["training.warmup=3"]),
        [250, 500, 750, 1000, 1000, 1000]
    );
    let step = [
        "training.schedule=step",
        "training.step_every=2",
        "training.step_factor=0.5",
    ];
    assert_eq!(rates(&step), [1000, 1000, 500, 500, 250, 250]);
    assert_eq!(rates(&["training.schedule=step"]), [1000; 6]);
    // (1 + cos(i π / 6)) / 2.
    let cosine = "training.schedule=cosine";
    assert_eq!(rates(&[cosine]), [1000, 933, 750, 500, 250, 66]);
    assert_eq!(
        rates(&[cosine, "training.warmup=2"]),
        [333, 666, 1000, 853, 500, 146]
    );
}

#[test]
fn half_of_the_bytes_take_half_of_the_time() {
    let with = |wire: &str| {
        let set = [wire, "model.parameters=800_000 B", "link.down=8 Mbit/s"];
        with(GOOD, &set).expect("valid")
    };
    let whole = with("training.wire=f32");
    for name in ["bf16", "f16"] {
        let half = with(&format!("training.wire={name}"));
        assert_eq!(half.wire_bytes().get() * 2, whole.wire_bytes().get());
        let down = |scenario: &scenarios::Scenario| scenario.cycle_model().down;
        assert_eq!(down(&half).nanos() * 2, down(&whole).nanos());
        let transfer = |scenario: &scenarios::Scenario| {
            let fleet = scenario.fleet(1, 0);
            fleet[0].profile.link.transfer.nanos()
        };
        assert_eq!(transfer(&half) * 2, transfer(&whole));
        let config = half.config().time_model.shared;
        assert!(config < whole.config().time_model.shared);
    }
    assert_eq!(Wire::Bf16.size() * 2, Wire::F32.size());
}
