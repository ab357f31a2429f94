"""`carecircle registry rotate-key`."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from carecircle.cli.common import SettingsOption, fail, load_settings
from carecircle.settings import SettingsError


def rotate_key(settings: SettingsOption = None) -> None:
    """Encrypt phones, door codes and channels with a new key.

    The new key is drawn and put in front of the others in the file that registry.key_file names, which is made where
    there is none. A key from the environment is yours to draw: the first one of CARECIRCLE_REGISTRY__KEY is used.
    """
    from sqlalchemy.exc import OperationalError

    import registry
    from console.access import second
    from console.access.database import upgrade
    from registry.sealing import reseal, scrub

    given = load_settings(settings)
    path = given.registry.key_file
    if given.registry.key is None and path is None:
        fail("there is no key: set registry.key_file (CARECIRCLE_REGISTRY__KEY_FILE) to the file that is to hold it")
    try:
        if given.registry.key is None and path is not None:
            _put_in_front(path)
            typer.echo(f"{path} begins with a new key")
        keys = given.registry_keys()
        assert keys is not None
        engine = registry.create_engine(given.resolved_database_url(), keys=keys)
        registry.upgrade(engine)
        unsealed = reseal(engine)
        upgrade(engine)
        second.reseal(engine)
        clean = scrub(engine)
    except (registry.RegistryError, SettingsError) as error:
        fail(str(error))
    except OperationalError as error:
        fail(f"the database does not answer: {error.orig}")
    engine.dispose()
    before = f"; {unsealed} phones and channels lay open before" if unsealed else ""
    typer.echo(f"Everything is encrypted with key {keys.newest}{before}.")
    if not clean:
        typer.echo("Others use the database: what lay open may still be in its file. Stop them, and once more.")
    older = keys.ids[1:]
    if older:
        typer.echo(f"Backups from before need {', '.join(older)}: keep as long as them.")


def _put_in_front(path: Path) -> None:
    """Replace the file by one that begins with a new key: as a whole, for the same owner."""
    from registry.keys import Keys, draw_key

    before = path.read_text() if path.exists() else ""
    after = f"{draw_key()}\n{before}"
    Keys(lambda: after)  # what is there must be keys
    new = path.with_name(path.name + ".new")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(after)
            file.flush()
            os.fsync(file.fileno())
            if path.exists():
                was = path.stat()
                os.fchown(file.fileno(), was.st_uid, was.st_gid)
        new.replace(path)
    except OSError as error:
        fail(f"the key file {path} cannot be written: {error.strerror}")
