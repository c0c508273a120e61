"""The rows of the comparison with what one would build from parts: what each figure is to be, and what it was."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.contenders import HUB, PEERS
from tests.bench.figures import Figures
from tests.bench.report import Goal, Row
from tests.bench.sections import CONNECTIONS, RATES

_SLOWEST = dict(zip(RATES, (25, 50), strict=True))
"""Milliseconds, by notifications a second."""


def rows(figures: Figures) -> list[Row]:
    """Every row for which there are figures."""
    makers = (_delivery, _alone, _entries, _latency, _modes, _providers, _embedded)
    return [row for maker in makers for row in maker(figures)]


def _delivery(figures: Figures) -> Iterator[Row]:
    for connections in CONNECTIONS:
        run = f"{HUB}/{connections}"
        if run + " cpu_per_10k" not in figures.values:
            return
        rate, cpu = f"{run} delivered_a_second", f"{run} cpu_per_10k"
        rates = [f"{name}/{connections} delivered_a_second" for name in PEERS]
        costs = [f"{name}/{connections} cpu_per_10k" for name in PEERS]
        what = f"create → delivered, REST, {connections} connections"
        yield Row(
            f"delivered-{connections}", what, "delivered/s against the best peer", Goal("at least", 6),
            figures.against(rate, rates, max), f"{figures.middle(rate)}/s, {_best(figures, rates, max)}/s", _spoiled(figures, run),
        )  # fmt: skip
        yield Row(
            f"cpu-{connections}", what, "CPU-seconds of all processes against the best peer", Goal("at most", round(1 / 6, 3)),
            figures.against(cpu, costs, min),
            f"{figures.middle(cpu)} s, {_best(figures, costs, min)} s for 10,000", _spoiled(figures, run),
        )  # fmt: skip


def _alone(figures: Figures) -> Iterator[Row]:
    if "lone create" in figures.values:
        parts = [figures.middle(f"lone {name}") for name in ("create", "insert", "FastAPI")]
        yield Row(
            "lone", "create, REST, one connection, every 20 ms", "p50 against one majority insert by pymongo and an empty FastAPI POST",
            Goal("at most", 1.3), figures.ratio("lone create", "lone floor"),
            f"{parts[0]} ms, {parts[1]} ms and {parts[2]} ms", "alone" in figures.disturbed,
        )  # fmt: skip


def _entries(figures: Figures) -> Iterator[Row]:
    if "REST accepted" not in figures.values:
        return
    rest = f"{figures.middle('REST accepted')}/s"
    for name, what, goal in (("gRPC", "over gRPC, unary", 0.9), ("GraphQL", "over GraphQL", 0.7)):
        yield Row(
            name.lower(), f"create {what}", "accepted/s against REST", Goal("at least", goal),
            figures.ratio(f"{name} accepted", "REST accepted"), f"{figures.middle(f'{name} accepted')}/s, {rest}", name in figures.disturbed,
        )  # fmt: skip
    for name, what in (("gRPC stream", "over four gRPC streams"), ("batch", "in batches of 100, four at once")):
        yield Row(
            name.lower().replace(" ", "-"), f"create {what}", "accepted/s, the worker beside it", Goal("at least", 10_000, "/s"),
            figures.values[f"{name} accepted"], "", name in figures.disturbed,
        )  # fmt: skip


def _latency(figures: Figures) -> Iterator[Row]:
    for rate in RATES:
        run = f"{HUB}/{rate}/s"
        if run + " delivery_p99" in figures.values:
            middle = float(figures.middle(f"{run} delivery_p50")) * 1000
            yield Row(
                f"p99-{rate}", f"at a fixed {rate}/s", "create → delivered, p99", Goal("at most", _SLOWEST[rate], "ms"),
                [value * 1000 for value in figures.values[f"{run} delivery_p99"]], f"p50 {middle:.0f} ms", _spoiled(figures, run),
            )  # fmt: skip
    run = f"{HUB}/{RATES[-1]}/s"
    if run + " cpu_per_10k" in figures.values:
        costs = [f"{name}/{RATES[-1]}/s cpu_per_10k" for name in PEERS]
        yield Row(
            f"cpu-at-{RATES[-1]}", f"at a fixed {RATES[-1]}/s", "CPU-seconds of all processes against the best peer",
            Goal("at most", 0.6), figures.against(f"{run} cpu_per_10k", costs, min),
            f"{figures.middle(f'{run} cpu_per_10k')} s, {_best(figures, costs, min)} s for 10,000", _spoiled(figures, run),
        )  # fmt: skip


def _modes(figures: Figures) -> Iterator[Row]:
    for name, what, beside in (
        ("in process/32", "embedded mode, in-process transport, 32 connections", "one of each/32"),
        ("two of each/128", "two API processes and two workers, 128 connections", "one of each/128"),
    ):
        rate, other = f"{name} delivered_a_second", f"{beside} delivered_a_second"
        if rate in figures.values:
            against = "the RabbitMQ mode" if "embedded" in what else "one of each"
            yield Row(
                "embedded" if "embedded" in what else "two", what, f"delivered/s against {against}", Goal("at least", 1),
                figures.ratio(rate, other), f"{figures.middle(rate)}/s, {figures.middle(other)}/s", _spoiled(figures, name, beside),
            )  # fmt: skip


def _providers(figures: Figures) -> Iterator[Row]:
    for kind, what, goal in (("sms", "HTTP", 0.8), ("email", "SMTP", 0.6)):
        name = f"{kind}, 50 ms"
        if name in figures.values:
            yield Row(
                what.lower(), f"provider with 50 ms latency, {what}, 32 at once",
                "deliveries/s of one worker against a bare loop over the same client library", Goal("at least", goal),
                figures.ratio(name, f"bare {kind}"), f"{figures.middle(name)}/s, {figures.middle(f'bare {kind}')}/s",
                _spoiled(figures, name, f"bare {kind}"),
            )  # fmt: skip


def _embedded(figures: Figures) -> Iterator[Row]:
    for name, what, goal in (
        ("idle memory", "memory of the hub's process, without mongod", Goal("at most", 130, "MiB")),
        ("idle CPU", "CPU of the hub's process", Goal("at most", 1, "%")),
        ("start", "embedded, warm, to ready", Goal("at most", 3, "s")),
    ):
        if name in figures.values:
            title, spoiled = name.partition(" ")[0], _spoiled(figures, "embedded")
            yield Row(name.replace(" ", "-").lower(), title, what, goal, figures.values[name], "", spoiled)


def _best(figures: Figures, names: list[str], best: object) -> str:
    """The median of the best one, and who that is."""
    middles = {name: sorted(figures.values[name])[len(figures.values[name]) // 2] for name in names}
    chosen = max(middles, key=middles.__getitem__) if best is max else min(middles, key=middles.__getitem__)
    return f"{chosen.partition('/')[0]} {figures.middle(chosen)}"


def _spoiled(figures: Figures, *runs: str) -> bool:
    return bool(figures.disturbed.intersection(runs))
