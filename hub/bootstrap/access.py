"""Who may come in, how many at once, and how often."""

from __future__ import annotations

from dataclasses import dataclass

from hub.admin.metrics import Metrics
from hub.bootstrap.wiring import Run
from hub.core.admission import Admission
from hub.core.audit import AuditTrail
from hub.core.credentials import Credentials, Door, KeyFile, OpenDoor
from hub.core.jwks import JwksKeys
from hub.core.key_ring import KeyRing
from hub.core.rates import Limiter, Rates, StoreClock
from hub.core.standings import Standings
from hub.core.user_tokens import TokenRules, UserTokens
from hub.domain.rates import Rate
from hub.settings import Settings
from hub.store.stores import Stores


def build_admission(settings: Settings, metrics: Metrics) -> Admission:
    """How many may be under way at once, with a gauge and a count of refusals."""
    refused = metrics.counter("hub_requests_refused", "Requests refused because too much was under way.")
    admission = Admission(settings.in_flight_limit, refused)
    metrics.gauge("hub_in_flight", "What is under way, as HUB_IN_FLIGHT_LIMIT counts.", lambda: admission.under_way)
    return admission


def build_rates(settings: Settings, stores: Stores, metrics: Metrics) -> Rates:
    """How often a credential may do something, and a recipient be sent something."""
    refused = metrics.tally("hub_rate_limited", "How often a rate limit said no.", "limit")
    clock = StoreClock()

    def limiter(name: str, text: str | None) -> Limiter | None:
        return None if text is None else Limiter(Rate.parse(name, text), stores.rates, clock, refused)

    limits = settings.limits
    return Rates(limiter("credential", limits.per_credential), limiter("recipient", limits.per_recipient))


@dataclass(frozen=True, slots=True)
class Access:
    """Who may come in, and what is kept of it."""

    credentials: Credentials
    standings: Standings
    tokens: UserTokens
    audit: AuditTrail
    runs: tuple[Run, ...]


def build_access(settings: Settings, stores: Stores) -> Access:
    """Keys, tokens and the audit trail. ValueError with a sentence for a keys file that can't be used."""
    auth = settings.auth
    standings, audit = Standings(), AuditTrail(stores.audit)
    provider = None if auth.jwks_url is None else JwksKeys(auth.jwks_url, auth.jwks_algorithms)
    secret = None if auth.token_secret is None else auth.token_secret.get_secret_value()
    rules = TokenRules(auth.token_issuer, auth.token_audience, auth.tenant_claim, auth.token_lifetime, secret)
    tokens = UserTokens(rules, provider)
    if not auth.demanded:
        return Access(OpenDoor(), standings, tokens, audit, ())
    file = None if auth.keys_file is None else KeyFile.read(auth.keys_file)
    ring = KeyRing(stores.api_keys, standings)
    return Access(Door(file, ring, tokens), standings, tokens, audit, (ring.run,))
