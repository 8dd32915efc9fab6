"""Learning the network of `dense.py` with numpy: Adam, smoothed labels, and noise so that it does not learn by heart.

Of few examples several networks are learned, each from other random numbers, and their answers averaged. An average of
networks with one hidden layer is one network with a wider one, so reading knows nothing of it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from core.nlu.dense import Network
from core.nlu.vectors import Floats

Labels = NDArray[np.int64]
Weights = list[Floats]

FEW_EXAMPLES = 3000
RATE = 2e-3
WARM_UP = 50
SMOOTHING = 0.1
"""Share of a label that is spread over all intents."""
DROPPED_UNITS = 0.5
DROPPED_INPUTS = 0.1
DECAY = 1e-4
SCALE = 5.0
"""Vectors have length one; the network learns faster from greater numbers."""
MEMORIES = (0.9, 0.999)


@dataclass(frozen=True)
class Effort:
    """How much is learned: more units and more networks are better and slower."""

    networks: int
    units: int
    epochs: int
    batch: int

    @classmethod
    def of(cls, examples: int, rough: bool) -> "Effort":
        """Return what is spent on so many examples; `rough` where the network only judges what is kept aside."""
        if examples < FEW_EXAMPLES:
            return cls(networks=1 if rough else 3, units=256, epochs=30, batch=64)
        return cls(networks=1, units=256 if rough else 512, epochs=12 if rough else 20, batch=128)


def learn(
    vectors: Floats, labels: Labels, intents: int, report: Callable[[float], None], *, rough: bool = False
) -> Network:
    """Learn from vectors, shape (examples, size), and the number of each one's intent.

    `report` hears what share is done; `rough` is quicker and a little worse.
    """
    effort = Effort.of(len(labels), rough)
    count = effort.networks
    middle = vectors.mean(axis=0)
    centred = (vectors - middle) * np.float32(SCALE)
    learned = [
        _learn_one(centred, labels, intents, effort, seed, partial(_report_network, report, seed, count))
        for seed in range(count)
    ]
    first, bias, second, end = (list(part) for part in zip(*learned, strict=True))
    weights = np.hstack(first) * np.float32(SCALE)
    return Network(
        first=(weights, np.concatenate(bias) - middle @ weights),
        second=((np.vstack(second) / count).astype(np.float32), np.stack(end).mean(axis=0).astype(np.float32)),
    )


def _report_network(report: Callable[[float], None], number: int, count: int, share: float) -> None:
    report((number + share) / count)


@dataclass
class _Adam:
    """Moves weights against their gradient, each at a pace of its own (Kingma and Ba 2015, decay as in AdamW).

    All of it in place: a step writes as much memory as there are weights, several times, and that is what it costs.
    """

    weights: Weights
    steps: int
    done: int = 0
    means: Weights = field(init=False)
    squares: Weights = field(init=False)
    scratch: Weights = field(init=False)

    def __post_init__(self) -> None:
        self.means = [np.zeros_like(weight) for weight in self.weights]
        self.squares = [np.zeros_like(weight) for weight in self.weights]
        self.scratch = [np.zeros_like(weight) for weight in self.weights]

    def step(self, gradients: Weights) -> None:
        self.done += 1
        rate = RATE * min(1.0, self.done / WARM_UP) * 0.5 * (1.0 + np.cos(np.pi * self.done / self.steps))
        slow, quick = (1.0 - memory**self.done for memory in MEMORIES)
        pace, spread = np.float32(rate / slow), np.float32(1.0 / np.sqrt(quick))
        for place, gradient in enumerate(gradients):
            weight, mean, square, change = (
                each[place] for each in (self.weights, self.means, self.squares, self.scratch)
            )
            mean *= np.float32(MEMORIES[0])
            np.multiply(gradient, np.float32(1 - MEMORIES[0]), out=change)
            mean += change
            np.multiply(gradient, gradient, out=gradient)
            gradient *= np.float32(1 - MEMORIES[1])
            square *= np.float32(MEMORIES[1])
            square += gradient
            np.sqrt(square, out=change)
            change *= spread
            change += np.float32(1e-8)
            np.divide(mean, change, out=change)
            change *= pace
            if weight.ndim > 1:
                weight *= np.float32(1.0 - rate * DECAY)
            weight -= change


def _learn_one(
    vectors: Floats, labels: Labels, intents: int, effort: Effort, seed: int, report: Callable[[float], None]
) -> tuple[Floats, Floats, Floats, Floats]:
    random = np.random.default_rng(seed)
    weights = _begin(random, vectors.shape[1], effort.units, intents)
    batches = (len(labels) + effort.batch - 1) // effort.batch
    adam = _Adam(weights, effort.epochs * batches)
    wanted = np.full((len(labels), intents), SMOOTHING / intents, dtype=np.float32)
    wanted[np.arange(len(labels)), labels] += np.float32(1 - SMOOTHING)
    for epoch in range(effort.epochs):
        for chosen in _batches(random, len(labels), effort.batch):
            adam.step(_gradients(random, weights, vectors[chosen], wanted[chosen]))
        report((epoch + 1) / effort.epochs)
    return weights[0], weights[1], weights[2], weights[3]


def _begin(random: np.random.Generator, size: int, units: int, intents: int) -> Weights:
    first = random.standard_normal((size, units), dtype=np.float32) * np.float32(np.sqrt(2.0 / size))
    second = random.standard_normal((units, intents), dtype=np.float32) * np.float32(np.sqrt(1.0 / units))
    return [first, np.zeros(units, dtype=np.float32), second, np.zeros(intents, dtype=np.float32)]


def _batches(random: np.random.Generator, count: int, batch: int) -> Iterator[NDArray[np.int64]]:
    order = random.permutation(count)
    return (order[start : start + batch] for start in range(0, count, batch))


def _gradients(random: np.random.Generator, weights: Weights, vectors: Floats, wanted: Floats) -> Weights:
    """Return the gradient of the cross entropy of a batch; inputs and units are left out at random."""
    seen = vectors * _mask(random, vectors.shape, DROPPED_INPUTS)
    raw = seen @ weights[0] + weights[1]
    mask = _mask(random, raw.shape, DROPPED_UNITS)
    hidden = np.maximum(raw, 0.0) * mask
    logits = hidden @ weights[2] + weights[3]
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    error = (shares - wanted) / np.float32(len(wanted))
    behind = (error @ weights[2].T) * mask * (raw > 0)
    return [seen.T @ behind, behind.sum(axis=0), hidden.T @ error, error.sum(axis=0)]


def _mask(random: np.random.Generator, shape: tuple[int, ...], dropped: float) -> Floats:
    return (random.random(shape, dtype=np.float32) >= dropped).astype(np.float32) / np.float32(1 - dropped)
