"""The trainer's side of Allot's protocol (``docs/trainers.md``). It needs NumPy alone.

A program makes an object with the methods of :class:`Trainer` and hands it to :func:`serve`, which
speaks to Allot until Allot is done. The loop is this module's: beats, deadlines and cancelling lie
between two batches.
"""

from __future__ import annotations

import json
import math
import os
import queue
import struct
import sys
import threading
import time
import traceback
import dataclasses
from dataclasses import dataclass
from typing import (
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    NoReturn,
    Optional,
    Protocol,
    Sequence,
    Tuple,
    Union,
    runtime_checkable,
)

import numpy as np
import numpy.typing as npt

__all__ = ["Batch", "Field", "Floats", "Job", "PROTOCOL", "Trainer", "serve"]

PROTOCOL = 1
"""The version of the protocol that this module speaks."""

Floats = npt.NDArray[np.float32]
"""A flat vector of parameters."""

_GREETING = b"\0ALLOT-TRAINER\0\n"
_LENGTHS = struct.Struct("<IQ")
_MOST_HEAD = 1 << 22
_MOST_BODY = 1 << 32
_WARM_UP = 10
_WARMS_UP_FOR = 1.0
_EVALUATED = 1000
_PIECE = 0.05
_NAP = 0.002
_LEARNT_FROM, _LEARNT_IN = 10, 0.5
_CAUGHT_UP = 0.1
_TYPES: Dict[str, npt.DTypeLike] = {
    "u8": np.uint8,
    "i32": "<i4",
    "i64": "<i8",
    "f16": "<f2",
    "f32": "<f4",
    "bool": np.bool_,
}


