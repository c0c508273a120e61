"""What the measures of the live feed come to: rows with goals, a table beside them, charts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.bench.charts import bars
from tests.bench.live.measures import LONG
from tests.bench.report import Goal, Row, figure, markdown

Results = Mapping[str, Mapping[str, Any]]
CHARTS = {"live-one.svg": "one", "live-deliveries.svg": "deliveries"}
_MIB = 2**20
_WORDS = """\
Every process is a real one: an API process, a relay and a worker of the hub, MongoDB, RabbitMQ, and clients in processes of their own.
Sockets and event streams are read by plain asyncio protocols that parse no JSON, because a client library takes longer over a frame
than the server; gRPC by grpcio, which is as slow as it is. Times are of the machine's monotonic clock.

- **event**: from when the API process has made the event of what it has read, just before it hands it to any stream, until the client's
  process has the bytes. Queues, rendering, framing, the kernel and the client's own queue are in it.
- **heard**: the same from when the API process hears that something has changed: what it reads from MongoDB is in it too.
- **asked**: the same from just before the create is sent: accepting, delivering and announcing are in it too.
- Memory is what the API process's resident set grew by, divided; what the kernel keeps for a connection is not in it.
- The *bare handler* encodes each event once, puts the subscriber's id in front of the shared text, and knows no GraphQL; it has a bounded
  queue and a task for each subscriber. It and *stock Strawberry* over the hub's own types send the same frames through the same uvicorn.
"""


def rows(results: Results, disturbed: Mapping[str, bool]) -> list[Row]:
    """The goals, as far as they were measured."""
    makers = {"many": _many, "fan": _fan, "screen": _screen, "slow": _slow}
    return [
        Row(name, what, measure, goal, values, seen, disturbed=disturbed[part])
        for part, make in makers.items()
        if part in results
        for name, what, measure, goal, values, seen in make(results[part])
    ]


_Cells = tuple[str, str, str, Goal, Sequence[float], str]


def _many(found: Mapping[str, Any]) -> Iterator[_Cells]:
    what = f"{found['subscriptions']:,} subscriptions, each of a user of its own"
    memory = [found["kib_each"], found["kib_each_after_load"]]
    opened = f"{figure(found['opened_a_second'])} opened a second"
    yield "memory", what, "memory of one, at rest and under load", Goal("at most", 40, "KiB"), memory, opened
    measure = f"event to client, p99, 200 a second among them ({found['events']:,}, {found['missing']} missing)"
    yield "many", what, measure, Goal("at most", 5, "ms"), [found["event"]["p99"]], _spreads(found)


def _screen(found: Mapping[str, Any]) -> Iterator[_Cells]:
    what = f"{found['users']:,} users connected, 200 notifications a second"
    measure = f"asked to client, p99, sockets ({found['events']:,}, {found['missing']} missing)"
    yield "screen", what, measure, Goal("at most", 250, "ms"), [found["asked"]["p99"]], _spreads(found)


def _spreads(found: Mapping[str, Any]) -> str:
    parts = [
        f"{name} {figure(found[name]['p50'])} / {figure(found[name]['p99'])}" for name in ("event", "heard", "asked")
    ]
    return f"p50 / p99 in ms: {', '.join(parts)}"


def _fan(found: Mapping[str, Any]) -> Iterator[_Cells]:
    what, rounds = f"{found['subscribers']:,} subscribers of one user", found["rounds"]
    for name, measure, key, goal, unit in (
        ("one", "until all have one event, beside a bare handler", "one", Goal("at most", 1.3), "ms"),
        ("deliveries", "deliveries a second, beside a bare handler", "deliveries", Goal("at least", 0.6), "a second"),
    ):
        ratios = [one["hub"][key] / one["/bare"][key] for one in rounds]
        seen = ", ".join(
            f"{label} {figure(_middle([one[key_of][key] for one in rounds]))} {unit}"
            for label, key_of in (("hub", "hub"), ("bare", "/bare"), ("stock", "/stock"))
        )
        yield name, what, measure, goal, ratios, seen


def _slow(found: Mapping[str, Any]) -> Iterator[_Cells]:
    what = f"a subscriber that stops reading, and {found['flood']} events of {len(LONG) // 1000} KB for it"
    grown = [found["grown_bytes"] / _MIB]
    yield "bound", what, "memory of the process grows by, beyond the same for one who reads", Goal("at most", 16, "MiB"), grown, f"{figure(found['flood_bytes'] / _MIB)} MiB sent"  # fmt: skip
    worst, with_reader = found["others_beside"]["p99"], found["others_before"]["p99"]
    beside = f"{figure(worst)} ms, and {figure(with_reader)} ms"
    measure = "event to client for others, p99, beside the same for one who reads"
    yield "others", what, measure, Goal("at most", 1.5), [worst / with_reader], beside
    caught = f"{found['told_on_the_same_socket']} told on the same socket in {figure(found['caught_up_seconds'])} s"
    missed = [float(found["flood"] - found["told_on_the_same_socket"] + int(found["lost"]))]
    yield "caught-up", what, "events missing once it reads again", Goal("at most", 0, "events"), missed, caught
    dropped = found["dropped_after_seconds"]
    yield "dropped", what, "never reads again: dropped after", Goal("at most", 30, "s"), [] if dropped is None else [dropped], ""  # fmt: skip
    yield "shutdown", what, "a stop of the process takes", Goal("at most", 10, "s"), [found["shutdown_seconds"]], ""


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _all_kinds(results: Results) -> dict[str, list[Mapping[str, float]]]:
    """Everybody who tells a thousand subscribers, and the figures of each round."""
    found: dict[str, list[Mapping[str, float]]] = {}
    names = {"hub": "hub, GraphQL socket", "/bare": "bare handler", "/stock": "stock Strawberry"}
    for one in results.get("fan", {}).get("rounds", ()):
        for key, figures in one.items():
            found.setdefault(names[key], []).append(figures)
    others = {"rest-sse": "hub, SSE of REST", "graphql-sse": "hub, SSE of GraphQL", "grpc": "hub, gRPC"}
    kinds = results.get("protocols", {}).get("kinds", {})
    found |= {name: list(kinds[key]) for key, name in others.items() if key in kinds}
    return found


def body(results: Results, disturbed: Mapping[str, bool]) -> str:
    """The section of docs/performance.md."""
    kinds = _all_kinds(results)
    lines = ["| to 1,000 subscribers | all have one event, ms | deliveries a second | CPU a delivery, µs |", "| --- | ---: | ---: | ---: |"]  # fmt: skip
    for name, runs in kinds.items():
        cells = [figure(_middle([one[key] for one in runs])) for key in ("one", "deliveries", "cpu_microseconds")]
        lines.append(f"| {' | '.join([name, *cells])} |")
    pictures = "\n".join(f"![{name}](images/{name})" for name in charts(results))
    return "\n\n".join([_WORDS, markdown(rows(results, disturbed)), "\n".join(lines), pictures])


def charts(results: Results) -> dict[str, str]:
    """By the name of the file."""
    kinds = _all_kinds(results)
    if not kinds:
        return {}
    titles = {"one": ("Until 1,000 subscribers have one event", "ms"), "deliveries": ("Deliveries", "a second")}
    return {
        file: bars(
            *titles[key], {name: [one[key] for one in runs] for name, runs in kinds.items()}, "hub, GraphQL socket"
        )
        for file, key in CHARTS.items()
    }
