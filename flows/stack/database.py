"""Where Prefect's server keeps its runs: SQLite below the home, or a PostgreSQL that somebody names."""

from urllib.parse import urlsplit

from components.domain import ContractBroken
from flows.stack.ports import check_answers

POSTGRES = "postgresql+asyncpg"
POSTGRES_PORT = 5432
ALLOWED = "allowed is postgresql+asyncpg://USER:PASSWORD@HOST:PORT/DATABASE"


def check_database(url: str) -> None:
    """Refuse a database that is none, or that does not answer; the password is never said.

    Raises
    ------
    ContractBroken
        If the address is none of a PostgreSQL.
    Transient
        If nobody answers there.
    """
    parts = urlsplit(url)
    try:
        port = parts.port or POSTGRES_PORT
    except ValueError:
        raise ContractBroken(f"--database-url has a port that is none; {ALLOWED}") from None
    if parts.scheme != POSTGRES or not parts.path.strip("/"):
        raise ContractBroken(f"--database-url begins with {parts.scheme or 'nothing'}://; {ALLOWED}")
    if parts.hostname:  # without one it is a socket, and the server says what is wrong with that
        check_answers(parts.hostname, port, "the database of --database-url")
