"""Makes text with some sense in it, as a data set of Allot: python made_text.py FOLDER [SAMPLES]"""

import pathlib
import random
import struct
import sys

WORDS = ["a worker", "the plan", "every batch", "one model", "no limit"]
VERBS = [" trains ", " holds ", " shares ", " beats "]
LENGTH = 24


def text(letters, seed):
    draw = random.Random(seed)
    made = ""
    while len(made) < letters:
        made += draw.choice(WORDS) + draw.choice(VERBS) + draw.choice(WORDS) + ". "
    return made[:letters]


def write(folder, name, samples, seed):
    """Characters by number, and the one that comes next, in the IDX format."""
    letters = sorted(set(". " + "".join(WORDS + VERBS)))
    numbers = [letters.index(letter) for letter in text(samples + LENGTH, seed)]
    x = b"".join(bytes(numbers[at : at + LENGTH]) for at in range(samples))
    y = bytes(numbers[at + LENGTH] for at in range(samples))
    head = struct.pack(">IIII", 0x0803, samples, 1, LENGTH)
    (folder / f"{name}-images-idx3-ubyte").write_bytes(head + x)
    (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x0801, samples) + y)


if __name__ == "__main__":
    place = pathlib.Path(sys.argv[1])
    place.mkdir(parents=True, exist_ok=True)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 32_000
    write(place, "train", count, 1)
    write(place, "t10k", max(count // 10, 1), 2)
