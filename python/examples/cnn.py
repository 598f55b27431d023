"""A convolutional network with BatchNorm and dropout, for images of 28 x 28 such as Fashion-MNIST."""

from torch import nn, optim

import allot.torch


def model(job):
    return nn.Sequential(
        nn.Unflatten(1, (1, 28, 28)),
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(32 * 7 * 7, job.classes),
    )


if __name__ == "__main__":
    allot.torch.serve(model, optimizer=lambda p: optim.Adam(p, lr=1e-3))
