//! Modules in TorchScript, which `runtime-trainer` trains without Python, and what is refused.

use std::fs;
use std::path::Path;

use crate::common::program;

/// The arguments of a job of 60 batches of 32 for two workers.
fn args(model: &Path, folder: &Path) -> Vec<String> {
    let given = [
        "cluster --json --local 2 --throttles 0.2,0.1 --benchmark-batches 20",
        "--data synthetic:train=1920,test=300 --cycles 3 --cycle-time 12s --beta 2 --s-min 10 --seed 5",
    ];
    let words = given.iter().flat_map(|line| line.split(' '));
    let mut words: Vec<String> = words.map(str::to_owned).collect();
    for (flag, path) in [("--model", model), ("--out", &folder.join("run"))] {
        words.extend([flag.to_owned(), path.display().to_string()]);
    }
    words
}

/// The line of an error before anything starts.
fn refused(model: &Path, folder: &Path, more: &[&str], expected: &str) {
    let mut given = program();
    let output = given.args(args(model, folder)).args(more).output();
    let output = output.expect("it ends");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{error}");
    let errors = error.lines().filter(|line| line.starts_with("error: "));
    let errors: Vec<&str> = errors.collect();
    assert!(
        matches!(errors[..], [line] if line.contains(expected)),
        "{expected}: {error}"
    );
}

#[test]
fn a_file_that_is_no_module_is_refused_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("net.pt");
    refused(&model, folder.path(), &[], "there is no file ");
    fs::write(&model, "a text").expect("written");
    let expected = if cfg!(feature = "torch") {
        "net.pt: it is no TorchScript ("
    } else {
        "net.pt: this program was built without libtorch, so it cannot train it"
    };
    refused(&model, folder.path(), &[], expected);
}

#[cfg(feature = "torch")]
mod with_torch {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::common::{Daemon, Run};
    use crate::programs::{checked, folder_of, has, one_cycle, plain_loop, python};

    /// Lets Python write files into a folder.
    fn write(folder: &Path, text: &str) {
        let both = std::env::join_paths([folder_of(""), folder_of("tests")]).expect("paths");
        let begin = "import torch, types, allot, norm_net\nfrom torch import nn\n\
            job = lambda inputs: types.SimpleNamespace(x=types.SimpleNamespace(shape=(inputs,)), classes=10)\n\
            torch.manual_seed(3)\n";
        let mut written = Command::new(python());
        let written = written
            .args(["-W", "ignore", "-c", &format!("{begin}{text}")])
            .env("PYTHONPATH", both)
            .current_dir(folder);
        let output = written.output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }

