"""The job with one of two strategies; what came of it goes to a file."""

import json
import time

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, MetricRecord
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

import allot.flower

from . import model

app = ServerApp()


class Equal(FedAvg):
    """FedAvg, with an account of what it costs."""

    history = ()

    def aggregate_train(self, server_round, replies):
        replies = list(replies)
        measured = [next(iter(reply.content.metric_records.values())) for reply in replies]
        fee = sum(metrics["num-batches"] * metrics["fee"] for metrics in measured)
        self.history += ({"fee": fee, "batches": sum(metrics["num-batches"] for metrics in measured)},)
        return super().aggregate_train(server_round, replies)


@app.main()
def main(grid, context):
    asked = context.run_config
    batches, nodes = int(asked["batches"]), 4
    grid = allot.flower.prompt(grid)  # for both: FedAvg too gets its answers as they come
    config = ConfigRecord()
    common = dict(fraction_evaluate=0.0, min_train_nodes=nodes, min_available_nodes=nodes)
    if asked["strategy"] == "allot":
        strategy = allot.flower.AllotFedAvg(batches, float(asked["limit"]), **common)
    else:
        strategy = Equal(weighted_by_key="num-batches", **common)
        config["num-batches"] = batches // nodes
    x, y = model.data(1, 4000)
    moments, accuracies = [], []

    def evaluate(_, arrays):
        moments.append(time.monotonic())
        accuracies.append(model.accuracy(arrays.to_numpy_ndarrays()[0], x, y))
        return MetricRecord({"accuracy": accuracies[-1]})

    while len(list(grid.get_node_ids())) < nodes:
        time.sleep(0.2)
    began = time.monotonic()
    strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord([np.zeros((model.FEATURES, model.CLASSES))]),
        num_rounds=int(asked["rounds"]),
        train_config=config,
        evaluate_fn=evaluate,
    )
    rounds = [vars(row) if hasattr(row, "planned") else row for row in strategy.history]
    account = {
        "strategy": asked["strategy"],
        "seconds": time.monotonic() - began,
        "fee": sum(row["fee"] for row in rounds),
        "accuracy": accuracies[-1],
        "accuracies": accuracies,
        "rounds": rounds,
        "round_seconds": [b - a for a, b in zip(moments, moments[1:])],
    }
    with open(asked["out"], "w", encoding="utf-8") as out:
        json.dump(account, out)
