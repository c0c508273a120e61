"""The page that shows what the local sinks took: `/dev/outbox`, and the same as JSON for tests."""

from __future__ import annotations

from html import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from hub.dev.captured import Captured, Outbox
from hub.domain.times import format_time

_SHOWN = 50
# A mail's HTML is a stranger's: it gets no scripts, no origin, no network.
_MAIL_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_FRESH = {"Cache-Control": "no-store"}
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def routes(outbox: Outbox) -> list[Route]:
    """The page, its stylesheet and script, each mail's HTML, and `/dev/outbox.json` (newest first; `?limit=`)."""

    async def page(_request: Request) -> Response:
        return HTMLResponse(_page(outbox), headers={**_FRESH, "Content-Security-Policy": _PAGE_POLICY})

    async def as_json(request: Request) -> Response:
        limit = request.query_params.get("limit", "")
        kept = list(outbox.kept)[: int(limit) if limit.isascii() and limit.isdigit() else None]
        return JSONResponse([{"number": number, **message.as_json()} for number, message in kept], headers=_FRESH)

    async def mail(request: Request) -> Response:
        message = outbox.get(request.path_params["number"])
        if message is None or message.html is None:
            return Response(status_code=404)
        return HTMLResponse(message.html, headers={**_FRESH, "Content-Security-Policy": _MAIL_POLICY})

    async def stylesheet(_request: Request) -> Response:
        return Response(_CSS, media_type="text/css")

    async def script(_request: Request) -> Response:
        return Response(_JS, media_type="text/javascript")

    return [
        Route("/dev/outbox", page),
        Route("/dev/outbox.json", as_json),
        Route("/dev/outbox.css", stylesheet),
        Route("/dev/outbox.js", script),
        Route("/dev/outbox/{number:int}.html", mail),
    ]


def app(outbox: Outbox) -> Starlette:
    """The routes as an application of their own."""
    return Starlette(routes=routes(outbox))


def _page(outbox: Outbox) -> str:
    kept = list(outbox.kept)
    cards = "\n".join(_card(number, message) for number, message in kept[:_SHOWN])
    newest = kept[0][0] if kept else 0
    more = f"<p class=note>Only the last {_SHOWN} of {len(kept)} are shown.</p>" if len(kept) > _SHOWN else ""
    empty = "<p class=note>Nothing yet. What the hub sends by e-mail, SMS or webhook appears here by itself.</p>"
    return f"""<!doctype html>
<html lang=en>
<head>
<meta charset=utf-8>
<meta name=viewport content="width=device-width, initial-scale=1">
<meta name=color-scheme content="light dark">
<title>Outbox ({len(kept)})</title>
<link rel=stylesheet href="/dev/outbox.css">
<script src="/dev/outbox.js" defer></script>
<noscript><meta http-equiv=refresh content=5></noscript>
</head>
<body data-newest="{newest}">
<header><h1>Outbox</h1><p>What the local sinks took instead of real providers, newest first.</p></header>
<main>{cards or empty}{more}</main>
</body>
</html>
"""


def _card(number: int, message: Captured) -> str:
    headers = "".join(f"<tr><th scope=row>{escape(name)}<td>{escape(value)}" for name, value in message.headers.items())
    html = (
        f'<details open><summary>HTML</summary><iframe sandbox loading=lazy title="HTML of message {number}"'
        f' src="/dev/outbox/{number}.html"></iframe></details>'
        if message.html is not None
        else ""
    )
    received_at = format_time(message.received_at)
    subject = "" if message.subject is None else f"<h2>{escape(message.subject)}</h2>"
    return f"""<article id="message-{number}">
<p class=top><span class="channel {escape(message.channel)}">{escape(message.channel)}</span>
<span class=to>{escape(message.recipient)}</span>
<time datetime="{received_at}">{received_at[11:19]} UTC</time></p>
{subject}
<pre>{escape(message.text.strip())}</pre>
{html}
<details><summary>Headers</summary><table>{headers}</table></details>
</article>"""


_CSS = """\
:root { color-scheme: light dark; --line: #d8dce3; --card: #fff; --page: #f3f5f8; --soft: #566070; --text: #1a1e26; }
@media (prefers-color-scheme: dark) {
  :root { --line: #363b45; --card: #1d2027; --page: #14161b; --soft: #9aa4b5; --text: #e8ebf0; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 46rem; padding: 1rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.5rem; }
header p, .note { margin: 0 0 1rem; color: var(--soft); }
article { margin: 0 0 1rem; padding: 1rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; overflow-wrap: anywhere; }
.top { display: flex; flex-wrap: wrap; gap: .25rem .75rem; margin: 0; color: var(--soft); font-size: .9rem; }
.top time { margin-left: auto; font-variant-numeric: tabular-nums; }
.channel { padding: 0 .5rem; border-radius: 1rem; color: #fff; background: #4a5568; }
.channel.email { background: #1d5fbf; }
.channel.sms { background: #0f7350; }
.channel.webhook { background: #7a3fb0; }
h2 { margin: .4rem 0 0; font-size: 1.15rem; }
pre { margin: .5rem 0; white-space: pre-wrap; font: inherit; }
summary { cursor: pointer; color: var(--soft); font-size: .9rem; }
iframe { width: 100%; height: 14rem; border: 1px solid var(--line); border-radius: .4rem; background: #fff; }
table { width: 100%; border-spacing: 0; font-size: .85rem; }
th, td { padding: .15rem .5rem .15rem 0; text-align: left; vertical-align: top; font-weight: normal; }
th { width: 9rem; color: var(--soft); }
"""

_JS = """\
// Loads the page again when there is something new, and only then: what a reader has unfolded stays as it is.
setInterval(async () => {
  try {
    const [newest] = await (await fetch("/dev/outbox.json?limit=1")).json();
    if (String(newest?.number ?? 0) !== document.body.dataset.newest) location.reload();
  } catch { /* The hub is restarting. */ }
}, 1500);
"""
