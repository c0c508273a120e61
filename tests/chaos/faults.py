"""The faults: each strikes, lasts, and heals. Several may be under way at once, never two on the same thing."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.chaos.evidence import Injection
from tests.chaos.world import LEASE_SECONDS, World
from tests.replica_set import MEMBERS
from tests.servers import RabbitServer, ServerError

BETWEEN_SECONDS = (1.0, 3.0)
_BROKEN_MODES = ("reset", "refuse", "swallow", "delay", "upstream", "downstream")
_ALARM_SECONDS = 4
# One Erlang for both: rabbitmqctl takes a second or two to start one.
_ALARM = f"""
vm_memory_monitor:set_vm_memory_high_watermark(0.00001),
timer:sleep({_ALARM_SECONDS * 1000}),
vm_memory_monitor:set_vm_memory_high_watermark(0.6).
"""

Strike = Callable[[World, random.Random, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault, and what it may strike. `holds` are the things that nothing else may strike meanwhile."""

    name: str
    targets: tuple[str, ...]
    strike: Strike
    holds: Callable[[str], tuple[str, ...]] = lambda target: (target,)


async def _kill(world: World, chance: random.Random, target: str) -> None:
    with world.held(target):
        await world.hubs[target].kill()
        await asyncio.sleep(chance.uniform(0.2, 1.5))
        await world.hubs[target].start()


async def _freeze(world: World, chance: random.Random, target: str) -> None:
    """Longer than a lease: what it held is somebody else's by the time it goes on."""
    world.hubs[target].signal(signal.SIGSTOP)
    await asyncio.sleep(LEASE_SECONDS + chance.uniform(0.5, 2))
    world.hubs[target].signal(signal.SIGCONT)


async def _rolling_restart(world: World, _chance: random.Random, role: str) -> None:
    for hub in world.of_role(role):
        with world.held(hub.name):
            hub.signal(signal.SIGTERM)
            code = await hub.ended()
            if code != 0:
                world.complaints.append(f"{hub.name} was told to stop and ended with {code}")
                await hub.kill()
            await hub.start()


async def _step_down(world: World, _chance: random.Random, _target: str) -> None:
    await world.store.step_down()
    await world.store.healthy(120)


async def _kill_primary(world: World, chance: random.Random, _target: str) -> None:
    primary = world.store.members[await world.store.primary()]
    await primary.kill()
    await asyncio.sleep(chance.uniform(1, 3))
    await primary.start()
    await world.store.healthy(120)


async def _isolate_primary(world: World, _chance: random.Random, _target: str) -> None:
    """The primary takes writes that nobody else gets, and dies: they are rolled back when it returns."""
    number = await world.store.primary()
    others = [member for index, member in enumerate(world.store.members) if index != number]
    # Killed, not frozen: what lies in the socket of a frozen one it would still read when it goes on.
    await asyncio.gather(*(member.kill() for member in others))
    # A while less than it takes to notice that it is alone; the plan of a planted defect makes that longer.
    await asyncio.sleep(1.5 if world.plan.defect is None else 7)
    await world.store.members[number].kill()
    await asyncio.gather(*(member.start() for member in others))
    await world.store.primary()
    await asyncio.sleep(1)
    await world.store.members[number].start()
    # A member that was refused by those that it asked first asks them again only after a minute.
    await world.store.healthy(120)


async def _wipe_broker(world: World, chance: random.Random, _target: str) -> None:
    broker = _broker(world)
    await broker.wipe()
    await asyncio.sleep(chance.uniform(0, 2))
    await broker.start()


async def _alarm_broker(world: World, _chance: random.Random, _target: str) -> None:
    await _broker(world).ctl("eval", _ALARM)


async def _break_network(world: World, chance: random.Random, target: str) -> None:
    await world.proxy.turn(chance.choice(_BROKEN_MODES), *world.routes(target))
    await asyncio.sleep(chance.uniform(1.5, 4))
    await world.proxy.turn("pass", *world.routes(target))


def _broker(world: World) -> RabbitServer:
    assert world.broker is not None
    return world.broker


def faults_of(world: World) -> list[Fault]:
    """All faults that this installation can have, or those that the plan names."""
    found: list[Fault] = []
    for role in world.plan.roles:
        names = tuple(hub.name for hub in world.of_role(role))
        found += [
            Fault(f"kill -9 {role}", names, _kill),
            Fault(f"freeze {role}", names, _freeze),
            Fault(f"rolling restart of {role}", (role,), _rolling_restart, lambda role: _all_of(world, role)),
        ]
    store = ("store",)
    found += [
        Fault("step-down of the primary", store, _step_down),
        Fault("kill -9 of the primary", store, _kill_primary),
        Fault("isolate and kill the primary", store, _isolate_primary),
    ]
    if world.broker is not None:
        found += [
            Fault("wipe of the broker", ("broker",), _wipe_broker),
            Fault("memory alarm of the broker", ("broker",), _alarm_broker),
            Fault("network of the broker", ("broker",), _break_network),
        ]
    found += [
        Fault("network of an api", ("api-0", "api-1"), _break_network, lambda target: (f"network of {target}",)),
        Fault(
            "network of a store member", tuple(f"store-{n}" for n in range(MEMBERS)), _break_network, lambda _: store
        ),
        Fault("network of a provider", ("email", "sms"), _break_network),
    ]
    wanted = world.plan.faults
    return [fault for fault in found if not wanted or fault.name in wanted]


def _all_of(world: World, role: str) -> tuple[str, ...]:
    return tuple(hub.name for hub in world.of_role(role))


class Fate:
    """Draws faults from a seed, one every one to three seconds, and lets each have its course."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._chance = random.Random(f"fate {seed}")
        self._faults = faults_of(world)
        self._busy: set[str] = set()
        self._bag: list[Fault] = []
        self.injections: list[Injection] = []

    async def run(self, seconds: float) -> None:
        """Strikes for so long; returns when everything is healed."""
        until = time.time() + seconds
        async with asyncio.TaskGroup() as group:
            while time.time() < until:
                if (drawn := self._draw()) is not None:
                    fault, target = drawn
                    self._busy |= set(fault.holds(target))
                    group.create_task(self._let(fault, target))
                await asyncio.sleep(self._chance.uniform(*BETWEEN_SECONDS))

    async def _let(self, fault: Fault, target: str) -> None:
        injection = Injection(fault.name, target, time.time())
        self.injections.append(injection)
        try:
            await fault.strike(self._world, self._chance, target)
        except (TimeoutError, ServerError) as error:
            # Whatever could not be brought back is a finding like any other; the run goes on to show what became of it.
            self._world.complaints.append(f"{fault.name} of {target} did not heal: {type(error).__name__} {error}")
        finally:
            injection.healed_at = time.time()
            self._busy -= set(fault.holds(target))

    def _draw(self) -> tuple[Fault, str] | None:
        """Like cards: each kind comes once before any comes again; what is busy stays in the bag."""
        if not self._bag:
            self._bag = self._chance.sample(self._faults, len(self._faults))
        for fault in self._bag:
            targets = [target for target in fault.targets if self._free(fault.holds(target))]
            if targets:
                self._bag.remove(fault)
                return fault, self._chance.choice(targets)
        return None

    def _free(self, names: Sequence[str]) -> bool:
        return not self._busy & set(names)
