"""Certificates of an authority of a test's own, as the PEM files that servers and clients read."""

from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import (
    PKCS12Certificate,
    PKCS12PrivateKeyTypes,
    serialize_java_truststore,
    serialize_key_and_certificates,
)
from cryptography.x509 import load_pem_x509_certificate

HOST = "127.0.0.1"
STORE_PASSWORD = "of-a-test"
"""Of the PKCS #12 files, for servers that read no PEM."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, which is PKCS #8: Java reads no other."""

    certificate_file: Path
    key_file: Path

    @property
    def store_file(self) -> Path:
        """Both in one file: PKCS #12."""
        return self.certificate_file.with_suffix(".p12")


class Authority:
    """Issues certificates into a folder that anyone may enter."""

    def __init__(self, directory: Path) -> None:
        self._authority = trustme.CA()
        self._directory = directory
        directory.mkdir(mode=0o755, parents=True)
        self.ca_file = directory / "ca.pem"
        self._authority.cert_pem.write_to_path(self.ca_file)
        self.trust_file = directory / "ca.p12"
        trusted = load_pem_x509_certificate(self._authority.cert_pem.bytes())
        entry = PKCS12Certificate(trusted, b"authority")
        self.trust_file.write_bytes(serialize_java_truststore([entry], _sealed()))

    def issue(self, name: str) -> Certificate:
        """Return a certificate of this common name, also good for a server on loopback."""
        issued = self._authority.issue_cert(HOST, "localhost", common_name=name)
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        certificate = Certificate(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(certificate.certificate_file)
        self._write_store(certificate, key)
        text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        certificate.key_file.write_bytes(text)
        return certificate

    def _write_store(self, certificate: Certificate, key: PKCS12PrivateKeyTypes) -> None:
        own = load_pem_x509_certificate(certificate.certificate_file.read_bytes())
        store = serialize_key_and_certificates(b"own", key, own, None, _sealed())
        certificate.store_file.write_bytes(store)


def _sealed() -> BestAvailableEncryption:
    return BestAvailableEncryption(STORE_PASSWORD.encode())