    /// One worker, one cycle, SGD, 100 batches: the parameters of a loop in plain PyTorch; and the
    /// accuracy that is judged is PyTorch's own of the saved model, with BatchNorm, tied weights and a
    /// frozen layer.
    #[test]
    fn a_cycle_of_a_script_is_a_plain_loop_in_pytorch() {
        if !has("torch") {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let [data, run, net] = ["data", "run", "net.pt"].map(|name| folder.path().join(name));
        plain_loop(&[Path::new("make"), &data]);
        plain_loop(&[Path::new("export"), &net]);
        let net = net.display().to_string();
        let how = [
            "--model",
            &net,
            "--optimizer",
            "sgd",
            "--learning-rate",
            "0.05",
        ];
        one_cycle(&how, &data, &run);
        let said = plain_loop(&[Path::new("compare"), &data, &run, Path::new("1e-5")]);
        console::note!("{said}");
        assert!(said.contains("the greatest difference is "), "{said}");
    }

    #[test]
    fn two_workers_train_a_script_and_others_are_refused() {
        if !has("torch") {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        write(
            folder.path(),
            "allot.export(norm_net.model(job(784)), nn.CrossEntropyLoss())\n\
             allot.export(norm_net.model(job(784)), nn.CrossEntropyLoss(), 'other.pt')\n",
        );
        let [net, other] = ["net.pt", "other.pt"].map(|name| folder.path().join(name));
        let mut given = args(&net, folder.path());
        let more = "--listen 127.0.0.1:0 --expect 3 --optimizer adamw --learning-rate 0.01 --schedule cosine";
        given.extend(more.split(' ').map(str::to_owned));
        let mut run = Run::start(&given, &[]);
        let token = run.until("listening", |_| true)["token"].clone();
        let token = token.as_str().expect("a token").to_owned();
        let refused = |more: &[&str]| {
            let mut worker = program();
            worker.args(["worker", "--once", "--join", &token, "--name", "pc7"]);
            let state = folder.path().join("state");
            let worker = worker.args(more).arg("--state").arg(state);
            let output = worker.stdin(Stdio::null()).output().expect("it ends");
            assert_ne!(output.status.code(), Some(0));
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        let error = refused(&["--model", &other.display().to_string()]);
        let expected = format!("from the orchestrator's machine over {}", other.display());
        let is_told = error.contains("its trainer has the digest") && error.contains(&expected);
        assert!(is_told, "{error}");
        let error = refused(&[]);
        let expected = format!("start the worker with --model {}", net.display());
        assert!(error.contains(&expected), "{error}");
        // One of another machine has a copy.
        let copy = folder.path().join("copy.pt");
        fs::copy(&net, &copy).expect("copied");
        let copy = copy.display().to_string();
        let mut daemon = Daemon::start(&token, "pc8", folder.path(), &["--model", &copy]);
        assert!(daemon.is_running());
        run.until_worker("joined", "pc8");
        let end = run.end();
        let summary = end.completed();
        let accuracy = summary["accuracy"].as_f64().expect("it was judged");
        assert!(accuracy > 0.5, "{summary}");
        let probability = summary["true_class_probability"].as_f64();
        assert!(probability.is_some_and(|p| p > 0.1), "{summary}");
        let model = fs::read(folder.path().join("run/model.safetensors")).expect("a model");
        let file = safetensors::SafeTensors::deserialize(&model).expect("a whole one");
        let mut names = file.names();
        names.sort_unstable();
        let expected = [
            "first.bias",
            "first.weight",
            "last.bias",
            "last.weight",
            "norm.bias",
            "norm.running_mean",
            "norm.running_var",
            "norm.weight",
            "one.bias",
            "one.weight",
            "two.bias",
        ];
        assert_eq!(
            names, expected,
            "tied weights once, and nothing that is frozen"
        );
    }

    #[test]
    fn scripts_pass_the_check_and_wrong_ones_are_refused() {
        if !has("torch") {
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        // A function is scripted from its source, so it must lie in a file.
        fs::write(
            folder.path().join("losses.py"),
            "def off(outputs, y):\n    return (outputs.squeeze(1) - y.float()).abs().mean()\n\n\n\
             def many(outputs, y):\n    return outputs.sum(1)\n",
        )
        .expect("written");
        write(
            folder.path(),
            "import sys; sys.path.append('.'); import losses\n\
             classes = nn.Sequential(nn.Linear(784, 16), nn.BatchNorm1d(16), nn.Dropout(0.3), nn.Linear(16, 10))\n\
             allot.export(classes, nn.functional.cross_entropy, 'classes.pt')\n\
             allot.export(nn.Linear(784, 1), losses.off, 'number.pt')\n\
             allot.export(nn.Linear(784, 1), losses.many, 'many.pt')\n\
             allot.export(norm_net.model(job(64)), nn.CrossEntropyLoss(), 'narrow.pt')\n\
             torch.jit.script(norm_net.model(job(784))).save('bare.pt')\n",
        );
        let at = |name: &str| folder.path().join(name);
        let trainer = env!("CARGO_BIN_EXE_runtime-trainer");
        for (name, expected) in [("classes.pt", "accuracy 0."), ("number.pt", ": loss ")] {
            let path = at(name).display().to_string();
            let (code, said) = checked(None, &[trainer, "--script", &path]);
            assert_eq!(code, Some(0), "{said}");
            assert!(said.contains(expected), "{said}");
            assert!(
                said.contains("the same parameters to the last bit"),
                "{said}"
            );
        }
        let refused = |name, more: &[&str], expected| {
            refused(&at(name), folder.path(), more, expected);
        };
        refused(
            "bare.pt",
            &[],
            "bare.pt: it has no description: write it with allot.export",
        );
        let shape = "narrow.pt: it does not take a batch of x u8 [32, 784] and y u8 [32]: mat1 and mat2 shapes";
        refused("narrow.pt", &[], shape);
        refused(
            "many.pt",
            &[],
            "its loss has the shape [32], expected one number",
        );
        refused(
            "classes.pt",
            &["--loss", "mse"],
            "classes.pt: it has its own loss",
        );
        refused(
            "classes.pt",
            &["--momentum", "0.9"],
            "classes.pt: training.momentum has no meaning with adam",
        );
    }
}
