"""Files that are served: their media types, their caching, and the answer to a browser that has them already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from hub.web.policy import security_headers

HASHED = "public, max-age=31536000, immutable"
"""For what has the hash of its content in its name: it never changes (RFC 8246)."""
REVALIDATED = "no-cache"
"""For what keeps its name: kept by the browser, but asked for each time, mostly for a 304."""

# Not the machine's own table, which may lack some and has others wrong.
_MEDIA_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".proto": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file and the headers it is served with."""

    path: Path
    headers: Mapping[str, str]

    @classmethod
    def read(cls, path: Path, cache_control: str, **sources: str) -> File:
        """Reads the file once, for its tag; `sources` are what its policy allows beyond that of all others."""
        headers = {
            **security_headers(**sources),
            "Cache-Control": cache_control,
            "Content-Type": _MEDIA_TYPES[path.suffix],
            "ETag": f'"{sha256(path.read_bytes()).hexdigest()[:32]}"',
        }
        return cls(path, headers)

    def shared(self) -> File:
        """The same for pages of any origin: a module is loaded with CORS, whoever loads it (html.spec.whatwg.org, section 8.1.4.2)."""
        return File(
            self.path,
            {**self.headers, "Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"},
        )

    def answer(self, request: Request) -> Response:
        """The response to GET and HEAD; 304 if the browser names the file's tag (RFC 9110, section 13.1.2)."""
        named = {one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")}
        if named & {self.headers["ETag"], "*"}:
            kept = {name: value for name, value in self.headers.items() if name != "Content-Type"}
            return Response(status_code=304, headers=kept)
        return FileResponse(self.path, headers=self.headers)


class Folder:
    """A folder of files, known by their names from the start: no path of a request ever reaches the file system."""

    def __init__(self, root: Path, cache_control: str) -> None:
        paths = sorted(path for path in root.rglob("*") if path.suffix in _MEDIA_TYPES)
        self._files = {path.relative_to(root).as_posix(): File.read(path, cache_control) for path in paths}

    @property
    def names(self) -> list[str]:
        """The files, as their paths beneath the folder."""
        return list(self._files)

    def answer(self, request: Request) -> Response:
        """The response to GET and HEAD of the path parameter `name`; 404 for what is not there."""
        file = self._files.get(request.path_params["name"])
        if file is None:
            return Response("Not found.\n", 404, {**security_headers(), "Cache-Control": "no-store"}, "text/plain")
        return file.answer(request)
