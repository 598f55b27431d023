"""A small transformer: it reads some characters and says which one comes next.

`python made_text.py FOLDER` makes text for it, as a data set of Allot: --data FOLDER.
"""

import torch
from torch import nn, optim

import allot.torch


class Transformer(nn.Module):
    """The output layer is the embedding again: tied weights are one part of the vector."""

    def __init__(self, letters, length, width=32):
        super().__init__()
        self.embedding = nn.Embedding(letters, width)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.places = nn.Parameter(torch.randn(length, width) * 0.02)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2)
        self.output = nn.Linear(width, letters, bias=False)
        self.output.weight = self.embedding.weight

    def forward(self, letters):
        hidden = self.layers(self.embedding(letters) + self.places)
        return self.output(hidden[:, -1])


def model(job):
    letters = max(job.x.below or 256, job.classes)
    return Transformer(letters, job.x.shape[0])


def inputs(batch):
    return torch.from_numpy(batch.x.copy()).long(), torch.from_numpy(batch.y.copy()).long()


if __name__ == "__main__":
    allot.torch.serve(model, inputs=inputs, optimizer=lambda p: optim.Adam(p, lr=3e-3))
