"""A small PyTorch network: the least that there is to write."""

from torch import nn, optim

import allot.torch


def model(job):
    return nn.Sequential(nn.Linear(job.x.shape[0], 64), nn.ReLU(), nn.Linear(64, job.classes))


if __name__ == "__main__":
    allot.torch.serve(model, optimizer=lambda p: optim.SGD(p, lr=0.1))
