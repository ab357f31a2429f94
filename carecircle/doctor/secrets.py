"""Do phones, door codes and channels lie encrypted in the registry, and is the key there that opens them?"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError

import registry
from carecircle.settings import Settings
from registry.sealing import count_sealed

_Result = tuple[str, str, str, str]


def check_sealed(settings: Settings) -> Iterator[_Result]:
    """``(level, what, found, advice)``; nothing where the database does not answer, which another check says.

    Raises:
        SettingsError: the key cannot be read.
    """
    keys = settings.registry_keys()
    engine = registry.create_engine(settings.resolved_database_url())
    try:
        with engine.connect() as connection:
            count = count_sealed(connection)
    except SQLAlchemyError:
        return
    finally:
        engine.dispose()
    sealed = sum(count.by_key.values())
    missing = {key: of_key for key, of_key in count.by_key.items() if keys is None or not keys.knows(key)}
    if missing:
        which = ", ".join(f"{of_key} with key {key}" for key, of_key in sorted(missing.items()))
        yield (
            "problem", "secrets", f"encrypted with a key that is not given: {which}",
            "No role starts like this: give the key in registry.key_file or CARECIRCLE_REGISTRY__KEY too.",
        )  # fmt: skip
    elif keys is None:
        yield (
            "warning", "secrets", f"there is no key: {count.unsealed} phones and channels lie open in the database,"
            " and door codes are refused",
            "Name a file in registry.key_file, and run `carecircle registry rotate-key`.",
        )  # fmt: skip
    elif count.unsealed:
        yield (
            "warning", "secrets", f"{count.unsealed} phones and channels lie open, {sealed} are encrypted",
            "They were there before the key: `carecircle registry rotate-key` encrypts them.",
        )  # fmt: skip
    else:
        yield "ok", "secrets", f"{sealed} phones, door codes and channels are encrypted (key {keys.newest})", ""
    path = settings.registry.key_file
    if path is not None and path.exists() and path.stat().st_mode & 0o077:
        yield (
            "warning", "secrets", f"others may read the key: {path} has mode {path.stat().st_mode & 0o777:o}",
            f"`chmod 600 {path}`, owned by the user that runs carecircle.",
        )  # fmt: skip
