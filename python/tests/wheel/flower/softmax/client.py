"""A node: as slow as its configuration says."""

import time

from flwr.app import ArrayRecord
from flwr.clientapp import ClientApp

from allot.flower import Share

from . import model

app = ClientApp()


@app.train()
def train(message, context):
    weights = message.content["arrays"].to_numpy_ndarrays()[0].copy()
    seed = int(context.node_config["seed"]) * 1000 + int(message.content["config"]["server-round"])
    share = Share(message, context)

    def loader():
        x, y = model.data(seed, share.wanted * model.SAMPLES)
        for first in range(0, len(y), model.SAMPLES):
            yield x[first : first + model.SAMPLES], y[first : first + model.SAMPLES]

    for x, y in share.batches(loader()):
        model.step(weights, x, y)
        time.sleep(float(context.node_config["batch-seconds"]))
    return share.reply(ArrayRecord([weights]))
