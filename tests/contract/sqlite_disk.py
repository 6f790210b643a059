"""A full disk for SQLite, without filling one."""

from demixer.adapters.sqlite.database import Database


def fill_disk(database: Database) -> None:
    """The file may not grow any more, on the connection that the next call takes: SQLite answers as for a full disk."""
    with database.read() as connection:
        connection.execute("PRAGMA max_page_count = 1")  # SQLite raises it to the present size
