"""The speed of the package, beside its bars: ends with 1 if one is missed. `python bars.py`, with the wheel installed."""

import subprocess
import sys
import time

import numpy as np

import allot


def best(call, times):
    """The least time of a call, in seconds: what it takes when nothing is in the way."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return min(taken)


def started():
    subprocess.run([sys.executable, "-c", "import allot"], check=True)


def bare():
    subprocess.run([sys.executable, "-c", "pass"], check=True)


def main():
    drawn = np.random.default_rng(1)

    def problem(k):
        s_max = drawn.integers(10, 1000, k)
        fee = drawn.integers(1, 10**7, k) / 1e6
        return int(s_max.sum() * 0.6), s_max, fee

    n, s_max, fee = problem(20)
    lists = s_max.tolist(), fee.tolist()
    large_n, large_s_max, large_fee = problem(100_000)
    bars = [
        ("solve, k = 20, lists", best(lambda: allot.solve(n, *lists, beta=5, s_min=5), 5000) * 1e6, 20, "us"),
        ("solve, k = 100,000, arrays", best(lambda: allot.solve(large_n, large_s_max, large_fee, beta=100, s_min=5), 30) * 1e3, 20, "ms"),
        ("import allot", (best(started, 10) - best(bare, 10)) * 1e3, 50, "ms"),
    ]
    missed = 0
    for what, took, bar, unit in bars:
        missed += took > bar
        print(f"{what:<28}{took:8.2f} {unit}, at most {bar} {unit}{'  MISSED' if took > bar else ''}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
