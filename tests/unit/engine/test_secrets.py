"""Keys: read from private files only, never shown."""
from __future__ import annotations

import copy
import logging
import pickle
import traceback
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from engine.gateways.binance_credentials import load_credentials
from engine.secrets import Ed25519Key, Secret, load_ed25519, load_secret
from feeds.strict import SecretRef

VALUE = "tH1sIsTheSecretOfTheTest"


def private_file(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def pem(encryption: object = None) -> str:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption
                                                      or NoEncryption()).decode()  # type: ignore[arg-type]


def test_secret_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(VALUE)
    logging.getLogger("test").error("%s %r %s", secret, secret, [secret])
    shown = f"{secret} {secret!r} {secret:>30} {[secret]} {secret!s}" + caplog.text
    assert VALUE not in shown
    assert secret.reveal() == VALUE
    for steal in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            steal(secret)


@pytest.mark.parametrize("wrong", ["", "two words", "line\nbreak"])
def test_text_that_cannot_be_a_secret_is_refused_without_being_quoted(wrong: str) -> None:
    with pytest.raises(ValueError, match="empty or contains white space"):
        Secret(wrong)


def test_files_are_read_when_private(tmp_path: Path) -> None:
    path = private_file(tmp_path / "key", VALUE + "\n")
    assert load_secret(path).reveal() == load_secret(f"file:{path}").reveal() == load_secret(SecretRef(path)).reveal() == VALUE


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_files_that_others_can_read_are_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ValueError, match="chmod 600"):
        load_secret(private_file(tmp_path / "key", VALUE, mode))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing-here"):
        load_secret(tmp_path / "nothing-here")


def test_ed25519_key_signs_and_is_not_shown(tmp_path: Path) -> None:
    text = pem()
    key = load_ed25519(private_file(tmp_path / "key.pem", text))
    assert len(key.sign_base64("x")) == 88
    assert text.split("\n")[1] not in repr(key) + str(key) + f"{key}"
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_wrong_keys_are_named_but_not_quoted(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for name, text, word in (("ec", other, "not Ed25519"), ("junk", VALUE, "PKCS#8"),
                             ("locked", pem(BestAvailableEncryption(b"pw")), "PKCS#8")):
        try:
            load_ed25519(private_file(tmp_path / name, text))
        except ValueError as error:
            told = "".join(traceback.format_exception(error))
            assert word in str(error)
            assert str(tmp_path / name) in str(error)
            assert text.split("\n")[-1 if name == "junk" else 1] not in told
        else:
            pytest.fail(f"{name} was accepted")


def test_credentials_come_in_pairs_and_stay_hidden(tmp_path: Path) -> None:
    references = {"hmac_key": private_file(tmp_path / "k", "apikeyvalue"), "hmac_secret": private_file(tmp_path / "s", VALUE)}
    made = load_credentials(references)
    assert (made.has("hmac"), made.has("ed25519"), made.rest_key()) == (True, False, "apikeyvalue")
    assert VALUE not in repr(made)
    none = load_credentials({"hmac_key": None, "hmac_secret": None, "ed25519_key": None, "ed25519_private": None})
    assert not none.has("hmac") and not none.has("ed25519")
    with pytest.raises(ValueError, match="no Ed25519 key"):
        made.ws_params_ed25519(1)


def test_key_from_text() -> None:
    assert Ed25519Key(pem()).sign_base64("a") != Ed25519Key(pem()).sign_base64("a")
