"""Keys of the simulated accounts: made anew for each run, written to 0600 files.

Each account gets an HMAC key with its secret and an Ed25519 key (PKCS#8 PEM), as a customer would have made at the venue.
"""

from __future__ import annotations

import os
import secrets
import string
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tools.simex.auth import Keyring
from tools.simex.ledger import Account, ApiKey

_ALPHABET = string.ascii_letters + string.digits


def write_private(path: Path, content: bytes) -> None:
    """Create or replace a file only its owner can read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def make_credentials(account: Account, keyring: Keyring, directory: Path) -> dict[str, str]:
    """Both keys of an account into `directory`; returns name -> path."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    hmac_key, hmac_secret, ed25519_key = ("".join(secrets.choice(_ALPHABET) for _ in range(64)) for _ in range(3))
    private = Ed25519PrivateKey.generate()
    keyring.add(account, ApiKey(hmac_key, "hmac", hmac_secret.encode()))
    keyring.add(account, ApiKey(ed25519_key, "ed25519", private.public_key()))
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    contents = {
        "hmac_key": hmac_key.encode(),
        "hmac_secret": hmac_secret.encode(),
        "ed25519_key": ed25519_key.encode(),
        "ed25519_private": pem,
    }
    paths = {}
    for name, content in contents.items():
        path = directory / f"{account.name}.{name}{'.pem' if name == 'ed25519_private' else ''}"
        write_private(path, content)
        paths[name] = str(path)
    return paths
