"""A network with what is easily lost: BatchNorm, tied weights, a frozen layer."""

from torch import nn, optim

import allot.torch

RATE = 0.05


class Net(nn.Module):
    def __init__(self, inputs, classes):
        super().__init__()
        self.first = nn.Linear(inputs, 32)
        self.norm = nn.BatchNorm1d(32)
        self.frozen = nn.Linear(32, 32).requires_grad_(False)
        self.one = nn.Linear(32, 32)
        self.two = nn.Linear(32, 32)
        self.two.weight = self.one.weight
        self.last = nn.Linear(32, classes)

    def forward(self, x):
        x = self.frozen(self.norm(self.first(x))).relu()
        return self.last(self.two(self.one(x).relu()).relu())


def model(job):
    return Net(job.x.shape[0], job.classes)


def optimizer(parameters):
    return optim.SGD(parameters, lr=RATE)


if __name__ == "__main__":
    allot.torch.serve(model, optimizer=optimizer)
