"""What all views of the API share: who acts comes from the session, parameters are named, pages are cut by key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any, Literal, cast

from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils import translation
from django.utils.dateparse import parse_datetime
from drf_spectacular.authentication import SessionScheme
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import User
from api.errors import MEDIA_TYPE
from api.parsing import BoundedJSON


class Session(SessionAuthentication):
    """The browser's session, CSRF enforced. Without one the answer is 401, not 403."""

    def authenticate_header(self, request: Request) -> str:
        return "Session"


class SessionInSchema(SessionScheme):
    """The cookie's name differs between http and https, the committed schema does not."""

    target_class = "api.door.Session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        description = "登录后的会话 Cookie；https 下名为 `__Host-session`。写操作还需 X-CSRFToken 请求头。"
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": description}


class Strict(serializers.Serializer):
    """Takes the fields that it names and refuses the rest by name, so that no field is ever set unseen (X9)."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = {name for name, field in self.fields.items() if not field.read_only}
            unknown = [str(name)[:60] for name in data if name not in known]
            if unknown:
                raise ValidationError(dict.fromkeys(unknown[:20], "没有这个字段，请删去。No such field."))
        return super().to_internal_value(data)


class Shown(serializers.ModelSerializer):
    # Fields of a model, to be read alone. What the model says of each is asked once in a process, not for each answer:
    # a refund in full has fifty of them. (No docstring: the schema would print it for each shape that has none.)

    _built: dict[tuple[type, str], tuple[Any, dict[str, Any]]] = {}

    def build_field(self, field_name: str, *about: Any) -> tuple[Any, dict[str, Any]]:
        key = (type(self), field_name)
        if key not in self._built:
            self._built[key] = super().build_field(field_name, *about)
        field_class, words = self._built[key]
        return field_class, dict(words)


class NoQuery(Strict):
    """No query parameters at all."""


class PageQuery(Strict):
    cursor = serializers.CharField(required=False, max_length=400)
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=100)


class Problems(serializers.Serializer):
    """The body of every refusal: `api/errors.py`."""

    type = serializers.CharField()
    code = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    detail_en = serializers.CharField()
    fields = serializers.DictField(child=serializers.ListField(child=serializers.CharField()))  # type: ignore[assignment]


class DoorSchema(AutoSchema):
    """Adds to every operation the refusals that it shares with all others."""

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        codes = ["400", "401", "404", "429"] if self.method == "GET" else ["400", "401", "403", "404", "409", "429"]
        for code in codes:
            body = self._get_response_for_code(Problems, code, [MEDIA_TYPE], direction)
            bodies.setdefault(code, body)
        return bodies


class Door(APIView):
    """One call of the house behind each view. Answers in Chinese; codes are for programs."""

    authentication_classes = [Session]
    parser_classes = [BoundedJSON]
    metadata_class = None
    schema = DoorSchema()
    query_class: type[Strict] = NoQuery
    query: dict[str, Any]

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with translation.override("zh-hans"):
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.query = checked(self.query_class, request.query_params)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    @property
    def caller(self) -> User:
        """Who acts: the session's user, whatever the body says (PM5)."""
        return cast(User, self.request.user)


class NoSuchAddress(Door):
    """Everything else below /api/ answers like the rest of it."""

    permission_classes = [AllowAny]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise Http404


def checked(serializer: type[Strict], data: Any) -> dict[str, Any]:
    """The data as the serializer understands them. Raises ValidationError."""
    reader = serializer(data=data)
    reader.is_valid(raise_exception=True)
    return cast(dict[str, Any], reader.validated_data)


class Pages(CursorPagination):
    """Newest first, cut by key: a page stays right while rows come in, and page 1,000 costs what page 1 does."""

    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = 100

    def decode_cursor(self, request: Request) -> Cursor | None:
        try:
            cursor: Cursor | None = super().decode_cursor(request)
            if cursor and cursor.position is not None:
                cursor = cursor._replace(position=_in_utc(str(cursor.position)))  # type: ignore[arg-type]
        except (NotFound, ValueError, OverflowError):
            raise ValidationError({"cursor": "页标无效，请用上一页给出的 next 地址。Invalid cursor."}) from None
        return cursor


def _in_utc(text: str) -> str:
    """The moment as the rows themselves spell it: Python reads offsets that PostgreSQL refuses."""
    moment = parse_datetime(text)
    if moment is None or moment.tzinfo is None:
        raise ValueError(text)
    return str(moment.astimezone(UTC))


def newest_first(field: str) -> type[Pages]:
    """Pages in descending order of a time, then of the key."""
    return type("Pages", (Pages,), {"ordering": (f"-{field}", "-id")})


__all__ = [
    "Door", "NoQuery", "NoSuchAddress", "PageQuery", "Problems", "Shown", "Strict", "checked", "newest_first",
]  # fmt: skip
