"""`carecircle setup secrets`: made once, kept, never shown, and good for what they are for."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from carecircle import setup_secrets
from carecircle.cli import app
from carecircle.setup_certificates import hosts_of, make_authority, make_server
from registry.keys import Keys

NOW_MS = 1_770_000_000_000
_DAY_MS = 86_400_000


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["setup", "secrets", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join(result.output.split())


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def test_all_files_are_made_for_their_owner_only_and_none_is_shown(tmp_path: Path) -> None:
    """And a dry run before made none."""
    code, said = run("--out", tmp_path / "secrets", "--dry-run")
    assert (code, (tmp_path / "secrets").exists()) == (0, False)
    assert said.count(" new ") + said.startswith("new") == len(setup_secrets.FILES)
    code, said = run("--out", tmp_path / "secrets")
    assert code == 0
    made = texts(tmp_path / "secrets")
    assert set(made) == {file.name for file in setup_secrets.FILES}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()} == {0o600}
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert not any(text.strip() in said for text in made.values())
    assert len(set(made.values())) == len(made), "no two alike"


def test_a_second_run_keeps_everything_and_renews_only_what_is_named(tmp_path: Path) -> None:
    """The database's password stands in two files: they are renewed together."""
    run("--out", tmp_path)
    before = texts(tmp_path)
    run("--out", tmp_path)
    assert texts(tmp_path) == before
    code, said = run("--out", tmp_path, "--renew", "postgres.password")
    after = texts(tmp_path)
    assert code == 0
    assert {name for name in before if before[name] != after[name]} == {"postgres.password", "postgres.pgpass"}
    assert after["postgres.pgpass"].strip().endswith(f":carecircle:{after['postgres.password']}")
    assert "\\password carecircle" in said, "the database must be told"


def test_what_cannot_be_renewed_or_is_half_there_is_said(tmp_path: Path) -> None:
    """Nothing is written then."""
    run("--out", tmp_path)
    before = texts(tmp_path)
    for arguments, said in (
        (("--renew", "registry.key"), "rotate-key"),
        (("--renew", "no-such"), "they are postgres.password"),
    ):
        code, output = run("--out", tmp_path, *arguments)
        assert (code, said in output) == (2, True), output
    (tmp_path / "broker.key").unlink()
    code, output = run("--out", tmp_path)
    assert (code, "--renew broker.pem" in output) == (2, True)
    before.pop("broker.key")
    assert texts(tmp_path) == before


def test_a_file_that_others_could_read_is_closed_and_told(tmp_path: Path) -> None:
    """It is kept: only who made it open knows whether somebody has read it."""
    run("--out", tmp_path)
    path = tmp_path / "alerts-link.key"
    path.chmod(0o644)
    before = path.read_text()
    _, said = run("--out", tmp_path)
    assert "alerts-link.key could be read by others" in said
    assert (path.stat().st_mode & 0o777, path.read_text()) == (0o600, before)


def test_the_registry_key_is_one() -> None:
    """It seals and opens."""
    planned = setup_secrets.plan({}, NOW_MS)
    text = next(one.text for one in planned.files if one.file.name == "registry.key")
    keys = Keys(lambda: text or "")
    assert keys.open(keys.seal("13800000000", "place"), "place") == "13800000000"


def test_a_client_that_trusts_the_authority_trusts_the_broker_under_its_names_only(tmp_path: Path) -> None:
    """With everything checked that OpenSSL can check."""
    run("--out", tmp_path, "--host", "broker.example", "--host", "192.0.2.7")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "broker.pem", tmp_path / "broker.key")
    client = ssl.create_default_context(cafile=tmp_path / "broker-ca.pem")
    client.verify_flags |= ssl.VERIFY_X509_STRICT

    def connects(name: str) -> bool:
        ours, theirs = socket.socketpair()
        failed: list[Exception] = []

        def serve() -> None:
            try:
                server.wrap_socket(theirs, server_side=True).close()
            except OSError as error:
                failed.append(error)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            client.wrap_socket(ours, server_hostname=name).close()
        except ssl.SSLCertVerificationError:
            return False
        finally:
            ours.close()
            thread.join()
            theirs.close()
        return True

    names = ("mosquitto", "localhost", "127.0.0.1", "broker.example", "192.0.2.7", "elsewhere.example")
    assert [connects(name) for name in names] == [True] * 5 + [False]


def test_a_certificate_that_expires_soon_or_lacks_a_name_is_told_and_renewed_with_the_same_authority(
    tmp_path: Path,
) -> None:
    """Devices carry the authority: a new one would lock them out."""
    run("--out", tmp_path)
    before = texts(tmp_path)
    late = setup_secrets.plan(before, NOW_MS + 100 * 365 * _DAY_MS)
    assert any("good for 0 more days" in warning for warning in late.warnings)
    _, said = run("--out", tmp_path, "--host", "broker.example")
    assert "is not for broker.example: add --renew broker.pem" in said
    run("--out", tmp_path, "--host", "broker.example", "--renew", "broker.pem")
    after = texts(tmp_path)
    assert {name for name in before if before[name] != after[name]} == {"broker.pem", "broker.key"}
    assert "broker.example" in hosts_of(after["broker.pem"])


def test_the_authority_key_may_be_kept_elsewhere_until_it_is_needed(tmp_path: Path) -> None:
    """A certificate of another authority is as good."""
    run("--out", tmp_path)
    (tmp_path / "broker-ca.key").unlink()
    assert run("--out", tmp_path)[0] == 0
    code, said = run("--out", tmp_path, "--renew", "broker.pem")
    assert (code, "put it back" in said) == (2, True)


def test_an_authority_of_another_kind_is_refused() -> None:
    """Half of another pair would make a certificate that nobody trusts."""
    authority = make_authority(NOW_MS)
    with pytest.raises(ValueError, match="key"):
        make_server(type(authority)(authority.cert, authority.cert), ("a",), NOW_MS)
