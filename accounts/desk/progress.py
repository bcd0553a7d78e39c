"""Pages of long work on the desk, which say how far it is."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.utils.safestring import SafeString

from accounts.desk.tables import Desk


class ProgressDesk(Desk):
    """A page of long work: ``admin:<model>_progress`` answers with how far it is, and the page asks every two seconds
    while it runs."""

    def progress_of(self, row: Any) -> SafeString:
        raise NotImplementedError

    def is_running(self, row: Any) -> bool:
        raise NotImplementedError

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_progress"
        view = self.admin_site.admin_view(self.progress_view)
        return [path("<int:object_id>/progress/", view, name=name), *super().get_urls()]

    def progress_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The progress alone; once it is done the whole page is asked for again."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = get_object_or_404(self.model, pk=object_id)
        answer = HttpResponse(self.progress_of(row))
        if not self.is_running(row):
            answer.headers["HX-Refresh"] = "true"
        return answer
