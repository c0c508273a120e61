"""TLS of the gRPC server: its certificate, whom it lets in, and both read again when their files change."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import grpc

from hub.log import get_logger
from hub.settings import GrpcSettings

log = get_logger(__name__)

_Stamp = tuple[tuple[int, int, int], ...]
"""What tells that a file is another one than before: its inode, size and time of change."""


class CertificateError(ValueError):
    """Files that can't be served with; the text names the variable."""


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of TLS, by the variables that name them."""

    certificate: Path
    key: Path
    client_ca: Path | None

    @property
    def named(self) -> Mapping[str, Path]:
        found = {"HUB_GRPC__TLS_CERTIFICATE": self.certificate, "HUB_GRPC__TLS_KEY": self.key}
        return found if self.client_ca is None else {**found, "HUB_GRPC__TLS_CLIENT_CA": self.client_ca}

    def stamp(self) -> _Stamp:
        """Raises OSError."""
        looks = (path.stat() for path in self.named.values())
        return tuple((look.st_ino, look.st_size, look.st_mtime_ns) for look in looks)

    def read(self) -> grpc.ServerCertificateConfiguration:
        """What grpc serves with. Raises CertificateError: grpc itself would take anything, and fail at each handshake."""
        content = {}
        for name, path in self.named.items():
            try:
                content[name] = path.read_bytes()
            except OSError as error:
                msg = f"{name}={path} can't be read ({error.strerror})"
                raise CertificateError(msg) from None
        self._check()
        chain, key, *authorities = content.values()
        return grpc.ssl_server_certificate_configuration([(key, chain)], authorities[0] if authorities else None)

    def _check(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        for name, path in self.named.items():
            try:
                if name == "HUB_GRPC__TLS_KEY":
                    # An empty password: without any a terminal would be asked for the one of an encrypted key.
                    context.load_cert_chain(self.certificate, path, password="")
                else:
                    context.load_verify_locations(path)
            except OSError as error:
                msg = f"{name}={path} {_fault(name, error)}"
                raise CertificateError(msg) from None


def _fault(name: str, error: OSError) -> str:
    if name != "HUB_GRPC__TLS_KEY":
        return "holds no certificate in PEM"
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return "is not the key of HUB_GRPC__TLS_CERTIFICATE"
    return "holds no unencrypted private key in PEM"


class Certificates:
    """Gives grpc the certificates for each new connection; connections that stand keep theirs."""

    def __init__(self, files: _Files) -> None:
        self._files = files
        self._seen = _stamp_of(files)
        self._first = files.read()

    def credentials(self) -> grpc.ServerCredentials:
        """What a secure port is opened with."""
        mutual = self._files.client_ca is not None
        # None stands for "no change", which the stubs don't know.
        fetch = cast("Callable[[], grpc.ServerCertificateConfiguration]", self.changed)
        return grpc.dynamic_ssl_server_credentials(self._first, fetch, require_client_authentication=mutual)

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """The certificates if they are others than before; asked for at each new connection, in a thread of grpc's.

        Raises nothing. Files that don't fit are told of once and left until they change again: what renews them writes
        one after the other, and the old ones serve meanwhile.
        """
        stamp = _stamp_of(self._files)
        if stamp == self._seen:
            return None
        self._seen = stamp
        try:
            found = self._files.read()
        except CertificateError as error:
            log.warning("certificates_unfit", reason=str(error), meaning="the former ones serve on")
            return None
        if _stamp_of(self._files) != stamp:
            # Written to while they were read: which of them fits which is seen at the next connection.
            self._seen = None
            return None
        log.info("certificates_renewed")
        return found


def _stamp_of(files: _Files) -> _Stamp | None:
    """None while a file is missing, as between two steps of a renewal."""
    try:
        return files.stamp()
    except OSError:
        return None


def certificates(settings: GrpcSettings) -> Certificates | None:
    """Those that the settings name, read and checked; None without TLS. Raises CertificateError."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return Certificates(_Files(settings.tls_certificate, settings.tls_key, settings.tls_client_ca))
