"""Write the fixture of the present schema: `python -m tests.store.make_fixture`, once per released version."""

from __future__ import annotations

from dtcpos.store import PositionRepository
from dtcpos.store.schema import APPLICATION_ID, SCHEMA_VERSION
from tests.store.ledgers import LEDGERS, fill_small


def main() -> None:
    with PositionRepository.in_memory() as repository:
        fill_small(repository)
        lines = [
            f"PRAGMA application_id = {APPLICATION_ID};",
            f"PRAGMA user_version = {SCHEMA_VERSION};",
            *repository.database.conn.iterdump(),
        ]
    path = LEDGERS / f"{SCHEMA_VERSION}.sql"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
