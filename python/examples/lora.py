"""LoRA: a frozen base with small matrices beside it. Only what trains travels.

The base stands for a model that every machine has on its disk; here it follows from a fixed seed.
"""

import torch
from torch import nn, optim

import allot.torch


class Lora(nn.Module):
    """A frozen layer and a low-rank change of it, which is zero at first."""

    def __init__(self, base, rank=4):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, base.in_features) * 0.02)
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x):
        return self.base(x) + x @ self.down.T @ self.up.T


def base(inputs, classes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(inputs, 256), nn.Linear(256, classes)


def model(job):
    first, second = base(job.x.shape[0], job.classes)
    return nn.Sequential(Lora(first), nn.ReLU(), Lora(second))


if __name__ == "__main__":
    allot.torch.serve(model, optimizer=lambda p: optim.Adam(p, lr=1e-2))
