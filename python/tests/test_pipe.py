"""The package's side of the protocol, over pipes, against frames that are written by hand."""

import json
import os
import struct
import subprocess
import sys
import tempfile
import textwrap
import unittest

import numpy as np

PROGRAM = """
import os, sys
print("printed before")
import numpy as np
import allot.trainer

class Mean:
    options = {options}
    def setup(self, job):
        self.rate = job.training.get("learning_rate", 1.0)
        self.flat = np.zeros(3, np.float32)
    def parameters(self):
        return self.flat
    def set_parameters(self, flat):
        self.flat = flat
    def train(self, batch):
        print("printed in between")
        os.system("echo printed by another program")
        self.flat = self.flat + np.float32(batch.x.mean())
        {train}
    def evaluate(self, batches):
        return {{"samples": sum(len(batch) for batch in batches), "none": float("nan")}}
{more}
allot.trainer.serve(Mean())
"""

BATCH = {
    "samples": 2,
    "fields": [
        {"name": "x", "type": "u8", "shape": [3], "below": 256},
        {"name": "y", "type": "u8", "shape": [], "below": 4},
    ],
}
JOB = {
    "ask": "job", "protocol": 1, "model": "program", "weights": "xavier",
    "seed": 1, "device": "cpu", "threads": 1, "throttle": [[0, 1.0]], "batch": BATCH,
}
GREETING = b"\0ALLOT-TRAINER\0\n"


class Program:
    def __init__(self, train: str = "pass", options=(), more: str = "") -> None:
        # A folder of its own: Python imports what lies beside a program.
        self.folder = tempfile.TemporaryDirectory()
        self.name = os.path.join(self.folder.name, "mean.py")
        with open(self.name, "w") as file:
            file.write(textwrap.dedent(PROGRAM).format(train=train, options=options, more=more))
        self.process = subprocess.Popen(
            [sys.executable, self.name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        out = self.process.stdout
        assert out is not None
        before = b""
        while not before.endswith(GREETING):
            byte = out.read(1)
            assert byte, before
            before += byte
        self.out = out

    def ask(self, head, body=b""):
        text = json.dumps(head).encode()
        self.process.stdin.write(struct.pack("<IQ", len(text), len(body)) + text + body)
        self.process.stdin.flush()

    def hear(self):
        head, body = struct.unpack("<IQ", self.out.read(12))
        return json.loads(self.out.read(head)), self.out.read(body)

    def end(self):
        self.process.stdin.close()
        errors = self.process.stderr.read().decode()
        self.process.stdout.close()
        self.process.stderr.close()
        self.process.wait()
        self.folder.cleanup()
        return errors


def train(ticket, batches, beat_batches=1):
    return {
        "ask": "train", "ticket": ticket, "session": 5, "cycle": 6, "batches": batches, "passes": 1,
        "beat_ns": 10**18, "beat_batches": beat_batches, "tail_batches": 1, "stop_at_ns": 2**62,
    }


class PipeTests(unittest.TestCase):
    def test_a_share_is_trained_and_prints_do_no_harm(self) -> None:
        program = Program()
        self.assertEqual(program.hear()[0]["protocol"], 1)
        program.ask(JOB)
        ready = program.hear()[0]
        self.assertEqual(ready["tensors"], [{"name": "parameters", "shape": [3]}])
        program.ask({"ask": "hold", "session": 5, "plan": 1, "first": 0}, bytes([1] * 6 + [0, 1] + [4] * 6 + [2, 3]))
        self.assertEqual(program.hear()[0], {"say": "held", "session": 5, "plan": 1, "held": 2})
        program.ask(train(1, 2), np.array([1, 2, 3], "<f4").tobytes())
        self.assertEqual([program.hear()[0]["done"] for _ in range(2)], [1, 2])
        head, body = program.hear()
        self.assertEqual((head["say"], head["done"], head["cycle"]), ("trained", 2, 6))
        self.assertLessEqual(head["tail_ns"], head["took_ns"])
        np.testing.assert_array_equal(np.frombuffer(body, "<f4"), [6, 7, 8])
        program.ask({"ask": "test-set", "samples": 3}, bytes(9) + bytes(3))
        program.ask({"ask": "judge", "cycle": 9}, bytes(12))
        judged = program.hear()[0]
        self.assertEqual(judged["metrics"], {"samples": 3.0, "none": None})
        errors = program.end()
        for printed in ("printed in between", "printed by another program"):
            self.assertIn(printed, errors)

    def test_what_a_job_says_of_training_is_taken_or_refused(self) -> None:
        said = {"learning_rate": 0.5, "schedule": True}
        for taken, refused in (([], "learning_rate"), (["learning_rate"], "schedule")):
            program = Program(options=taken)
            program.hear()
            program.ask({**JOB, "training": said})
            failed = program.hear()[0]["reason"]
            self.assertTrue(failed.startswith(f"this program does not take training.{refused}: "), failed)
            program.end()
        more = """
    def scale_learning_rate(self, factor):
        self.flat = None
        self.rate = factor * self.rate
"""
        program = Program("self.flat = self.flat + np.float32(self.rate)", ["learning_rate"], more)
        program.hear()
        program.ask({**JOB, "training": said})
        self.assertEqual(program.hear()[0]["options"], ["learning_rate", "schedule"])
        program.ask({"ask": "hold", "session": 5, "plan": 1, "first": 0}, bytes(8))
        program.hear()
        program.ask({**train(1, 1, beat_batches=9), "rate_factor": 0.25}, bytes(12))
        self.assertEqual(list(np.frombuffer(program.hear()[1], "<f4")), [0.125] * 3)
        program.end()

    def test_a_traceback_comes_in_its_last_line_and_whole_in_the_log(self) -> None:
        program = Program("1 / 0")
        program.hear()
        program.ask(JOB)
        program.hear()
        program.ask({"ask": "hold", "session": 5, "plan": 1, "first": 0}, bytes(8))
        program.hear()
        program.ask(train(1, 1), bytes(12))
        failed = program.hear()[0]
        expected = r"^ZeroDivisionError: division by zero \(mean.py:\d+, in train\)$"
        self.assertRegex(failed["reason"], expected)
        self.assertIn("Traceback (most recent call last)", program.end())

    def test_parameters_of_another_length_are_not_sent(self) -> None:
        program = Program("self.flat = np.zeros(4, np.float32)")
        program.hear()
        program.ask(JOB)
        program.hear()
        program.ask({"ask": "hold", "session": 5, "plan": 1, "first": 0}, bytes(8))
        program.hear()
        program.ask(train(1, 1, beat_batches=9), bytes(12))
        failed = program.hear()[0]
        self.assertEqual(failed["reason"], "parameters() gave 4 numbers, expected 3 as at first")
        program.end()

    def test_a_cancelled_share_gives_no_answer(self) -> None:
        program = Program("import time; time.sleep(0.01)")
        program.hear()
        program.ask(JOB)
        program.hear()
        program.ask({"ask": "hold", "session": 5, "plan": 1, "first": 0}, bytes(8) * 500)
        program.hear()
        program.ask(train(1, 500, beat_batches=1), bytes(12))
        program.hear()
        program.ask({"ask": "cancel", "ticket": 1})
        program.ask({"ask": "initial"})
        said = []
        while not said or said[-1] != "initial":
            said.append(program.hear()[0]["say"])
        self.assertNotIn("trained", said)
        self.assertLess(len(said), 400)
        program.end()


if __name__ == "__main__":
    unittest.main()
