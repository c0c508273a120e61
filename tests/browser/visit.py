"""A page open in a browser, with all that went wrong there and all that was asked of foreign hosts."""

from __future__ import annotations

from playwright.async_api import ConsoleMessage, Page, Request, Response, WebSocket

LOCAL_SCHEMES = ("data:", "blob:")


class Visit:
    """Violations of the content security policy are among the errors on the console."""

    def __init__(self, page: Page, base_url: str) -> None:
        self.page = page
        self.foreign: list[str] = []
        self.faults: list[str] = []
        self.frames: list[str] = []
        """What came over WebSockets."""
        own = (f"{base_url}/", f"{base_url.replace('http', 'ws', 1)}/", *LOCAL_SCHEMES)

        def asked(url: str) -> None:
            if not url.startswith(own):
                self.foreign.append(url)

        def requested(request: Request) -> None:
            asked(request.url)

        def answered(response: Response) -> None:
            if response.status >= 400:
                self.faults.append(f"{response.status} {response.url}")

        def said(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                self.faults.append(message.text)

        def opened(socket: WebSocket) -> None:
            asked(socket.url)
            socket.on("framereceived", lambda frame: self.frames.append(str(frame)))

        page.on("request", requested)
        page.on("response", answered)
        page.on("console", said)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("websocket", opened)
