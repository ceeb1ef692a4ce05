"""TLS and SASL for Faust, whose client wants them in forms of its own."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import faust

if TYPE_CHECKING:
    from schemas.brokers import Security


def faust_credentials(security: Security) -> faust.auth.Credentials | None:
    """Return what a Faust application is given; None where neither TLS nor SASL is used."""
    context = _tls_context(security) if security.uses_tls else None
    if security.uses_sasl:
        return faust.SASLCredentials(
            username=security.username,
            password=security.password,
            mechanism=security.mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)


def _tls_context(security: Security) -> ssl.SSLContext:
    """Return a context that checks the brokers' certificates, their host names included."""
    context = ssl.create_default_context(cafile=security.ca_file)
    if security.certificate_file is not None:
        context.load_cert_chain(security.certificate_file, security.key_file, security.key_password)
    return context
