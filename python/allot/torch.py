"""What PyTorch modules need to be trained by Allot.

:func:`serve` is enough for most. :class:`FlatModule` is for those who write the methods of
:class:`allot.trainer.Trainer` themselves.
"""

from __future__ import annotations

import zlib
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

import torch

from . import trainer
from .trainer import Batch, Floats, Job

__all__ = ["FlatModule", "ModuleTrainer", "choose_device", "serve"]


class FlatModule:
    """The parameters that train and the float buffers of a module, as one vector.

    Tied weights are in it once; frozen parameters are not, so they never travel; nor are integer
    buffers, which cannot be averaged, and buffers that ``state_dict`` leaves out. Float buffers are the
    running statistics of BatchNorm, which are part of the model that is judged.
    """

    def __init__(self, module: Any, buffers: bool = True) -> None:
        stored = set(module.state_dict(keep_vars=True))
        candidates: List[Tuple[str, Any]] = [
            (name, tensor) for name, tensor in module.named_parameters() if tensor.requires_grad
        ]
        if buffers:
            candidates += [
                (name, tensor)
                for name, tensor in module.named_buffers()
                if tensor.is_floating_point() and name in stored
            ]
        seen = set()
        self._tensors: List[Tuple[str, Any]] = []
        for name, tensor in candidates:
            if not tensor.is_floating_point():
                raise TypeError(f"{name} has values of {tensor.dtype}, expected floating-point ones")
            # Two tensors over the same memory are one, whatever they are called.
            key = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride())
            if tensor.numel() and key not in seen:
                seen.add(key)
                self._tensors.append((name, tensor))
        if not self._tensors:
            raise ValueError("the module has nothing that trains: are all parameters frozen?")

    def tensors(self) -> List[Tuple[str, Tuple[int, ...]]]:
        """Names and shapes, in the order of the vector."""
        return [(name, tuple(tensor.shape)) for name, tensor in self._tensors]

    def get(self) -> Floats:
        """The vector."""
        parts = [t.detach().reshape(-1).to("cpu", torch.float32) for _, t in self._tensors]
        flat: Floats = torch.cat(parts).numpy()
        return flat

    def set(self, flat: Floats) -> None:
        """Takes a vector in; values are rounded to the type of each tensor."""
        first = 0
        with torch.no_grad():
            for _, tensor in self._tensors:
                part = torch.from_numpy(flat[first : first + tensor.numel()])
                tensor.copy_(part.view(tensor.shape))
                first += tensor.numel()
        if first != len(flat):
            raise ValueError(f"the vector has {len(flat)} numbers, expected {first}")


def choose_device(wanted: str) -> str:
    """The device of a job: ``auto`` is the first GPU if there is one, else the CPU."""
    if wanted == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    return wanted


def _default_inputs(batch: Batch) -> Tuple[Any, Any]:
    """Bytes become floats from 0 to 1, class numbers become long."""
    x = torch.from_numpy(batch.x.copy())
    y = torch.from_numpy(batch.y.copy())
    if not x.is_floating_point():
        x = x.float().div_(255.0)
    return x, (y if y.is_floating_point() else y.long())


class ModuleTrainer:
    """A :class:`allot.trainer.Trainer` of a PyTorch module: see :func:`serve` for its arguments."""

    def __init__(
        self,
        model: Callable[[Job], Any],
        *,
        loss: Callable[[Any, Any], Any] = torch.nn.functional.cross_entropy,
        optimizer: Callable[[Iterable[Any]], Any] = torch.optim.Adam,
        inputs: Callable[[Batch], Tuple[Any, Any]] = _default_inputs,
        metrics: Optional[Callable[[Any, Any], Mapping[str, Any]]] = None,
    ) -> None:
        self._make = model
        self._loss = loss
        self._make_optimizer = optimizer
        self._inputs = inputs
        self._metrics = metrics
        self.device = "cpu"

    def setup(self, job: Job) -> None:
        self.device = choose_device(job.device)
        torch.set_num_threads(max(job.threads, 1))
        torch.manual_seed(job.seed)
        self._seed = job.seed
        self.module: Any = self._make(job).to(self.device)
        self._flat = FlatModule(self.module)
        self._begin()

    def _begin(self) -> None:
        self.module.train()
        self._optimizer = self._make_optimizer(
            [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        )

    def tensors(self) -> List[Tuple[str, Tuple[int, ...]]]:
        return self._flat.tensors()

    def parameters(self) -> Floats:
        return self._flat.get()

    def set_parameters(self, flat: Floats) -> None:
        self._flat.set(flat)
        # What dropout draws follows from the model alone, so that a run can be repeated bit by bit.
        torch.manual_seed(self._seed ^ zlib.crc32(flat[: 1 << 14].tobytes()))
        self._begin()

    def _sides(self, batch: Batch) -> Tuple[Any, Any]:
        x, y = self._inputs(batch)
        return x.to(self.device), y.to(self.device)

    def train(self, batch: Batch) -> None:
        x, y = self._sides(batch)
        self._optimizer.zero_grad()
        self._loss(self.module(x), y).backward()
        self._optimizer.step()

    def evaluate(self, batches: Iterator[Batch]) -> Mapping[str, float]:
        sums: Dict[str, float] = {}
        samples = 0
        self.module.eval()
        with torch.no_grad():
            for batch in batches:
                x, y = self._sides(batch)
                outputs = self.module(x)
                judged: Dict[str, Any] = {"loss": self._loss(outputs, y)}
                if self._metrics is not None:
                    judged.update(self._metrics(outputs, y))
                elif outputs.dim() == 2 and y.dim() == 1 and not y.is_floating_point():
                    judged["accuracy"] = (outputs.argmax(1) == y).double().mean()
                    own = outputs.softmax(1).gather(1, y.unsqueeze(1))
                    judged["true_class_probability"] = own.double().mean()
                samples += len(batch)
                for name, value in judged.items():
                    sums[name] = sums.get(name, 0.0) + float(value) * len(batch)
        self.module.train()
        return {name: value / max(samples, 1) for name, value in sums.items()}


def serve(
    model: Callable[[Job], Any],
    *,
    loss: Callable[[Any, Any], Any] = torch.nn.functional.cross_entropy,
    optimizer: Callable[[Iterable[Any]], Any] = torch.optim.Adam,
    inputs: Callable[[Batch], Tuple[Any, Any]] = _default_inputs,
    metrics: Optional[Callable[[Any, Any], Mapping[str, Any]]] = None,
) -> None:
    """Trains a PyTorch module for Allot until it is done.

    ``model(job)`` makes the module; PyTorch's random numbers are seeded before. ``loss(outputs, y)``
    is the mean over a batch. ``optimizer(parameters)`` makes an optimiser, for each local update a
    new one. ``inputs(batch)`` makes two tensors of a batch: by default values of bytes become floats
    from 0 to 1. ``metrics(outputs, y)`` gives means over a batch; by default accuracy for classes.
    """
    trainer.serve(
        ModuleTrainer(model, loss=loss, optimizer=optimizer, inputs=inputs, metrics=metrics)
    )
