"""The loop of one worker in plain PyTorch, compared with what a job left.

plain_loop.py make DATA          makes a small data set
plain_loop.py export FILE        writes the network as TorchScript
plain_loop.py compare DATA RUN [DIFFERENCE]
                                 trains on it, and compares with the run's model
"""

import json
import pathlib
import struct
import sys
import types

import numpy as np
import torch

import allot
import norm_net

SIDE, CLASSES, BATCH, SEED = 8, 4, 32, 11
NAMES = {"train": 3200, "t10k": 400}


def make(folder):
    folder.mkdir()
    random = np.random.default_rng(3)
    # So weak that no network is always right: else every judgement would be the same.
    patterns = random.integers(0, 100, (CLASSES, SIDE * SIDE))
    for name, samples in NAMES.items():
        y = random.integers(0, CLASSES, samples)
        x = (patterns[y] + random.integers(0, 156, (samples, SIDE * SIDE))).astype(np.uint8)
        head = struct.pack(">IIII", 0x0803, samples, SIDE, SIDE)
        (folder / f"{name}-images-idx3-ubyte").write_bytes(head + x.tobytes())
        labels = struct.pack(">II", 0x0801, samples) + y.astype(np.uint8).tobytes()
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(labels)


def load(folder, name):
    x = np.frombuffer((folder / f"{name}-images-idx3-ubyte").read_bytes()[16:], np.uint8)
    y = np.frombuffer((folder / f"{name}-labels-idx1-ubyte").read_bytes()[8:], np.uint8)
    x = torch.from_numpy(x.reshape(-1, SIDE * SIDE).copy()).float() / 255
    return x, torch.from_numpy(y.copy()).long()


def stored(path):
    """The tensors of a safetensors file."""
    whole = path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    tensors = {}
    for name, told in json.loads(whole[8 : 8 + length]).items():
        if name != "__metadata__":
            first, end = told["data_offsets"]
            flat = np.frombuffer(whole[8 + length + first : 8 + length + end], "<f4")
            tensors[name] = torch.from_numpy(flat.reshape(told["shape"]).copy())
    return tensors


def network():
    torch.manual_seed(SEED)
    job = types.SimpleNamespace(x=types.SimpleNamespace(shape=(SIDE * SIDE,)), classes=CLASSES)
    return norm_net.model(job)


def export(path):
    allot.export(network(), torch.nn.functional.cross_entropy, path)


def compare(folder, run, difference="0"):
    torch.set_num_threads(1)
    net = network()
    frozen = net.frozen.weight.clone()
    optimizer = norm_net.optimizer(p for p in net.parameters() if p.requires_grad)
    x, y = load(folder, "train")
    net.train()
    for first in range(0, len(x) // BATCH * BATCH, BATCH):
        optimizer.zero_grad()
        outputs = net(x[first : first + BATCH])
        torch.nn.functional.cross_entropy(outputs, y[first : first + BATCH]).backward()
        optimizer.step()
    model = stored(run / "model.safetensors")
    expected = {
        name: tensor
        for name, tensor in net.state_dict().items()
        if tensor.is_floating_point() and not name.startswith("frozen.") and name != "two.weight"
    }
    assert set(model) == set(expected), (sorted(model), sorted(expected))
    most = 0.0
    for name, tensor in expected.items():
        assert model[name].shape == tensor.shape, (name, model[name].shape, tensor.shape)
        most = max(most, float((model[name] - tensor).abs().max()))
        assert most <= float(difference), f"{name}: {model[name]} and not {tensor}"
    print(f"the greatest difference is {most}")
    # The file's own accuracy, by PyTorch: ties and frozen layers are those of the module.
    again = network()
    again.load_state_dict(model, strict=False)
    assert again.two.weight is again.one.weight and torch.equal(again.frozen.weight, frozen)
    again.eval()
    x, y = load(folder, "t10k")
    with torch.no_grad():
        accuracy = float((again(x).argmax(1) == y).double().mean())
    judged = json.loads((run / "run.json").read_text())["accuracy"]
    assert accuracy > 0.5, accuracy
    if judged is None:
        # Models are judged in the time that others leave, and for a minute after the end.
        print("NOT CHECKED: the machine was too busy to judge the model")
        return
    assert abs(accuracy - judged) <= 1e-4, (accuracy, judged)
    print(f"accuracy {accuracy}, judged {judged}")


if __name__ == "__main__":
    places = [pathlib.Path(argument) for argument in sys.argv[2:4]] + sys.argv[4:]
    {"make": make, "export": export, "compare": compare}[sys.argv[1]](*places)
