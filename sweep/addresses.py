"""Addresses of servers and databases: what in them is secret, and how it is kept from view."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

__all__ = ["has_password", "redacted", "redacted_value", "through_psycopg2"]

_SECRETS = "password|passwd|pwd|token|secret|api_?key"  # how fields in the query of an address end that hold one
_SECRET_NAME = re.compile(rf"(?i)({_SECRETS})$")
_SECRET_FIELD = re.compile(rf"(?i)({_SECRETS})=[^&\s\"']+")
_OF_DATABASE = re.compile(r"[\w+]+://[^:/]*:[^@]*@")  # as SQLAlchemy reads a password: `/`, `?` and `#` may be in it


def redacted(text: str) -> str:
    """The text with user names and passwords in its addresses replaced."""
    return _without_fields(re.sub(r"://[^\s<>]*@", "://***@", text))


def redacted_value(value: str) -> str:
    """One value of a spec, redacted: where it is an address, even a password with spaces in it belongs to that."""
    return _without_fields(re.sub(r"://[^<>]*@", "://***@", value))


def has_password(address: str) -> bool:
    """Whether an address holds a password, or a token in the place of a user name."""
    try:
        parts = urlsplit(address)
        if parts.scheme in ("http", "https"):
            _ = parts.port  # raises ValueError for one that is no number, as the beginning of a password
            secret = "@" in parts.netloc
        else:
            secret = parts.password is not None or _OF_DATABASE.match(address) is not None
    except ValueError:  # a malformed address, which its user will complain about; a password with a `/` makes one
        return "@" in address
    return secret or any(_SECRET_NAME.search(name) for name in parse_qs(parts.query))


def through_psycopg2(url: str) -> str:
    """The address of a database with the library that the project installs for Postgres: which one SQLAlchemy prefers
    depends on its version."""
    return re.sub(r"^postgresql:", "postgresql+psycopg2:", url)


def _without_fields(text: str) -> str:
    return _SECRET_FIELD.sub(r"\1=***", text)
