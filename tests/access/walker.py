"""Every address there is, read from the URL configuration itself, and every operation of the API, from its schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver


@dataclass(frozen=True)
class Address:
    """``name`` with its namespaces; the route stands in for a name that is missing."""

    name: str
    route: str
    view: Callable[..., Any]
    parameters: frozenset[str]

    @property
    def is_csrf_exempt(self) -> bool:
        return bool(getattr(self.view, "csrf_exempt", False))


def addresses() -> list[Address]:
    return list(_walk(get_resolver(), "", "", frozenset()))


def operations() -> set[tuple[str, str]]:
    """(METHOD, address name) of the API, as its schema promises them."""
    from django.urls import resolve
    from drf_spectacular.generators import SchemaGenerator

    schema = SchemaGenerator().get_schema(request=None, public=True)
    samples = {"{order_no}": "D00000000000000", "{refund_no}": "R00000000000000", "{step}": "approve"}
    found = set()
    for path, methods in schema["paths"].items():
        for placeholder, sample in samples.items():
            path = path.replace(placeholder, sample)
        found |= {(method.upper(), resolve(path).view_name) for method in methods}
    return found


def _walk(resolver: URLResolver, namespaces: str, route: str, parameters: frozenset[str]) -> Iterator[Address]:
    for pattern in resolver.url_patterns:
        here = route + str(pattern.pattern)
        known = parameters | set(pattern.pattern.converters) | set(pattern.pattern.regex.groupindex)
        if isinstance(pattern, URLPattern):
            yield Address(namespaces + (pattern.name or here), here, pattern.callback, known)
        else:
            yield from _walk(
                pattern, f"{namespaces}{pattern.namespace}:" if pattern.namespace else namespaces, here, known
            )
