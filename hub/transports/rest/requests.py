"""What every operation's request goes through before its handler: deadline, key, rate, Accept, query, size, type, syntax."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any, ClassVar, NoReturn, TypeVar, get_origin

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from hub.core.credentials import Credentials
from hub.core.deadlines import deadline
from hub.core.rates import Rates
from hub.domain.errors import HubError, Reason, Violation, invalid
from hub.domain.principals import Principal
from hub.settings import Settings
from hub.transports.nesting import check_nesting
from hub.transports.rest.auth import ADMISSION, COUNTED
from hub.transports.rest.errors import LONGEST_NAME, MOST_VIOLATIONS, violations_of

JSON = "application/json"
_JSON_TYPE = re.compile(r"application/(?:json|[\w.!#$&^-]+\+json)", re.ASCII | re.IGNORECASE)
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
_QUALITY = re.compile(r"q\s*=\s*([01](?:\.\d{0,3})?)", re.ASCII | re.IGNORECASE)

M = TypeVar("M", bound=BaseModel)
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class OperationRoute(APIRoute):
    """The route of one operation."""

    request_timeout: ClassVar[timedelta]
    max_body_bytes: ClassVar[int]
    credentials: ClassVar[Credentials]
    rates: ClassVar[Rates]

    def operation(self) -> Handler:
        """What answers once the checks are passed: FastAPI's handler."""
        return super().get_route_handler()

    def get_route_handler(self) -> Handler:
        """The operation behind our checks, all of it under its deadline."""
        operate = self.operation()
        offered = self._media_type()
        admit = self._admission()
        known, lists = self._query_names()
        headers = [field.alias for field in self.dependant.header_params]
        body_field = self.body_field
        needs_body = body_field is not None and body_field.field_info.is_required()

        async def handle(request: Request) -> Response:
            async with deadline(self.request_timeout):
                if admit is not None:
                    request.state.principal = principal = await admit(request, self.credentials)
                    if principal is not None and admit in COUNTED:
                        await self.rates.operation(principal)
                if offered is not None:
                    check_accept(request, offered)
                check_query(request, known, lists)
                check_headers(request, headers)
                check_length(request, self.max_body_bytes)
                if body_field is not None:
                    request = await _with_json(request, self.max_body_bytes, needed=needs_body)
                return await operate(request)

        return handle

    def _admission(self) -> Callable[[Request, Credentials], Awaitable[Principal | None]] | None:
        """How callers are let in; None: they need no credential."""
        calls = [dependency.call for dependency in self.dependant.dependencies]
        return next((ADMISSION[call] for call in calls if call in ADMISSION), None)

    def _media_type(self) -> str | None:
        if self.status_code == HTTPStatus.NO_CONTENT:
            return None
        declared = self.response_class.media_type if isinstance(self.response_class, type) else None
        return declared or JSON

    def _query_names(self) -> tuple[frozenset[str], frozenset[str]]:
        """Of all parameters, and of those that may be given more than once."""
        kinds: dict[str, object] = {}
        for field in self.dependant.query_params:
            annotation = field.field_info.annotation
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                kinds |= {known.alias or name: known.annotation for name, known in annotation.model_fields.items()}
            else:
                kinds[field.alias] = annotation
        return frozenset(kinds), frozenset(name for name, kind in kinds.items() if get_origin(kind) is list)


def route_class(settings: Settings, known: Credentials, limits: Rates) -> type[OperationRoute]:
    """The class of routes that keep to these settings, and let in who has these credentials and keeps to these limits."""

    class Bound(OperationRoute):
        request_timeout = settings.request_timeout
        max_body_bytes = settings.http.max_body_bytes
        credentials = known
        rates = limits

    return Bound


def with_body_limit(routes: type[APIRoute], limit: int) -> type[APIRoute]:
    """The class of routes that take no bodies beyond a limit of their own, however much others take."""
    assert issubclass(routes, OperationRoute)  # noqa: S101 - tells the type checker
    return type("Limited", (routes,), {"max_body_bytes": min(routes.max_body_bytes, limit)})


def answered_by(routes: type[APIRoute], direct: Handler) -> type[APIRoute]:
    """The class of routes that FastAPI only describes: a handler of ours finds the body decoded and the caller let in."""
    assert issubclass(routes, OperationRoute)  # noqa: S101 - tells the type checker
    return type("Direct", (routes,), {"operation": lambda _: direct})


