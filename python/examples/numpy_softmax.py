"""Softmax regression in NumPy alone: the four methods written by hand."""

from typing import Iterator, Mapping

import numpy as np

import allot.trainer
from allot.trainer import Batch, Floats, Job


class Softmax:
    """One linear layer, trained by gradient descent."""

    rate = 0.1

    def setup(self, job: Job) -> None:
        self.inputs = int(np.prod(job.x.shape))
        self.classes = job.classes
        random = np.random.default_rng(job.seed)
        weights = random.normal(0.0, 0.01, (self.inputs + 1) * self.classes)
        self.flat: Floats = weights.astype(np.float32)

    def parameters(self) -> Floats:
        return self.flat

    def set_parameters(self, flat: Floats) -> None:
        self.flat = flat

    def _probabilities(self, batch: Batch) -> "tuple[Floats, Floats]":
        x = batch.x.reshape(len(batch), -1).astype(np.float32) / 255
        x = np.concatenate([x, np.ones((len(batch), 1), np.float32)], axis=1)
        outputs = x @ self.flat.reshape(self.inputs + 1, self.classes)
        outputs -= outputs.max(axis=1, keepdims=True)
        e = np.exp(outputs)
        return x, e / e.sum(axis=1, keepdims=True)

    def train(self, batch: Batch) -> None:
        x, slopes = self._probabilities(batch)
        slopes[np.arange(len(batch)), batch.y] -= 1
        self.flat -= np.float32(self.rate / len(batch)) * (x.T @ slopes).reshape(-1)

    def evaluate(self, batches: Iterator[Batch]) -> Mapping[str, float]:
        hits = samples = 0
        loss = probability = 0.0
        for batch in batches:
            _, p = self._probabilities(batch)
            own = p[np.arange(len(batch)), batch.y]
            hits += int((p.argmax(axis=1) == batch.y).sum())
            probability += float(own.sum())
            loss -= float(np.log(np.maximum(own, 1e-30)).sum())
            samples += len(batch)
        return {
            "loss": loss / samples,
            "accuracy": hits / samples,
            "true_class_probability": probability / samples,
        }


if __name__ == "__main__":
    allot.trainer.serve(Softmax())
