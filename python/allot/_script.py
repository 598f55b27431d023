"""Writes a PyTorch module as TorchScript, for machines that train it without Python."""

from __future__ import annotations

import json
import os
from typing import Any, Callable, List, Tuple, Union

import torch

from ._errors import InputError
from .torch import FlatModule

#: Of what the file says of itself.
_VERSION = 1
_SCRIPTED = (torch.jit.ScriptModule, torch.jit.ScriptFunction)

# What is judged of a batch: the loss, and where the targets are classes also the share of hits and the
# mean probability of the true class.
_METHODS = """
def loss(self, x, y):
    return CRITERION(self.module(x), y)

def judge(self, x, y):
    outputs = self.module(x)
    judged = [CRITERION(outputs, y).detach().double()]
    if isinstance(outputs, torch.Tensor):
        if outputs.dim() == 2 and outputs.size(1) > 1 and y.dim() == 1 and not y.is_floating_point():
            judged.append((outputs.argmax(1) == y).double().mean())
            judged.append(outputs.softmax(1).gather(1, y.unsqueeze(1)).double().mean())
    return torch.stack(judged)

def describe(self):
    # type: () -> str
    return self.described
"""


class _Whole(torch.nn.Module):  # type: ignore[misc] # torch has no types here
    """A module with its loss, if that is a module too."""

    def __init__(self, module: Any, loss: Any, described: str) -> None:
        super().__init__()
        self.module = module
        if isinstance(loss, torch.nn.Module):
            self.criterion = loss
        self.described = described


def _refuse_traced(module: Any) -> None:
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.TracedModule):
            raise InputError(
                f"{name or 'the module'} was traced, which keeps dropout and BatchNorm in the mode of that "
                "moment: give the module as it is in Python, or torch.jit.script(module)"
            )


def _refuse_shared(module: Any) -> None:
    """Each of two parameters over the same memory would have a gradient of its own."""
    seen: List[Tuple[str, Any]] = []
    for name, tensor in module.named_parameters():
        key = (tensor.data_ptr(), tuple(tensor.shape))
        for other, there in seen if tensor.numel() else []:
            if there == key:
                raise InputError(
                    f"{other} and {name} are two parameters over the same memory: tie weights by assigning "
                    "the parameter itself"
                )
        seen.append((name, key))


def _vector(tensors: List[Tuple[str, Tuple[int, ...]]]) -> str:
    """Methods that read and write the vector."""
    read, write, first = [], [], 0
    for name, shape in tensors:
        place = "self.module"
        for part in name.split("."):
            place = f"getattr({place}, {part!r})"
        length = 1
        for dimension in shape:
            length *= dimension
        read.append(f"{place}.detach().reshape(-1).to(torch.float32)")
        write.append(f"part = {place}.detach()")
        write.append(f"part.copy_(flat.narrow(0, {first}, {length}).reshape(part.shape))")
        first += length
    return "\n    ".join(
        ["def state(self):", "parts = [", *(f"{part}," for part in read), "]", "return torch.cat(parts)"]
    ) + "\n\n" + "\n    ".join(["def set_state(self, flat):", *write, "return flat"]) + "\n"


def export(
    module: Any,
    loss: Callable[[Any, Any], Any],
    path: Union[str, "os.PathLike[str]"] = "net.pt",
) -> None:
    """Writes ``module`` and ``loss(outputs, y)`` to a file for ``runtime cluster --model net.pt``.

    The file is TorchScript, which `runtime-trainer` trains on machines without Python. The job begins with the
    parameters that the module has. What trains and float buffers are averaged, as with
    :class:`allot.torch.FlatModule`; frozen parameters are in the file and do not travel. The module and the
    loss must be such that ``torch.jit.script`` takes them; traced ones are refused.
    """
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"expected a torch.nn.Module to export, found {type(module).__name__}")
    _refuse_traced(module)
    _refuse_shared(module)
    try:
        flat = FlatModule(module)
    except (TypeError, ValueError) as error:
        raise InputError(str(error)) from None
    tensors = flat.tensors()
    trains = {name for name, tensor in module.named_parameters() if tensor.requires_grad}
    described = {
        "allot": _VERSION,
        "tensors": [{"name": name, "shape": shape} for name, shape in tensors],
        # These come first.
        "trained": sum(name in trains for name, _ in tensors),
    }
    try:
        # Each alone, so that what is wrong with one is said of it.
        module, criterion = (
            part if isinstance(part, _SCRIPTED) else torch.jit.script(part) for part in (module, loss)
        )
        # Of a class of its own: modules that are alike share what is defined of them.
        own = type("Whole", (_Whole,), {})
        whole = torch.jit.script(own(module, criterion, json.dumps(described)))
        # A name here, which `define` looks up, or a part of the module.
        name = "self.criterion" if isinstance(criterion, torch.nn.Module) else "criterion"
        whole.define(_METHODS.replace("CRITERION", name))
        whole.define(_vector(tensors))
    except Exception as error:  # noqa: BLE001 - there are many reasons
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        why = lines[0] if lines else type(error).__name__
        raise InputError(
            f"torch.jit.script does not take it: {why}: what it cannot express trains with allot.torch.serve"
        ) from error
    torch.jit.save(whole, os.fspath(path))
