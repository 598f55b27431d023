"""What of a module is averaged, what is not, and how it is judged."""

import unittest

import numpy as np
import torch
from torch import nn

from allot.torch import FlatModule, ModuleTrainer
from allot.trainer import Batch, Field, Job


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Embedding(5, 3)
        self.norm = nn.BatchNorm1d(3)
        self.frozen = nn.Linear(3, 3).requires_grad_(False)
        self.last = nn.Linear(3, 5, bias=False)
        self.last.weight = self.first.weight
        # Another parameter over the same memory.
        self.alias = nn.Parameter(self.first.weight.data)
        self.register_buffer("mask", torch.ones(7), persistent=False)
        self.scale = nn.Parameter(torch.ones(2, dtype=torch.float16))


class FlatTests(unittest.TestCase):
    def test_tied_once_frozen_and_integers_never(self) -> None:
        module = Tied()
        flat = FlatModule(module)
        names = [name for name, _ in flat.tensors()]
        self.assertEqual(
            sorted(names),
            ["alias", "norm.bias", "norm.running_mean", "norm.running_var", "norm.weight", "scale"],
        )
        self.assertEqual(flat.get().size, 15 + 2 + 4 * 3)
        self.assertEqual(flat.get().dtype, np.float32)

    def test_what_is_set_is_got_and_ties_stay(self) -> None:
        module = Tied()
        frozen = module.frozen.weight.clone()
        flat = FlatModule(module)
        values = np.arange(flat.get().size, dtype=np.float32)
        flat.set(values)
        np.testing.assert_array_equal(flat.get(), values)
        self.assertIs(module.last.weight, module.first.weight)
        self.assertTrue(torch.equal(module.alias, module.first.weight))
        self.assertTrue(torch.equal(module.frozen.weight, frozen))
        self.assertEqual(module.scale.dtype, torch.float16)
        with self.assertRaisesRegex(ValueError, "expected 29"):
            flat.set(np.zeros(30, np.float32))

    def test_a_module_without_anything_that_trains_is_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, "nothing that trains"):
            FlatModule(nn.Linear(2, 2).requires_grad_(False))


class JudgeTests(unittest.TestCase):
    def test_whole_numbers_that_one_output_learns_are_no_classes(self) -> None:
        trainer = ModuleTrainer(
            lambda job: nn.Linear(2, 1),
            loss=lambda outputs, y: nn.functional.mse_loss(outputs[:, 0], y.float()),
        )
        fields = (
            Field("x", np.dtype(np.float32), (2,), None),
            Field("y", np.dtype(np.int64), (), None),
        )
        trainer.setup(Job(seed=1, device="cpu", threads=1, batch_size=4, fields=fields))
        batch = Batch({"x": np.ones((4, 2), np.float32), "y": np.arange(4, dtype=np.int64)})
        self.assertEqual(set(trainer.evaluate(iter([batch]))), {"loss"})


if __name__ == "__main__":
    unittest.main()