@dataclass(frozen=True)
class Field:
    """One tensor of each sample."""

    name: str
    """``x`` for what is known of a sample, ``y`` for what is to be learnt."""
    dtype: "np.dtype[Any]"
    shape: Tuple[int, ...]
    """Of one sample; a batch has another dimension before it."""
    below: Optional[int]
    """Every value is below this, if it is known: the number of classes, for ``y``."""

    def bytes_of(self, samples: int) -> int:
        """What this tensor of some samples takes."""
        return samples * math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Job:
    """What Allot says of a job before it begins."""

    seed: int
    """All that is drawn should follow from it, so that every machine begins with the same model."""
    device: str
    """``auto``, ``cpu`` or ``cuda:0``: what may be trained on."""
    threads: int
    """How many threads may train."""
    batch_size: int
    """Samples in a batch."""
    fields: Tuple[Field, ...]
    """What a sample is made of."""
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """What ``[training]`` of the scenario says, of what the program's ``options`` name."""

    def field(self, name: str) -> Field:
        """A tensor of each sample, by its name."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)

    @property
    def x(self) -> Field:
        """What is known of a sample."""
        return self.field("x")

    @property
    def y(self) -> Field:
        """What is to be learnt of it."""
        return self.field("y")

    @property
    def classes(self) -> int:
        """The number of classes."""
        below = self.y.below
        if below is None:
            raise ValueError("the targets of this job are not classes")
        return below


@dataclass(frozen=True)
class Batch:
    """Samples: an array for each field, with the samples along its first dimension.

    The arrays are read-only views of what was received.
    """

    arrays: Mapping[str, npt.NDArray[Any]]

    @property
    def x(self) -> npt.NDArray[Any]:
        """What is known of the samples."""
        return self.arrays["x"]

    @property
    def y(self) -> npt.NDArray[Any]:
        """What is to be learnt."""
        return self.arrays["y"]

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.arrays[name]

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))


@runtime_checkable
class Trainer(Protocol):
    """What a program writes: the model, and one step.

    ``device`` and ``tensors`` may be left out. ``device`` is the name of what it trains on, ``cpu``
    unless said otherwise; ``tensors()`` names the parts of the vector of parameters, as pairs of a
    name and a shape, for the file that a model is stored in.

    ``options`` may name what it takes of ``job.training``: ``loss``, ``optimizer``,
    ``learning_rate``, ``momentum``, ``weight_decay``. A job that says more than that is refused. With a
    method ``scale_learning_rate(factor)`` it also takes a schedule: that is called before each share,
    with what the learning rate is to be multiplied by in this cycle.
    """

    def setup(self, job: Job) -> None:
        """A job begins: make the model from ``job.seed``."""

    def parameters(self) -> Floats:
        """All that is averaged, as one vector; always of the same length."""

    def set_parameters(self, flat: Floats) -> None:
        """Take these, with a new optimiser. It is called before each share and each judgement."""

    def train(self, batch: Batch) -> None:
        """Take one step."""

    def evaluate(self, batches: Iterator[Batch]) -> Mapping[str, float]:
        """Judge the parameters on the samples of the test set, each once.

        ``loss``, ``accuracy`` and ``true_class_probability`` have places of their own in Allot's
        tables. Any other number may be given too.
        """


def serve(trainer: Trainer) -> None:
    """Trains for Allot until it is done. Call it last; it does not return before.

    From the call on, what is printed to standard output goes to standard error: standard output is
    for answers alone.
    """
    methods = ("setup", "parameters", "set_parameters", "train", "evaluate")
    missing = [name for name in methods if not callable(getattr(trainer, name, None))]
    if missing:
        raise TypeError(f"{type(trainer).__name__} has no {', '.join(missing)}: see allot.trainer.Trainer")
    if sys.stdin is not None and sys.stdin.isatty():
        print(
            "This program trains for Allot, which starts it: name it in\n"
            f"  runtime cluster --local 2 --trainer 'python {sys.argv[0]}'\n"
            "To try it by itself:\n"
            f"  runtime trainer check -- python {sys.argv[0]}",
            file=sys.stderr,
        )
        raise SystemExit(2)
    output = os.dup(1)
    sys.stdout.flush()
    os.dup2(2, 1)
    try:
        _Loop(trainer, 0, output).run()
    except BrokenPipeError:
        pass  # Allot is gone


Head = Dict[str, Any]
Frame = Tuple[Head, memoryview]


class _Ended(Exception):
    """Allot has closed the pipe."""


class _Failed(Exception):
    """The job cannot be done, for a reason of one line."""


def _read_exactly(pipe: int, length: int) -> memoryview:
    """One buffer, filled from the pipe without another copy."""
    # It grows as it comes: a length alone takes no memory.
    buffer = bytearray(min(length, 1 << 24))
    filled = 0
    while filled < length:
        if filled == len(buffer):
            buffer.extend(bytes(min(length - filled, len(buffer))))
        view = memoryview(buffer)[filled : min(len(buffer), length)]
        count = os.readv(pipe, [view])
        view.release()
        if count == 0:
            raise _Ended
        filled += count
    return memoryview(buffer)[:length].toreadonly()


def _read_frame(pipe: int) -> Frame:
    head_length, body_length = _LENGTHS.unpack(_read_exactly(pipe, _LENGTHS.size))
    if head_length > _MOST_HEAD or body_length > _MOST_BODY:
        raise _Failed(f"its parent sent a frame of {head_length} and {body_length} bytes")
    head = json.loads(bytes(_read_exactly(pipe, head_length)))
    return head, _read_exactly(pipe, body_length)


def _write_all(pipe: int, parts: Sequence[Union[bytes, memoryview]]) -> None:
    views = [memoryview(part).cast("B") for part in parts if memoryview(part).nbytes]
    while views:
        written = os.writev(pipe, views[:16])
        while views and written >= views[0].nbytes:
            written -= views[0].nbytes
            views.pop(0)
        if views and written:
            views[0] = views[0][written:]


class _Throttle:
    """Makes this machine slower: its batches have a rate, a part of that at full speed.

    What full speed is it learns from its first batches, by the time that each would take on a processor of its own. From
    then on batches are due at equal distances, so that what holds one up does not slow the next ones too.
    """

    def __init__(self, steps: Sequence[Sequence[float]]) -> None:
        self._steps = steps
        self._part = 1.0
        self._first: List[float] = []
        self._batch: Optional[float] = None
        self._due: Optional[float] = None
        self.reaches(0)

    def reaches(self, cycle: int) -> None:
        for first, fraction in self._steps:
            if cycle >= first:
                self._part = fraction

    def begins(self) -> None:
        """Batches in a row begin."""
        self._due = None

    def worked(self, began: float, own: float, until: Optional[float], is_cancelled: Callable[[], bool]) -> None:
        """After a batch that took this time of its own: sleeps until it is due to end, but not beyond a moment."""
        if self._batch is None:
            self._first.append(own)
            if len(self._first) >= _LEARNT_FROM or sum(self._first) >= _LEARNT_IN:
                self._batch = sorted(self._first)[len(self._first) // 2]
            return
        if self._part >= 1.0:
            return
        now = time.monotonic()
        due = (began if self._due is None else self._due) + self._batch / self._part
        self._due = max(due, now - _CAUGHT_UP)
        if self._due - now >= _NAP:
            self.ends(until, is_cancelled)

    def ends(self, until: Optional[float], is_cancelled: Callable[[], bool]) -> None:
        """Sleeps until the last batch is due to end."""
        end = self._due if self._due is not None else 0.0
        if until is not None:
            end = min(end, until)
        while (left := end - time.monotonic()) > 0 and not is_cancelled():
            time.sleep(min(left, _PIECE))


class _Loop:
    """Carries out requests, one after the other; another thread reads them."""

    def __init__(self, trainer: Trainer, source: int, output: int) -> None:
        self._trainer = trainer
        self._source = source
        self._output = output
        self._asked: "queue.SimpleQueue[Optional[Frame]]" = queue.SimpleQueue()
        self._waiting: List[Frame] = []
        self._cancelled = 0
        self._working = False
        self._forget()

    def _forget(self) -> None:
        """Nothing of a job is left."""
        self._job: Optional[Job] = None
        self._initial: Optional[Floats] = None
        self._practice: List[Batch] = []
        self._is_warm = False
        self._held: List[Batch] = []
        self._test: Optional[Tuple[int, memoryview]] = None
        self._throttle = _Throttle([])

    def run(self) -> None:
        _write_all(self._output, [_GREETING])
        self._say("begun", protocol=PROTOCOL, trainer=f"allot (python {sys.version.split()[0]})")
        threading.Thread(target=self._listen, name="asked", daemon=True).start()
        while (frame := self._next()) is not None:
            try:
                self._act(*frame)
            except BrokenPipeError:
                raise
            except _Failed as failed:
                self._fail(str(failed))
            except BaseException as error:  # noqa: BLE001 - whatever it is, the user is told
                traceback.print_exc()
                self._fail(_last_line(error))

    def _fail(self, reason: str) -> NoReturn:
        """Says why it cannot go on, and ends: threads of libraries must not hold it up."""
        self._say("failed", reason=reason)
        sys.stderr.flush()
        os._exit(1)

    def _listen(self) -> None:
        """Reads requests to the end of the pipe; a cancellation overtakes those that wait."""
        try:
            while True:
                head, body = _read_frame(self._source)
                if head["ask"] == "cancel":
                    self._cancelled = max(self._cancelled, head["ticket"])
                else:
                    self._asked.put((head, body))
        except (_Ended, OSError):
            pass
        except BaseException:  # noqa: BLE001 - a request that cannot be read ends it too
            traceback.print_exc()
        self._cancelled = 1 << 64
        self._asked.put(None)
        time.sleep(2.0)  # a batch ends soon; one that hangs does not
        os._exit(0)

    def _next(self) -> Optional[Frame]:
        return self._waiting.pop(0) if self._waiting else self._asked.get()

    def _say(self, what: str, body: Union[bytes, memoryview] = b"", **more: Any) -> None:
        head = json.dumps({"say": what, **more}).encode()
        length = memoryview(body).nbytes
        _write_all(self._output, [_LENGTHS.pack(len(head), length), head, body])

    def _is_cancelled(self, ticket: int) -> bool:
        return ticket <= self._cancelled

    def _act(self, head: Head, body: memoryview) -> None:
        ask = head["ask"]
        if ask == "job":
            self._begin(head)
            return
        if ask == "over":
            self._forget()
            return
        if self._job is None:
            return  # there is nothing to do before there is a job
        job = self._job
        if ask == "initial":
            self._say("initial", _wire(self._start()))
        elif ask == "practice":
            self._practice = list(self._batches(job, body))
        elif ask == "benchmark":
            self._benchmark(head)
        elif ask in ("keep", "hold"):
            self._stock(head, body)
        elif ask == "train":
            self._train(head, body)
        elif ask == "test-set":
            self._test = (head["samples"], body)
        elif ask == "judge":
            self._judge(head, body)
        else:
            raise _Failed(f"its parent asks to {ask!r}, which protocol {PROTOCOL} does not know")

    def _begin(self, head: Head) -> None:
        self._forget()
        if head["protocol"] != PROTOCOL:
            raise _Failed(
                f"Allot speaks protocol {head['protocol']}, this package {PROTOCOL}: use the same release"
            )
        said = dict(head.get("training", {}))
        scales = callable(getattr(self._trainer, "scale_learning_rate", None))
        known = [*getattr(self._trainer, "options", ()), *(["schedule"] if scales else [])]
        for name in said:
            if name not in known:
                raise _Failed(
                    f"this program does not take training.{name}: leave that out, or have the program "
                    "take it and name it in its options"
                )
        job = _job(head, said)
        self._throttle = _Throttle(head["throttle"])
        self._trainer.setup(job)
        self._initial = self._parameters().copy()
        self._job = job
        told = getattr(self._trainer, "tensors", None)
        tensors = [("parameters", (self._initial.size,))] if told is None else list(told())
        total = sum(math.prod(shape) for _, shape in tensors)
        if total != self._initial.size:
            raise _Failed(
                f"tensors() has {total} numbers, parameters() has {self._initial.size}"
            )
        self._say(
            "ready",
            device=str(getattr(self._trainer, "device", "cpu")),
            tensors=[{"name": name, "shape": [int(d) for d in shape]} for name, shape in tensors],
            options=sorted(said),
        )

    def _start(self) -> Floats:
        assert self._initial is not None
        return self._initial

    def _parameters(self) -> Floats:
        """What the program says that its parameters are."""
        found = np.asarray(self._trainer.parameters())
        if found.ndim != 1 or found.dtype != np.float32:
            raise _Failed(
                f"parameters() gave an array of {found.dtype} with the shape {found.shape}, expected a "
                "flat one of float32"
            )
        if self._initial is not None and found.size != self._initial.size:
            raise _Failed(
                f"parameters() gave {found.size} numbers, expected {self._initial.size} as at first"
            )
        return found

    def _batches(self, job: Job, body: memoryview) -> Iterator[Batch]:
        each = sum(field.bytes_of(job.batch_size) for field in job.fields)
        if each == 0 or len(body) % each:
            raise _Failed(f"its parent sent {len(body)} bytes of batches of {each}")
        for first in range(0, len(body), each):
            yield _batch(job.fields, body[first : first + each], job.batch_size)

    def _stock(self, head: Head, body: memoryview) -> None:
        """Takes batches in, and lets others go."""
        if head["ask"] == "keep":
            del self._held[head["keep"] :]
        elif head["first"] == len(self._held) and self._job is not None:
            self._held.extend(self._batches(self._job, body))  # else of an earlier plan
        self._say("held", session=head["session"], plan=head["plan"], held=len(self._held))

    def _take_in(self) -> None:
        """Data is taken in between two batches of a benchmark: workers measure while it travels."""
        while not self._asked.empty():
            frame = self._asked.get()
            if frame is None:
                self._asked.put(None)  # the end is for the loop
                return
            if frame[0]["ask"] in ("keep", "hold") and not self._waiting:
                self._stock(*frame)
            else:
                self._waiting.append(frame)

    def _await_data(self, head: Head, until: float) -> None:
        """Data that is sent in every cycle may come after the parameters."""
        while len(self._held) < head["batches"] and not self._is_cancelled(head["ticket"]):
            for at, (asked, _) in enumerate(self._waiting):
                if asked["ask"] in ("keep", "hold"):
                    self._stock(*self._waiting.pop(at))
                    break
            else:
                left = until - time.monotonic()
                if left <= 0:
                    return
                try:
                    frame = self._asked.get(timeout=min(left, _PIECE))
                except queue.Empty:
                    continue
                if frame is None:
                    self._asked.put(None)
                    return
                self._waiting.append(frame)

    def _step(self, batch: Batch, ticket: int, until: Optional[float]) -> None:
        began, used = time.monotonic(), time.process_time()
        self._trainer.train(batch)
        took, used = time.monotonic() - began, time.process_time() - used
        # What another device does, no processor's time tells.
        is_here = str(getattr(self._trainer, "device", "cpu")) == "cpu"
        own = min(took, used) if is_here else took
        self._throttle.worked(began, own, until, lambda: self._is_cancelled(ticket))

    def _scale(self, factor: float) -> None:
        """The learning rate of this cycle; a program that has no schedule is never asked for one."""
        scale = getattr(self._trainer, "scale_learning_rate", None)
        if callable(scale):
            scale(factor)

    def _benchmark(self, head: Head) -> None:
        ticket, batches = head["ticket"], head["batches"]
        if not self._practice:
            raise _Failed("its parent sent no batches to practise on")
        self._scale(1.0)
        self._trainer.set_parameters(self._start().copy())
        until = time.monotonic() + _WARMS_UP_FOR
        for step in range(_WARM_UP):
            if self._is_warm or step > 0 and time.monotonic() > until:
                break
            if not self._practise(step, ticket):
                return
        self._is_warm = True
        self._throttle.begins()
        since = time.monotonic_ns()
        for step in range(batches):
            if not self._practise(step, ticket):
                return
        self._throttle.ends(None, lambda: self._is_cancelled(ticket))
        took = time.monotonic_ns() - since
        self._say("benchmarked", session=head["session"], batches=batches, took_ns=took)

    def _practise(self, step: int, ticket: int) -> bool:
        """A batch of a benchmark; false if that was cancelled."""
        if self._is_cancelled(ticket):
            return False
        self._take_in()
        self._step(self._practice[step % len(self._practice)], ticket, None)
        return True

    def _train(self, head: Head, body: memoryview) -> None:
        ticket, session, cycle = head["ticket"], head["session"], head["cycle"]
        passes = max(head["passes"], 1)
        stop_at = head["stop_at_ns"] / 1e9
        self._await_data(head, stop_at)
        # Fewer are here if they did not come in time: then these are trained.
        share = min(head["batches"], len(self._held))
        self._throttle.reaches(cycle)
        self._throttle.begins()
        began = time.monotonic()
        beat, beat_batches = head["beat_ns"] / 1e9, head["beat_batches"]
        last_beat, last_done = began, 0
        tail_batches = min(head["tail_batches"], share)
        moments = [began]
        self._scale(head.get("rate_factor", 1.0))
        self._trainer.set_parameters(_flat(body, self._start().size))
        steps = 0
        while steps < share * passes:
            now = time.monotonic()
            # The first is tried if there is any time at all, another one if it would end in time.
            if now + ((now - began) / steps if steps else 0.0) >= stop_at:
                break
            if self._is_cancelled(ticket):
                return
            self._step(self._held[steps % share], ticket, stop_at)
            steps += 1
            done, now = steps // passes, time.monotonic()
            if steps % passes == 0:
                moments.append(now)
                if len(moments) > tail_batches + 1:
                    moments.pop(0)
            if now - last_beat >= beat or done - last_done >= beat_batches:
                last_beat, last_done = now, done
                self._say("beat", session=session, cycle=cycle, done=done)
        self._throttle.ends(stop_at, lambda: self._is_cancelled(ticket))
        result = self._parameters()
        if self._is_cancelled(ticket):
            return
        now = time.monotonic()
        self._say(
            "trained",
            _wire(result),
            session=session,
            cycle=cycle,
            done=steps // passes,
            took_ns=int((now - began) * 1e9),
            tail_ns=int((now - moments[0]) * 1e9),
        )

    def _judge(self, head: Head, body: memoryview) -> None:
        if self._test is None or self._job is None:
            raise _Failed("its parent sent no test set")
        self._trainer.set_parameters(_flat(body, self._start().size))
        judged = self._trainer.evaluate(_test_batches(self._job, *self._test))
        metrics: Dict[str, Optional[float]] = {}
        for name, value in dict(judged).items():
            number = float(value)
            metrics[str(name)] = number if math.isfinite(number) else None
        self._say("judged", cycle=head["cycle"], metrics=metrics)


def _job(head: Head, said: Mapping[str, Any]) -> Job:
    fields = []
    for field in head["batch"]["fields"]:
        if field["type"] not in _TYPES:
            raise _Failed(f"its parent sends values of the type {field['type']!r}")
        dtype = np.dtype(_TYPES[field["type"]])
        fields.append(Field(field["name"], dtype, tuple(field["shape"]), field.get("below")))
    return Job(
        seed=head["seed"],
        device=head["device"],
        threads=head["threads"],
        batch_size=head["batch"]["samples"],
        fields=tuple(fields),
        training={name: value for name, value in said.items() if name != "schedule"},
    )


def _batch(fields: Sequence[Field], body: memoryview, samples: int) -> Batch:
    arrays, first = {}, 0
    for field in fields:
        end = first + field.bytes_of(samples)
        flat = np.frombuffer(body[first:end], dtype=field.dtype)
        arrays[field.name] = flat.reshape((samples, *field.shape))
        first = end
    return Batch(arrays)


def _test_batches(job: Job, samples: int, body: memoryview) -> Iterator[Batch]:
    """The test set in pieces: whole arrays of all samples, one field after the other."""
    if len(body) != sum(field.bytes_of(samples) for field in job.fields):
        raise _Failed(f"its parent sent {len(body)} bytes of {samples} samples for the test")
    whole = _batch(job.fields, body, samples)
    for first in range(0, samples, _EVALUATED):
        yield Batch({name: array[first : first + _EVALUATED] for name, array in whole.arrays.items()})


def _flat(body: memoryview, expected: int) -> Floats:
    """Parameters that may be changed: a program may go on in the very array."""
    if len(body) != 4 * expected:
        raise _Failed(f"its parent sent {len(body)} bytes of parameters, expected {4 * expected}")
    return np.frombuffer(body, dtype="<f4").astype(np.float32)


def _wire(flat: Floats) -> memoryview:
    return np.ascontiguousarray(flat, dtype="<f4").data.cast("B")


def _last_line(error: BaseException) -> str:
    """A traceback in one line: what, and where in the user's own code."""
    what = "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()
    own = os.path.dirname(os.path.abspath(__file__))
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if os.path.dirname(os.path.abspath(frame.filename)) != own]
    if not theirs:
        return what[-1]
    first = theirs[0]
    return f"{what[-1]} ({os.path.basename(first.filename)}:{first.lineno}, in {first.name})"
