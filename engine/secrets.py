"""Keys in memory: typed, never echoed. Config holds file references only (feeds/strict.py: SecretRef reads and checks the files).

`Secret` shows as *** in every string, repr, log line and traceback; the value leaves it through `reveal()` alone, which is easy
to search for. `Ed25519Key` signs without giving its private half back."""
from __future__ import annotations

import base64
import pathlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from feeds.strict import SecretRef


class Secret:
    """Text that is not to be seen."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not value or any(c.isspace() for c in value):
            raise ValueError("a secret is empty or contains white space")
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> str:
        raise TypeError("a Secret is neither pickled nor copied")


class Ed25519Key:
    """A private key that signs. `pem` is PKCS#8, as the venue's own instructions make it."""

    __slots__ = ("_key",)

    def __init__(self, pem: str) -> None:
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise ValueError("the Ed25519 key is not an unencrypted PKCS#8 PEM private key "
                             "(openssl genpkey -algorithm ed25519 makes one)") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(  # noqa: TRY004  the text is wrong, not its type
                f"the key is {type(key).__name__.removeprefix('_')}, not Ed25519")
        self._key = key

    def sign_base64(self, message: str) -> str:
        return base64.b64encode(self._key.sign(message.encode())).decode("ascii")

    def __repr__(self) -> str:
        return "Ed25519Key('***')"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("an Ed25519Key is neither pickled nor copied")


def load_secret(reference: SecretRef | str | pathlib.Path) -> Secret:
    """The text of a secret file that is the user's own, mode 0600 and not a placeholder."""
    return Secret(_reference(reference).reveal())


def load_ed25519(reference: SecretRef | str | pathlib.Path) -> Ed25519Key:
    """The private key in a secret file."""
    made = _reference(reference)
    try:
        return Ed25519Key(made.reveal())
    except ValueError as error:
        raise ValueError(f"secret file {made.path}: {error}") from None


def _reference(reference: SecretRef | str | pathlib.Path) -> SecretRef:
    if isinstance(reference, SecretRef):
        return reference
    return SecretRef(pathlib.Path(str(reference).removeprefix("file:")))