def validated(model: type[M], content: object) -> M:
    """A decoded body as its model, or INVALID_VALUE for every field that is wrong, as FastAPI would have it."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found = [{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors(include_url=False)]
        raise invalid(*violations_of(found)) from None


def check_accept(request: Request, offered: str) -> None:
    """406 unless the caller takes what this operation gives (RFC 9110, section 12.5.1)."""
    accept = ",".join(request.headers.getlist("accept"))
    if accept.strip() and not accepts(accept, offered):
        raise HTTPException(406, f"This operation answers with {offered} only.")


def accepts(accept: str, offered: str) -> bool:
    """Whether an Accept header has a quality above zero for a media type; the most specific range decides."""
    qualities: dict[str, float] = {}
    for item in accept.lower().split(","):
        media_range, _, parameters = item.partition(";")
        quality = _QUALITY.search(parameters)
        qualities[media_range.strip()] = float(quality.group(1)) if quality else 1.0
    ranges = (offered, offered.partition("/")[0] + "/*", "*/*")
    return next((qualities[media_range] for media_range in ranges if media_range in qualities), 0.0) > 0


def check_query(request: Request, known: frozenset[str], lists: frozenset[str] = frozenset()) -> None:
    """Refuses query parameters that are unknown or given twice: either is a mistake that would pass unseen."""
    if not request.scope["query_string"]:
        return
    names = [name for name, _ in request.query_params.multi_items()]
    violations = {name: "is not a known query parameter" for name in names if name not in known}
    violations |= {name: "must be given once" for name in known - lists if names.count(name) > 1}
    if violations:
        found = list(violations.items())[:MOST_VIOLATIONS]
        raise invalid(*(Violation(name[:LONGEST_NAME], message) for name, message in found))


def check_headers(request: Request, known: Sequence[str]) -> None:
    """Refuses headers that an operation takes and that are given twice: which one counts would be a guess."""
    repeated = [name for name in known if len(request.headers.getlist(name)) > 1]
    if repeated:
        raise invalid(*(Violation(name.replace("-", "_").lower(), "must be given once") for name in repeated))


def check_length(request: Request, limit: int) -> None:
    """Refuses a body that says itself that it is too large, before any of it is read."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise too_large(limit)


def too_large(limit: int) -> HubError:
    """The refusal of a body beyond the limit."""
    return HubError(Reason.TOO_LARGE, f"The body must be at most {limit:,} bytes.")


class _Decoded(Request):
    """A request whose body was read and decoded before FastAPI asks for it."""

    def __init__(self, request: Request, raw: bytes, content: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._raw = raw
        self._content = content

    async def body(self) -> bytes:
        return self._raw

    async def json(self) -> Any:
        return self._content


async def _with_json(request: Request, limit: int, *, needed: bool) -> Request:
    raw = await read_body(request, limit)
    if not raw:
        if needed:
            raise malformed("The body is empty; a JSON object is expected.")
        return _Decoded(request, raw, None)
    _check_content_type(request.headers.get("content-type", ""))
    return _Decoded(request, raw, decode_json(raw))


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body; stops as soon as it is beyond the limit, also where its length was not declared."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise too_large(limit)
    return bytes(body)


def _check_content_type(content_type: str) -> None:
    media_type = content_type.partition(";")[0].strip()
    charset = _CHARSET.search(content_type)
    if _JSON_TYPE.fullmatch(media_type) is None or (charset and charset.group(1).lower() not in {"utf-8", "utf8"}):
        raise HTTPException(415, "The body must be JSON in UTF-8: application/json or application/…+json.")


def malformed(sentence: str) -> HubError:
    """The refusal of a body that is not the JSON it claims to be."""
    return HubError(Reason.MALFORMED, sentence)


def decode_json(raw: bytes) -> Any:
    """JSON by RFC 8259, or MALFORMED, or TOO_LARGE for too much of it.

    Lone surrogates and huge numbers get through: the core refuses them by name.
    """
    try:
        text = raw.decode()
        check_nesting(text)
        return _decode(text)
    except json.JSONDecodeError as error:
        raise malformed(f"The body is not JSON: {error.msg} at character {error.pos}.") from None
    except _ConstantError as error:
        raise malformed(f"The body is not JSON: it holds {error}.") from None
    except UnicodeDecodeError:
        raise malformed("The body is not UTF-8.") from None


def _decode(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (json.JSONDecodeError, _ConstantError):
        raise
    except ValueError:
        # An integer of more digits than Python converts. As a double it is beyond every limit all the same.
        return _LENIENT_DECODER.decode(text)


class _ConstantError(ValueError):
    """NaN or an infinity, which Python's parser would take."""


def _refuse_constant(name: str) -> NoReturn:
    raise _ConstantError(name)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_LENIENT_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=float)
