"""JAX: a network of one hidden layer, as a function of one flat vector."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

import allot.trainer


def outputs(parameters, x):
    (w1, b1), (w2, b2) = parameters
    return jax.nn.relu(x @ w1 + b1) @ w2 + b2


class Network:
    rate = 0.1

    def setup(self, job):
        one, two = jax.random.split(jax.random.PRNGKey(job.seed))
        inputs = job.x.shape[0]
        tree = [
            (jax.random.normal(one, (inputs, 64)) / inputs**0.5, jnp.zeros(64)),
            (jax.random.normal(two, (64, job.classes)) / 8, jnp.zeros(job.classes)),
        ]
        self.flat, unravel = ravel_pytree(tree)

        def loss(flat, x, y):
            logs = jax.nn.log_softmax(outputs(unravel(flat), x))
            return -jnp.take_along_axis(logs, y[:, None], axis=1).mean()

        rate = self.rate
        self.step = jax.jit(lambda flat, x, y: flat - rate * jax.grad(loss)(flat, x, y))
        self.logs = jax.jit(lambda flat, x: jax.nn.log_softmax(outputs(unravel(flat), x)))

    def parameters(self):
        return np.asarray(self.flat, dtype=np.float32)

    def set_parameters(self, flat):
        self.flat = jnp.asarray(flat)

    def train(self, batch):
        self.flat = self.step(self.flat, batch.x / np.float32(255), batch.y.astype(np.int32))
        self.flat.block_until_ready()  # so that a step is timed by itself

    def evaluate(self, batches):
        hits = samples = 0
        loss = 0.0
        for batch in batches:
            logs = np.asarray(self.logs(self.flat, batch.x / np.float32(255)))
            hits += int((logs.argmax(axis=1) == batch.y).sum())
            loss -= float(logs[np.arange(len(batch)), batch.y].sum())
            samples += len(batch)
        return {"loss": loss / samples, "accuracy": hits / samples}


if __name__ == "__main__":
    allot.trainer.serve(Network())
