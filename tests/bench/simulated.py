"""The pipeline as a model of queues: stations in a row, each with one batch under way, and what gathers meanwhile leaves next."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

Action = Callable[[], None]
Batch = Sequence[float]
"""Items, each known by the moment it was due."""


@dataclass(frozen=True, slots=True)
class Service:
    """How long a batch takes, in seconds: a fixed part and one for each item, times one of the factors, drawn anew each time."""

    fixed: float
    each: float = 0.0
    factors: Sequence[float] = (1.0,)
    """How what was seen differed from the line through it, moment by moment, in the same order for all steps. Their mean should be 1."""

    def takes(self, size: int, moment: float) -> float:
        """A batch of so many, at a moment: 0 is the first of those that were seen, just below 1 the last."""
        return max(0.0, (self.fixed + self.each * size) * self.factors[int(moment * len(self.factors))])


@dataclass(slots=True)
class Agenda:
    """Simulated time and what is to happen in it."""

    chance: random.Random
    spell: float = 0.0
    """How long a moment lasts: what is slow then, is slow for all steps alike. 0: each trip is another moment."""
    now: float = 0.0
    _moment: float = 0.0
    _moment_ends: float = 0.0
    _entries: list[tuple[float, int, Action]] = field(default_factory=list)
    _number: int = 0

    def at(self, moment: float, action: Action) -> None:
        """Has something happen; of what happens at the same moment, in this order."""
        self._number += 1
        heapq.heappush(self._entries, (moment, self._number, action))

    @property
    def moment(self) -> float:
        """Which of the moments seen it is now."""
        if self.now >= self._moment_ends:
            self._moment, self._moment_ends = self.chance.random(), self.now + self.spell
        return self._moment

    def run(self) -> None:
        """Until nothing is left."""
        while self._entries:
            self.now, _, action = heapq.heappop(self._entries)
            action()


class Station:
    """One batch under way at a time, of at most `most` items; hands each batch on when it is done."""

    def __init__(
        self,
        agenda: Agenda,
        service: Service,
        most: int,
        then: Callable[[Batch], None],
        after: Service | None = None,
        apart: float = 0.0,
    ) -> None:
        """`after`: how long it takes until the batch is handed on, where that is not when the station is free again.
        `apart`: seconds from the beginning of a batch to that of the next one, at least."""
        self._agenda = agenda
        self._service = service
        self._most = most
        self._then = then
        self._after = after
        self._apart = apart
        self._next = 0.0
        self._waiting: deque[float] = deque()
        self._busy = False
        self.batches = 0
        self.items = 0

    def add(self, items: Batch) -> None:
        """Takes items; whoever comes while nothing is under way leaves at once."""
        self._waiting.extend(items)
        if not self._busy:
            self._go_on()

    def _go_on(self) -> None:
        self._busy = True
        self._agenda.at(max(self._agenda.now, self._next), self._start)

    def _start(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        self.batches += 1
        self.items += len(batch)
        agenda, size = self._agenda, len(batch)
        self._next = agenda.now + self._apart
        if self._after is not None:
            agenda.at(agenda.now + self._after.takes(size, agenda.moment), partial(self._then, batch))
        agenda.at(agenda.now + self._service.takes(size, agenda.moment), partial(self._done, batch))

    def _done(self, batch: Batch) -> None:
        self._busy = False
        if self._waiting:
            self._go_on()
        if self._after is None:
            self._then(batch)


@dataclass(frozen=True, slots=True)
class Model:
    """The services of the hub's steps."""

    request: Service
    """What the API works on each request, one after the other."""
    enter: Service
    """From the same moment until it is at the insert."""
    insert: Service
    publish: Service
    """Until the broker has confirmed a message."""
    carry: Service
    """From the same moment until a worker has it."""
    claim: Service
    record: Service
    stamp: Service
    """From the beginning of a record until the moment that the store notes as that of the delivery."""
    insert_most: int
    message_most: int
    work_most: int
    publish_apart: float = 0.0
    record_apart: float = 0.0
    spell: float = 0.0
    """How long what was seen at one moment lasts."""
    tick: float = 0.0
    """The load generator sends what is due every so many seconds, and not in between."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """What the model says of one load."""

    delays: Sequence[float]
    """Of each notification, in seconds, from when it was due until it is delivered."""
    insert_size: float
    """Items in an insert, on average."""
    record_size: float


def predict(model: Model, rate: float, seconds: float, seed: int = 1) -> Predicted:
    """Poisson arrivals at a rate, through request, insert, hand-over, claim and record."""
    agenda = Agenda(random.Random(seed), model.spell)
    delays: list[float] = []

    def delivered(batch: Batch) -> None:
        delays.extend(agenda.now - due for due in batch)

    record = Station(agenda, model.record, model.work_most, delivered, model.stamp, model.record_apart)
    claim = Station(agenda, model.claim, model.work_most, record.add)
    publish = Station(agenda, model.publish, model.message_most, claim.add, model.carry, model.publish_apart)
    insert = Station(agenda, model.insert, model.insert_most, publish.add)
    request = Station(agenda, model.request, 1, insert.add, model.enter)
    for due in arrivals(agenda.chance, rate, seconds):
        sent = due if not model.tick else (int(due / model.tick) + 1) * model.tick
        agenda.at(sent, partial(request.add, [due]))
    agenda.run()
    return Predicted(delays, insert.items / insert.batches, record.items / record.batches)


def arrivals(chance: random.Random, rate: float, seconds: float) -> list[float]:
    """Moments at which something is due: a Poisson process."""
    moments = []
    moment = chance.expovariate(rate)
    while moment < seconds:
        moments.append(moment)
        moment += chance.expovariate(rate)
    return moments
