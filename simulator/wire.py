"""One HTTP request as it was sent, and one answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO


@dataclass(frozen=True)
class Request:
    """`uri` is the raw target with its query, exactly as on the wire (signatures are made over it)."""

    method: str
    uri: str
    headers: Mapping[str, str]  # names in any case
    body: bytes

    @property
    def path(self) -> str:
        return self.uri.partition("?")[0]

    @property
    def query(self) -> str:
        return self.uri.partition("?")[2]


@dataclass(frozen=True)
class Answer:
    """Status 0 means: close the connection without a word. A `file` is streamed in place of `body`, and closed."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    file: BinaryIO | None = None
    ending: str = ""  # "half": half of the body, then RST; "reset": RST in place of an answer

    @classmethod
    def json(cls, data: Any, status: int = 200) -> Answer:
        body = json.dumps(data, ensure_ascii=False).encode()
        return cls(status, body, {"Content-Type": "application/json; charset=utf-8"})


class Refusal(Exception):
    """An error answer: HTTP status, a code to branch on, a message for people."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


CUT = Answer(0)
