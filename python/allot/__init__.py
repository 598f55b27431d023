"""Train a model of your own with Allot.

A program that trains calls :func:`allot.trainer.serve` with an object of four methods, and is named
to Allot as ``--trainer 'python my_model.py'``. :mod:`allot.torch` has what PyTorch modules need.
"""
