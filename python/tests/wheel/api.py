"""The package beside the programs: the same plans, the same words."""

import decimal
import doctest
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
from importlib.util import find_spec

import numpy as np
import pyarrow
from pyarrow import parquet

import allot
import allot._solve
import allot.tensorboard
from allot import _programs


def sim(*arguments, given=""):
    return subprocess.run(
        [_programs.path_of("sim"), *arguments], input=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def solve(instance, convert=list):
    """An instance as the program reads it, with the lists given in another form."""
    s_max = convert([worker["s_max"] for worker in instance["workers"]])
    fee = convert([worker["fee"] for worker in instance["workers"]])
    return allot.solve(instance["n"], s_max, fee, beta=instance["beta"], s_min=instance["s_min"])


class SamePlans(unittest.TestCase):
    def test_two_thousand_instances_get_the_plans_of_the_program(self):
        families = ["thesis", "tight-lots", "forced-lot", "correlated", "ties", "zero-lot", "mixed", "partition"]
        lines = "".join(sim("generate", "--family", name, "--n-tests", "250", "--seed", "7").stdout for name in families)
        planned = sim("solve", given=lines).stdout.splitlines()
        self.assertEqual(len(planned), 2000)
        kinds = set()
        for line, answer in zip(lines.splitlines(), planned):
            answer = json.loads(answer, parse_float=decimal.Decimal)
            kinds.add(answer["status"])
            instance = json.loads(line)
            for convert in (list, np.array):
                try:
                    plan = solve(instance, convert)
                except allot.Infeasible as infeasible:
                    self.assertEqual((infeasible.reason, str(infeasible)), (answer["reason"], answer["message"]))
                    continue
                self.assertEqual(list(plan.batches), answer["batches"])
                self.assertEqual((plan.cost, plan.lower_bound), (answer["cost"], answer["lower_bound"]))
                self.assertEqual((plan.status, plan.certificate), (answer["status"], answer["certificate"]))
                self.assertEqual(plan.employed, answer["workers_employed"])
        self.assertEqual(kinds, {"optimal", "infeasible"})

    def test_every_allocator_answers(self):
        for name in allot.allocators():
            if name in ("highs", "gurobi"):
                continue
            try:
                plan = allot.solve(14, [5, 8, 8, 11], [1, 2, 3, 10], allocator=name)
            except allot.Failed as failed:
                self.assertNotEqual(failed.message, "")
                continue
            self.assertEqual(sum(plan.batches), 14, name)


class Words(unittest.TestCase):
    """What is refused is refused as the program refuses it."""

    def test_bad_numbers(self):
        def instance(n=5, beta=0, s_min=0, s_max=5, fee=1):
            return {"n": n, "beta": beta, "s_min": s_min, "workers": [{"s_max": 9, "fee": 1}, {"s_max": s_max, "fee": fee}]}

        bad = [
            {"n": -1}, {"n": 2.5}, {"n": 2_000_000_001}, {"n": 10**30}, {"beta": -3}, {"beta": 0.5}, {"s_min": -1},
            {"s_min": 1_000_000_001}, {"s_max": -1}, {"s_max": 5.5}, {"s_max": 1_000_000_001}, {"s_max": 1 << 70},
            {"fee": -1}, {"fee": -0.5}, {"fee": 0.1234567}, {"fee": 1_000_000.5}, {"fee": 1e300}, {"fee": 10**20},
        ]
        for change in bad:
            given = instance(**change)
            refused = sim("solve", given=json.dumps(given))
            self.assertEqual(refused.returncode, 3, change)
            words = refused.stderr.strip().split("line 1: ")[1]
            with self.assertRaises(allot.InputError) as caught:
                solve(given)
            # A float is shown as Python or as Rust writes it.
            with_number = words.split(" is ")[0] + ": " + words.split(", ", 1)[1]
            said = str(caught.exception)
            self.assertEqual(said.split(" is ")[0] + ": " + said.split(", ", 1)[1], with_number)
            self.assertIsInstance(caught.exception, ValueError)
            only_floats = all(isinstance(value, float) for value in change.values())
            if not only_floats:
                self.assertEqual(said, words)

    def test_what_is_no_number_is_refused(self):
        for fee in ("a", None, [1], float("nan"), float("inf")):
            with self.assertRaisesRegex(allot.InputError, "fee of worker 0 is .*, expected"):
                allot.solve(1, [5], [fee])
        for s_max in ("5", None, float("nan"), float("inf")):
            with self.assertRaisesRegex(allot.InputError, "s_max of worker 0 is .*, expected a whole number"):
                allot.solve(1, [s_max], [1])
        with self.assertRaisesRegex(allot.InputError, "s_max has 2 values and fee has 1"):
            allot.solve(1, [5, 5], [1])
        with self.assertRaisesRegex(allot.InputError, "2 dimensions"):
            allot.solve(1, np.ones((2, 2)), [1])
        with self.assertRaisesRegex(TypeError, "a list or an array"):
            allot.solve(1, {5}, [1])
        with self.assertRaisesRegex(allot.InputError, 'no allocator is called "glpk", expected one of heuristic'):
            allot.solve(1, [5], [1], allocator="glpk")

    def test_arrays_are_checked_as_lists_are(self):
        for values in ([-5], [1 << 40]):
            with self.assertRaisesRegex(allot.InputError, f"s_max of worker 0 is {values[0]}, expected a whole number"):
                allot.solve(1, np.array(values), [1])
        with self.assertRaisesRegex(allot.InputError, "s_max of worker 0 is 18446744073709551615"):
            allot.solve(1, np.array([2**64 - 1], dtype=np.uint64), [1])
        with self.assertRaisesRegex(allot.InputError, "fee of worker 1 is 0.1234567, expected at most six"):
            allot.solve(1, np.array([5, 5]), np.array([0.1, 0.1234567]))

    def test_a_program_that_refuses_is_an_exception_with_its_words(self):
        with self.assertRaisesRegex(allot.InputError, "there is no file nope and no scenario of that name"):
            allot.plan("nope")
        with self.assertRaisesRegex(allot.InputError, "job.betta"):
            allot.simulate("lab-8", settings={"job.betta": 3})
        with self.assertRaisesRegex(allot.Infeasible, "insufficient workers"):
            allot.plan("mixed-lab", {"job.max_time": "1 ms"}, replicates=0)
        with self.assertRaisesRegex(allot.InputError, "there is no folder"):
            allot.read("/nowhere")
        with tempfile.TemporaryDirectory() as empty:
            with self.assertRaisesRegex(allot.InputError, "holds no tables"):
                allot.read(empty)
        before = os.environ.get("ALLOT_PROGRAMS")
        os.environ["ALLOT_PROGRAMS"] = "/nowhere"
        try:
            with self.assertRaisesRegex(allot.Failed, "there is no /nowhere/sim: install the wheel"):
                allot.plan("lab-8")
        finally:
            del os.environ["ALLOT_PROGRAMS"]
            if before is not None:
                os.environ["ALLOT_PROGRAMS"] = before


class Fees(unittest.TestCase):
    def test_a_float_is_its_shortest_decimal(self):
        drawn = random.Random(1)
        micros = [drawn.randrange(10 ** drawn.randrange(1, 13)) for _ in range(2000)] + [0, 1, 10**12]
        exact = [decimal.Decimal(value).scaleb(-6) for value in micros]
        floats = [float(value) for value in exact]
        for given in (exact, floats, [str(value) for value in exact], np.array(floats)):
            for index in range(0, len(micros), 97):
                plan = allot.solve(1, [1], given[index : index + 1])
                self.assertEqual(plan.cost, exact[index])

    def test_the_kinds_of_whole_numbers(self):
        for kind in (np.int8, np.int32, np.uint16, np.uint64, np.int64):
            plan = allot.solve(np.int64(14), np.array([5, 8, 8, 11], dtype=kind), np.array([1, 2, 3, 10], dtype=kind))
            self.assertEqual(plan.batches.tolist(), [5, 8, 1, 0])
        self.assertEqual(allot.solve(14.0, (5.0, 8, 8, 11), (1, 2, 3, 10)).batches, [5, 8, 1, 0])


class Schedules(unittest.TestCase):
    def test_small_ones_are_the_best_of_all_plans(self):
        drawn = random.Random(3)
        found = 0
        for _ in range(300):
            k, n = drawn.randrange(1, 4), drawn.randrange(0, 8)
            batch = [drawn.randrange(1, 5) / 4 for _ in range(k)]
            fixed = [drawn.randrange(0, 3) / 2 for _ in range(k)]
            most = [drawn.randrange(0, 7) for _ in range(k)]
            fee = [drawn.randrange(1, 4) for _ in range(k)]
            beta, s_min, limit = drawn.randrange(0, 3), drawn.randrange(0, 3), drawn.randrange(1, 12) / 4
            plans = []
            for xs in itertools.product(range(n + 1), repeat=k):
                times = [f + x * b for x, b, f in zip(xs, batch, fixed) if x]
                fits = all(x == 0 or max(1, s_min) <= x <= m for x, m in zip(xs, most))
                if sum(xs) == n and fits and len(times) >= beta and max(times, default=0) <= limit:
                    plans.append((sum(x * f for x, f in zip(xs, fee)), max(times, default=0)))
            asked = dict(fixed_seconds=fixed, most=most, beta=beta, s_min=s_min)
            if not plans:
                with self.assertRaises(allot.Infeasible):
                    allot.schedule(n, limit, batch, fee, **asked)
                continue
            found += 1
            plan = allot.schedule(n, limit, batch, fee, **asked)
            self.assertEqual((plan.cost, plan.seconds), min(plans))
            plan = allot.schedule(n, limit, np.array(batch), fee, objective="quickest", **asked)
            cost, seconds = min(plans, key=lambda plan: (plan[1], plan[0]))
            self.assertEqual((plan.cost, plan.seconds), (cost, seconds))
            plan = allot.schedule(n, limit, batch, fee, objective="cheapest", **asked)
            self.assertEqual(plan.cost, min(plans)[0])
        self.assertGreater(found, 60)

    def test_what_is_no_speed_is_refused(self):
        for seconds in (0, -1, float("nan"), 1e30):
            with self.assertRaisesRegex(allot.InputError, "batch_seconds of worker 1 is"):
                allot.schedule(1, 1.0, [1, seconds], [1, 1])
        with self.assertRaisesRegex(allot.InputError, "limit is -1"):
            allot.schedule(1, -1, [1], [1])
        with self.assertRaisesRegex(allot.InputError, 'objective is "best", expected cheapest'):
            allot.schedule(1, 1, [1], [1], objective="best")


class Scenarios(unittest.TestCase):
    def test_a_plan_is_that_of_the_program(self):
        expected = json.loads(sim("plan", "lab-8", "--json", "--replicates", "0", "--set", "job.beta=3").stdout)
        self.assertEqual(allot.plan("lab-8", {"job.beta": 3}, replicates=0), expected)

    def test_tables_of_simulated_runs(self):
        folder = allot.simulate("lab-8", 3, {"job.cycles": 2})
        path = folder.path
        self.assertEqual((folder["cycles"].num_rows, folder["runs"].num_rows), (6, 3))
        self.assertIn("cost_micro", folder["cycles"].column_names)
        words = folder["cycles"].schema.field("cost_micro").metadata[b"description"]
        self.assertEqual(words, b"What it cost.")
        self.assertEqual(folder.run["plan"]["replicates"], 3)
        again = allot.read(path)
        self.assertEqual(again["lots"], folder["lots"])
        self.assertEqual(list(again), list(folder))
        with self.assertRaisesRegex(KeyError, "no table 'lot'.* expected one of cycles"):
            again["lot"]
        del folder
        self.assertFalse(path.exists(), "a folder of its own is removed with the object")


@unittest.skipUnless(find_spec("tensorboardX"), "NOT CHECKED: there is no tensorboardX")
class EventFiles(unittest.TestCase):
    def test_they_have_what_the_tables_have(self):
        from tensorboardX.proto.event_pb2 import Event

        folder = allot.simulate("lab-8", 2, {"job.cycles": 3}, allocators=["exact"])
        judged = {"cycle": [0, 1], "loss": [2.5, 1.5], "accuracy": [None, 0.25], "true_class_probability": [None, None]}
        parquet.write_table(pyarrow.table(judged), folder.path / "models.parquet")
        out = allot.tensorboard.write(folder.path)
        runs = sorted(path.name for path in out.iterdir())
        self.assertEqual(runs, ["exact-0", "exact-1"])
        found = {}
        for path in (out / "exact-1").iterdir():
            data = path.read_bytes()
            while data:  # length, its checksum, the event, its checksum
                length = int.from_bytes(data[:8], "little")
                event = Event.FromString(data[12 : 12 + length])
                data = data[16 + length :]
                found.update({(value.tag, event.step): value.simple_value for value in event.summary.value})
        rows = [row for row in folder["cycles"].to_pylist() if row["replicate"] == 1]
        self.assertEqual(len(rows), 3)
        for row in rows:
            self.assertAlmostEqual(found["cycle/fee", row["cycle"]], float(row["cost_micro"]) / 1e6, places=2)
            batches = sum(value for (tag, step), value in found.items() if tag.startswith("batches/") and step == row["cycle"])
            self.assertEqual(batches, row["batches_accepted"])
        self.assertEqual((found["model/loss", 0], found["model/loss", 1], found["model/accuracy", 1]), (2.5, 1.5, 0.25))
        self.assertNotIn(("model/accuracy", 0), found)


class Programs(unittest.TestCase):
    def allot(self, *arguments):
        return subprocess.run([sys.executable, "-m", "allot", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_the_command_runs_the_programs(self):
        self.assertEqual(self.allot("sim", "solve", "/nowhere").returncode, 3)
        self.assertIn("Run a job", self.allot("runtime", "cluster", "--help").stdout)
        self.assertIn("sim ", self.allot("setup").stdout)
        wrong = self.allot("simm")
        self.assertEqual((wrong.returncode, wrong.stderr.splitlines()[-1]), (1, "error: 'simm' is not a command: expected one of those above"))
        self.assertEqual(self.allot("--version").stdout, f"allot {allot.__version__}\n")
        self.assertEqual(sim("--version").stdout, f"sim {allot.__version__}\n")

    def test_an_import_loads_nothing_heavy(self):
        code = "import sys, allot; print(*({'numpy', 'decimal', 'allot._folders', 'allot._solve'} & set(sys.modules)))"
        loaded = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
        self.assertEqual(loaded.stdout, "\n")


def load_tests(loader, tests, pattern):
    tests.addTests(doctest.DocTestSuite(allot._solve))
    page = os.path.join(os.path.dirname(__file__), "../../../docs/python.md")
    tests.addTests(doctest.DocFileSuite(page, module_relative=False))
    return tests


if __name__ == "__main__":
    unittest.main()
