"""The simulated queues against what theory says of them."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from functools import partial
from statistics import fmean

import pytest

from tests.bench.simulated import Agenda, Batch, Model, Service, Station, arrivals, predict
from tests.bench.steps import fitted

CUSTOMERS = 60_000
NOTHING = Service(0.0)
FREE = Model(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, 500, 50, 500)


def mean_stay(rate: float, service: Service, most: int) -> float:
    """Between arrival and end of service, on average, at one station with Poisson arrivals."""
    agenda = Agenda(random.Random(7))
    stays: list[float] = []

    def gone(batch: Batch) -> None:
        stays.extend(agenda.now - began for began in batch)

    station = Station(agenda, service, most, gone)
    for moment in arrivals(agenda.chance, rate, CUSTOMERS / rate):
        agenda.at(moment, partial(station.add, [moment]))
    agenda.run()
    assert len(stays) == pytest.approx(CUSTOMERS, rel=0.02)
    return fmean(stays)


def exponential(mean: float) -> Service:
    """A service of that distribution, near enough: drawn from its quantiles."""
    parts = 10_000
    quantiles = [-math.log(1 - (part + 0.5) / parts) for part in range(parts)]
    return Service(mean, factors=quantiles)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_one_at_a_time_with_a_fixed_service_waits_as_pollaczek_and_khinchine_say(load: float) -> None:
    # M/D/1: the mean wait is load / (2 (1 - load)) services.
    assert mean_stay(load, Service(1.0), 1) - 1 == pytest.approx(load / (2 * (1 - load)), rel=0.05)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_one_at_a_time_with_an_exponential_service_stays_as_theory_says(load: float) -> None:
    # M/M/1: the mean stay is 1 / (1 - load) services.
    assert mean_stay(load, exponential(1.0), 1) == pytest.approx(1 / (1 - load), rel=0.05)


@pytest.mark.parametrize("rate", [0.5, 2.0, 10.0])
def test_a_group_commit_waits_for_half_a_trip_of_those_that_are_under_way(rate: float) -> None:
    # What gathers leaves all together, whatever its number, so that trips renew themselves: one trip, then a wait for
    # the next arrival if none came meanwhile. Who meets a trip under way waits for half of it on average, nobody else waits.
    busy = 1 / (1 + math.exp(-rate) / rate)
    assert mean_stay(rate, Service(1.0), 1_000_000) - 1 == pytest.approx(busy / 2, rel=0.02)


def test_what_each_item_costs_fills_the_batches() -> None:
    # A batch as large as what comes while one of its size is served: n = rate (fixed + each n).
    model = replace(FREE, insert=Service(0.010, 0.0005))
    found = predict(model, rate=1000, seconds=50)
    assert found.insert_size == pytest.approx(1000 * 0.010 / (1 - 1000 * 0.0005), rel=0.05)


def test_a_lone_one_passes_through_all_steps_and_waits_for_none() -> None:
    model = replace(
        FREE,
        enter=Service(1),
        insert=Service(2, 0.5),
        carry=Service(4),
        claim=Service(8),
        record=Service(99),
        stamp=Service(16),
    )
    found = predict(model, rate=0.0001, seconds=100_000)
    assert min(found.delays) == pytest.approx(1 + 2.5 + 4 + 8 + 16)
    assert found.record_size < 1.1


def test_a_slow_record_is_met_by_larger_batches() -> None:
    slow = predict(replace(FREE, record=Service(0.1)), rate=100, seconds=100)
    assert slow.record_size == pytest.approx(10, rel=0.1)
    assert fmean(slow.delays) == pytest.approx(0.05, rel=0.1)


def test_batches_that_keep_apart_share_trips_and_a_lone_one_waits_for_nobody() -> None:
    apart = replace(FREE, record=Service(0.001), stamp=Service(0.001), record_apart=0.1)
    busy = predict(apart, rate=1000, seconds=50)
    assert busy.record_size == pytest.approx(100, rel=0.05)
    assert fmean(busy.delays) == pytest.approx(0.05 + 0.001, rel=0.05)
    assert max(predict(apart, rate=0.01, seconds=10_000).delays) == pytest.approx(0.001)


def test_a_slow_moment_is_slow_for_all_steps() -> None:
    # Two steps that take 0 or 2 each: together at the same time, by themselves half of the time one of each.
    model = replace(FREE, claim=Service(1, factors=(0.0, 2.0)), stamp=Service(1, factors=(0.0, 2.0)))
    apart = predict(model, rate=0.01, seconds=100_000).delays
    alike = predict(replace(model, spell=3.0), rate=0.01, seconds=100_000).delays
    assert fmean(pytest.approx(delay) == 2 for delay in apart) == pytest.approx(0.5, rel=0.1)
    assert fmean(pytest.approx(delay) == 2 for delay in alike) < 0.05
    assert fmean(alike) == pytest.approx(fmean(apart), rel=0.1)


def test_the_same_seed_says_the_same() -> None:
    model = replace(FREE, record=Service(0.001, factors=(0.5, 1.5)))
    assert predict(model, 100, 10).delays == predict(model, 100, 10).delays
    assert predict(model, 100, 10).delays != predict(model, 100, 10, seed=2).delays


def test_what_was_seen_becomes_a_line_and_what_lay_about_it() -> None:
    seen = {size: [(0.002 + 0.0001 * size) * factor for factor in (0.5, 1.0, 1.5)] for size in (1, 8, 64)}
    service = fitted(seen)
    assert service.fixed == pytest.approx(0.002)
    assert service.each == pytest.approx(0.0001)
    assert sorted(service.factors) == pytest.approx([0.5] * 3 + [1.0] * 3 + [1.5] * 3)


def test_a_trip_far_off_the_line_counts_by_its_own_size() -> None:
    # Relative errors: where each size is off by a tenth, the line runs between them, and not through the largest alone.
    seen = {1: [0.0011], 8: [0.0010], 64: [0.0011]}
    service = fitted(seen)
    assert all(service.takes(size, 0.5) > 0 for size in seen)
    assert service.fixed == pytest.approx(0.00104, rel=0.03)
