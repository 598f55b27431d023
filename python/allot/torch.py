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
    """Bytes become floats from 0 to 1, other whole numbers and classes become long, halves floats."""
    x = torch.from_numpy(batch.x.copy())
    y = torch.from_numpy(batch.y.copy())
    bytes_of_x = x.dtype == torch.uint8
    x, y = (side.float() if side.is_floating_point() else side.long() for side in (x, y))
    return (x.float().div_(255.0) if bytes_of_x else x), y


def _are_classes(outputs: Any, y: Any) -> bool:
    """Whether each output is a class, of which ``y`` is one: a single output learns numbers."""
    is_wide = outputs.dim() == 2 and outputs.shape[1] > 1
    return bool(is_wide and y.dim() == 1 and not y.is_floating_point())


def _ones(outputs: Any, y: Any) -> Any:
    """Targets like the outputs: a one for each class, if these are classes."""
    if y.is_floating_point():
        return y
    return torch.nn.functional.one_hot(y, outputs.shape[-1]).to(outputs.dtype)


def _loss(name: str) -> Callable[[Any, Any], Any]:
    functional = torch.nn.functional
    losses: Dict[str, Callable[[Any, Any], Any]] = {
        "cross-entropy": functional.cross_entropy,
        "mse": lambda outputs, y: functional.mse_loss(outputs, _ones(outputs, y)),
        "binary-cross-entropy": lambda outputs, y: functional.binary_cross_entropy_with_logits(
            outputs, _ones(outputs, y)
        ),
        "thesis-softmax": lambda outputs, y: functional.cross_entropy(outputs.softmax(-1), y),
    }
    return losses[name]


def _optimizer(training: Mapping[str, Any]) -> Callable[[Iterable[Any]], Any]:
    """What a job says of the optimiser; the rest is PyTorch's own choice."""
    name = training.get("optimizer", "adam")
    makers = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    words = {"learning_rate": "lr", "momentum": "momentum", "weight_decay": "weight_decay"}
    given = {word: training[key] for key, word in words.items() if key in training}
    if name == "sgd":
        given.setdefault("lr", 1e-3)  # older releases of PyTorch have no default
    elif "momentum" in given:
        raise ValueError(f"training.momentum has no meaning with {name}, expected sgd")
    return lambda parameters: makers[name](parameters, **given)


class ModuleTrainer:
    """A :class:`allot.trainer.Trainer` of a PyTorch module: see :func:`serve` for its arguments."""

    def __init__(
        self,
        model: Callable[[Job], Any],
        *,
        loss: Optional[Callable[[Any, Any], Any]] = None,
        optimizer: Optional[Callable[[Iterable[Any]], Any]] = None,
        inputs: Callable[[Batch], Tuple[Any, Any]] = _default_inputs,
        metrics: Optional[Callable[[Any, Any], Mapping[str, Any]]] = None,
    ) -> None:
        self._make = model
        self._given_loss = loss
        self._given_optimizer = optimizer
        self._factor = 1.0
        # What the program says itself is not up to the job.
        self.options: List[str] = []
        if loss is None:
            self.options.append("loss")
        if optimizer is None:
            self.options += ["optimizer", "learning_rate", "momentum", "weight_decay"]
        self._inputs = inputs
        self._metrics = metrics
        self.device = "cpu"

    def setup(self, job: Job) -> None:
        self.device = choose_device(job.device)
        torch.set_num_threads(max(job.threads, 1))
        torch.manual_seed(job.seed)
        self._seed = job.seed
        self._loss = self._given_loss or _loss(job.training.get("loss", "cross-entropy"))
        self._make_optimizer = self._given_optimizer or _optimizer(job.training)
        self._factor = 1.0
        self.module: Any = self._make(job).to(self.device)
        self._flat = FlatModule(self.module)
        self._begin()

    def _begin(self) -> None:
        self.module.train()
        self._optimizer = self._make_optimizer(
            [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        )
        if self._factor != 1.0:
            for group in self._optimizer.param_groups:
                group["lr"] *= self._factor

    def scale_learning_rate(self, factor: float) -> None:
        self._factor = factor

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
                elif _are_classes(outputs, y):
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
    loss: Optional[Callable[[Any, Any], Any]] = None,
    optimizer: Optional[Callable[[Iterable[Any]], Any]] = None,
    inputs: Callable[[Batch], Tuple[Any, Any]] = _default_inputs,
    metrics: Optional[Callable[[Any, Any], Mapping[str, Any]]] = None,
) -> None:
    """Trains a PyTorch module for Allot until it is done.

    ``model(job)`` makes the module; PyTorch's random numbers are seeded before. ``loss(outputs, y)``
    is the mean over a batch. ``optimizer(parameters)`` makes an optimiser, for each local update a
    new one. Where one of the two is left out, ``[training]`` of the scenario may say it; by default
    they are cross-entropy and Adam as PyTorch has them. A schedule of the scenario scales the learning rate
    of either. ``inputs(batch)`` makes two tensors of a batch: by default bytes become floats
    from 0 to 1, and other whole numbers long. ``metrics(outputs, y)`` gives means over a batch; by default accuracy for classes.
    """
    trainer.serve(
        ModuleTrainer(model, loss=loss, optimizer=optimizer, inputs=inputs, metrics=metrics)
    )
