"""What a file that :func:`allot.export` writes has, and what is refused."""

import json
import pathlib
import tempfile
import types
import unittest

import numpy as np
import torch
from torch import nn

import allot
import norm_net
from allot.torch import FlatModule


def network() -> nn.Module:
    return norm_net.model(types.SimpleNamespace(x=types.SimpleNamespace(shape=(6,)), classes=3))


class ExportTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / "net.pt"

    def export(self, module, loss=nn.functional.cross_entropy):
        allot.export(module, loss, self.path)
        return torch.jit.load(str(self.path))

    def test_one_vector_has_what_the_package_averages(self) -> None:
        for module in [network(), nn.Sequential(nn.Linear(6, 3), nn.BatchNorm1d(3))]:
            flat, written = FlatModule(module), self.export(module)
            described = json.loads(written.describe())
            told = [(part["name"], tuple(part["shape"])) for part in described["tensors"]]
            self.assertEqual(told, flat.tensors())
            trained = [name for name, _ in told if not name.split(".")[-1].startswith("running")]
            self.assertEqual([name for name, _ in told][: described["trained"]], trained)
            np.testing.assert_array_equal(written.state().numpy(), flat.get())

    def test_what_is_set_is_got_and_ties_stay(self) -> None:
        module = network()
        written = self.export(module)
        frozen = written.module.frozen.weight.clone()
        values = torch.arange(written.state().numel(), dtype=torch.float32)
        written.set_state(values)
        self.assertTrue(torch.equal(written.state(), values))
        x, y = torch.rand(4, 6), torch.tensor([0, 1, 2, 0])
        written.loss(x, y).backward()
        one, two = written.module.one.weight, written.module.two.weight
        self.assertEqual(one.data_ptr(), two.data_ptr())
        self.assertTrue(torch.equal(one.grad, two.grad), "the sum of both uses")
        self.assertFalse(written.module.frozen.weight.requires_grad)
        self.assertTrue(torch.equal(written.module.frozen.weight, frozen))

    def test_it_judges_as_pytorch_does(self) -> None:
        module = network()
        written = self.export(module, nn.CrossEntropyLoss(label_smoothing=0.1))
        x, y = torch.rand(50, 6), torch.randint(0, 3, (50,))
        module.eval(), written.eval()
        with torch.no_grad():
            outputs, judged = module(x), written.judge(x, y)
        expected = [
            float(nn.functional.cross_entropy(outputs, y, label_smoothing=0.1)),
            float((outputs.argmax(1) == y).double().mean()),
            float(outputs.softmax(1).gather(1, y.unsqueeze(1)).double().mean()),
        ]
        np.testing.assert_allclose(judged.numpy(), expected, rtol=1e-6)
        number = self.export(nn.Linear(6, 2), nn.functional.mse_loss)
        self.assertEqual(number.judge(x, torch.rand(50, 2)).shape, (1,))

    def test_modules_that_are_alike_do_not_share_their_loss(self) -> None:
        x, y = torch.rand(4, 6), torch.rand(4, 3)
        module = nn.Linear(6, 3)
        for loss in [nn.functional.mse_loss, nn.functional.l1_loss]:
            written = self.export(module, loss)
            self.assertAlmostEqual(float(written.loss(x, y)), float(loss(module(x), y)), places=6)

    def test_what_cannot_be_is_refused(self) -> None:
        def refused(expected, module, loss=nn.functional.cross_entropy):
            with self.assertRaisesRegex(allot.InputError, expected):
                self.export(module, loss)
            self.assertFalse(self.path.exists())

        traced = torch.jit.trace(nn.Sequential(nn.Linear(6, 3), nn.Dropout()).eval(), torch.rand(4, 6))
        refused("the module was traced", traced)
        refused("^0 was traced", nn.Sequential(traced))
        refused("expected a torch.nn.Module to export, found int", 7)
        refused("nothing that trains", nn.Linear(6, 3).requires_grad_(False))
        alias = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
        alias[1].weight = nn.Parameter(alias[0].weight.data)
        refused("0.weight and 1.weight are two parameters", alias)
        refused("torch.jit.script does not take it", nn.Linear(6, 3), lambda o, y: o.sum())


if __name__ == "__main__":
    unittest.main()
