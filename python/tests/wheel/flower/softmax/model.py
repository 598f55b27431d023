"""A linear model of made-up data in NumPy, with softmax and SGD."""

import numpy as np

FEATURES, CLASSES, SAMPLES = 30, 8, 20


def data(seed, samples):
    """Points around a centre for each class; the centres are the same for every seed."""
    centres = np.random.default_rng(0).normal(size=(CLASSES, FEATURES))
    drawn = np.random.default_rng(seed)
    y = drawn.integers(0, CLASSES, samples)
    return centres[y] + drawn.normal(scale=2.0, size=(samples, FEATURES)), y


def probabilities(weights, x):
    z = x @ weights
    z = np.exp(z - z.max(axis=1, keepdims=True))
    return z / z.sum(axis=1, keepdims=True)


def step(weights, x, y):
    error = probabilities(weights, x)
    error[np.arange(len(y)), y] -= 1.0
    weights -= 0.02 * x.T @ error / len(y)


def accuracy(weights, x, y):
    return float((probabilities(weights, x).argmax(axis=1) == y).mean())
