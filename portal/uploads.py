"""上传只在内存里: a file of codes touches no disk on its way in (I15).

Django puts what is larger than 2.5 MB into a temporary file, in clear; and the form's token is read, with the whole
body, before any view runs. So the choice is made here, before that.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, HttpResponse

from shops.spreadsheets import MAX_BYTES

View = Callable[..., HttpResponse]


def in_memory(view: View) -> View:
    """Mark a view whose uploads are kept in memory, up to what one list of codes may have."""
    view.uploads_in_memory = True  # type: ignore[attr-defined]
    return view


class UploadsInMemory:
    """Middleware; stands before the one that reads the token."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: View, args: Any, kwargs: Any) -> None:
        if getattr(view, "uploads_in_memory", False):
            request.upload_handlers = [InMemory(request)]


class InMemory(FileUploadHandler):
    """Keeps one file; of one that is too large only a first part, which is then refused for its size."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.file = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if self.file.tell() <= MAX_BYTES:
            self.file.write(raw_data)
        return

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        if self.file.tell() > MAX_BYTES:
            self.file.truncate(MAX_BYTES + 1)
        size = self.file.seek(0, 2)
        self.file.seek(0)
        return InMemoryUploadedFile(
            file=self.file, field_name=self.field_name, name=self.file_name, content_type=self.content_type, size=size,
            charset=self.charset, content_type_extra=self.content_type_extra,
        )  # fmt: skip
