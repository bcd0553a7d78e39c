"""卡密保险柜: what is sealed opens in its own row, with its own key, and nowhere else (X20)."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shops.vault import Keyring, Sealed, VaultError, generate_key_file, keyring

SECRET = "ABCD-1234-卡密-9f8e"
ROW, OTHER_ROW = "shops_cardcode|sealed|0191|shop1", "shops_cardcode|sealed|0192|shop1"


@pytest.fixture
def keys(tmp_path: Path) -> Keyring:
    generate_key_file(tmp_path / "card_keys")
    return keyring(tmp_path / "card_keys")


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_sealed_opens_again(text: str) -> None:
    keys = Keyring("k1", {"k1": b"k" * 32}, b"f" * 32)
    assert keys.open(keys.seal(text, bound_to=ROW), bound_to=ROW) == text


def test_nothing_of_the_text_is_left_and_no_two_ciphertexts_are_alike(keys: Keyring) -> None:
    first, second = keys.seal(SECRET, bound_to=ROW), keys.seal(SECRET, bound_to=ROW)
    assert first.ciphertext[1:] != second.ciphertext[1:]
    assert not any(SECRET.encode()[i : i + 4] in first.ciphertext for i in range(len(SECRET) - 4))


def test_a_ciphertext_moved_to_another_row_does_not_open(keys: Keyring) -> None:
    with pytest.raises(VaultError, match="another row"):
        keys.open(keys.seal(SECRET, bound_to=ROW), bound_to=OTHER_ROW)


def test_no_byte_can_be_changed_or_cut(keys: Keyring) -> None:
    whole = keys.seal(SECRET, bound_to=ROW).ciphertext
    changed = [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(len(whole))]
    cut = [whole[:i] for i in range(len(whole))]
    for broken in [*changed, *cut, whole + b"\0", whole[1:], SECRET.encode()]:
        with pytest.raises(VaultError):
            keys.open(Sealed(broken, "k1"), bound_to=ROW)


def test_without_its_key_nothing_opens(keys: Keyring) -> None:
    sealed = keys.seal(SECRET, bound_to=ROW)
    thief = Keyring("k1", {"k1": b"t" * 32}, b"f" * 32)
    with pytest.raises(VaultError):
        thief.open(sealed, bound_to=ROW)
    with pytest.raises(VaultError, match="'k9' is not in the key file"):
        keys.open(Sealed(sealed.ciphertext, "k9"), bound_to=ROW)


def test_after_a_change_of_keys_old_texts_open_and_duplicates_are_still_found() -> None:
    old = Keyring("k1", {"k1": b"1" * 32}, b"f" * 32)
    new = Keyring("k2", {"k1": b"1" * 32, "k2": b"2" * 32}, b"f" * 32)
    assert new.open(old.seal(SECRET, bound_to=ROW), bound_to=ROW) == SECRET
    assert new.seal(SECRET, bound_to=ROW).key_id == "k2"
    assert new.fingerprint(SECRET) == old.fingerprint(SECRET)
    both_the_same = Keyring("k2", {"k1": b"1" * 32, "k2": b"1" * 32}, b"f" * 32)
    with pytest.raises(VaultError):  # the key's name is bound in too
        both_the_same.open(Sealed(old.seal(SECRET, bound_to=ROW).ciphertext, "k2"), bound_to=ROW)


@pytest.mark.parametrize("same", [SECRET, f"  {SECRET}\r\n", "ＡＢＣＤ-1234-卡密-9f8e"])
def test_a_fingerprint_finds_the_same_code_however_it_was_pasted(keys: Keyring, same: str) -> None:
    assert keys.fingerprint(same) == keys.fingerprint(SECRET)


def test_a_fingerprint_tells_nothing_to_who_lacks_the_key(keys: Keyring) -> None:
    assert keys.fingerprint(SECRET) != Keyring("k1", {"k1": b"k" * 32}, b"g" * 32).fingerprint(SECRET)
    assert keys.fingerprint(SECRET) != keys.fingerprint(SECRET.lower())
    assert len(keys.fingerprint("")) == 32


def test_the_key_file_is_its_owners_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "card_keys"
    generate_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        generate_key_file(path)
    assert path.read_bytes() == before
    assert keyring(path) is keyring(path)


GOOD_KEY = base64.b64encode(b"k" * 32).decode()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "not json",
        "{}",
        json.dumps({"active": "k1", "keys": {"k1": GOOD_KEY}}),
        json.dumps({"active": "k2", "keys": {"k1": GOOD_KEY}, "fingerprint": GOOD_KEY}),
        json.dumps({"active": "k1", "keys": {"k1": GOOD_KEY[:20]}, "fingerprint": GOOD_KEY}),
        json.dumps({"active": "k1", "keys": {"k1": "&" + GOOD_KEY}, "fingerprint": GOOD_KEY}),
        json.dumps({"active": "k1", "keys": {"k1": GOOD_KEY}, "fingerprint": "c2hvcnQ="}),
        json.dumps({"active": "k|1", "keys": {"k|1": GOOD_KEY}, "fingerprint": GOOD_KEY}),
        json.dumps({"active": ["k1"], "keys": {"k1": GOOD_KEY}, "fingerprint": GOOD_KEY}),
        json.dumps({"active": "k1", "keys": [GOOD_KEY], "fingerprint": GOOD_KEY}),
        json.dumps({"active": "k1", "keys": {"k1": None}, "fingerprint": GOOD_KEY}),
    ],
)
def test_a_bad_key_file_is_refused_loudly_and_without_quoting_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "card_keys").write_text(content)
    with pytest.raises(VaultError) as refused:
        keyring(tmp_path / "card_keys")
    assert GOOD_KEY[:20] not in str(refused.value)


def test_a_missing_key_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="No such file"):
        keyring(tmp_path / "nowhere")
    with pytest.raises(VaultError, match="CARD_KEYS_FILE"):
        keyring("")


def test_nothing_secret_shows(tmp_path: Path, keys: Keyring) -> None:
    """I15."""
    key = json.loads((tmp_path / "card_keys").read_text())["keys"]["k1"]
    sealed = keys.seal(SECRET, bound_to=ROW)
    for shown in (repr(keys), repr(sealed), str(keys)):
        assert key not in shown
        assert SECRET not in shown
    with pytest.raises(VaultError) as refused:
        keys.open(sealed, bound_to=OTHER_ROW)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(("text", "bound_to"), [("\ud800", ROW), (SECRET, ""), (SECRET, "\ud800")])
def test_what_cannot_be_sealed_is_refused(keys: Keyring, text: str, bound_to: str) -> None:
    with pytest.raises(VaultError):
        keys.seal(text, bound_to=bound_to)
