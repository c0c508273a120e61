"""What a browser is told about every page: nothing foreign, nothing inline, no frames."""

from __future__ import annotations

from collections.abc import Mapping

# Where a browser takes a WebSocket to the page's own host and port as 'self' (all current ones do), no `ws:` is needed,
# which would let a page talk to any host.
_SOURCES: Mapping[str, str] = {
    "default-src": "'none'",
    "base-uri": "'none'",
    "connect-src": "'self'",
    "font-src": "'self'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "img-src": "'self' data:",
    "script-src": "'self'",
    "style-src": "'self'",
    "worker-src": "'self'",
}


def security_headers(**sources: str) -> dict[str, str]:
    """The headers of a page or asset. A page that needs more than all others names it: `style_src="'self' …"`."""
    policy = {**_SOURCES, **{name.replace("_", "-"): value for name, value in sources.items()}}
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
