"""The models of benches/models.rs on SimPy: seconds for a number of events, one line each."""

import random
import statistics
import time

import simpy


def completions(workers, events):
    environment = simpy.Environment()
    draw = random.Random(1).expovariate

    def worker():
        while True:
            yield environment.timeout(draw(1.0))

    for _ in range(workers):
        environment.process(worker())
    for _ in range(workers):  # the processes' first steps are events of SimPy's own
        environment.step()
    begun = time.perf_counter()
    for _ in range(events):
        environment.step()
    return time.perf_counter() - begun


def barriers(workers, events):
    """The lightest way in SimPy: a callback counts, instead of one process per worker."""
    environment = simpy.Environment()
    draw = random.Random(1).expovariate
    running = 0

    def begin_all():
        nonlocal running
        running = workers
        for _ in range(workers):
            environment.timeout(draw(1.0)).callbacks.append(done)

    def done(_event):
        nonlocal running
        running -= 1
        if running == 0:
            begin_all()

    begun = time.perf_counter()
    begin_all()
    for _ in range(events):
        environment.step()
    return time.perf_counter() - begun


for workers in (10, 10_000):
    for model in (completions, barriers):
        events = 200_000
        took = statistics.median(model(workers, events) for _ in range(3))
        print(f"simpy {model.__name__} {workers} {events} {took:.6f}", flush=True)
