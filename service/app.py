"""The FastAPI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from pdemill import __version__
from pdemill.service import problems
from pdemill.service.access import AccessLog
from pdemill.service.middleware import Clock, Guard
from pdemill.service.pages.install import install as install_pages
from pdemill.service.routes import arrays, catalogue, datasets, jobs, mixtures, operations, server
from pdemill.service.state import AppState
from pdemill.service.views import PREFIX
from pdemill.settings import Settings
from pdemill.spec.schema import spec_schema

DESCRIPTION = """Certified training data for neural operators. Submit a spec to `/v1/jobs`, follow the job, and
mount its store. Errors are `application/problem+json`."""


def create(settings: Settings) -> FastAPI:
    """The API on these settings; its coordinator runs from start-up to shut-down."""
    state = AppState.of(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        state.start()
        try:
            yield
        finally:
            state.stop()

    app = FastAPI(
        title="pdemill",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = state
    for router in (jobs.router, mixtures.router, arrays.router, datasets.router, catalogue.router, server.router):
        app.include_router(router, prefix=PREFIX)
    install_pages(app, state)
    app.include_router(operations.router)
    app.include_router(operations.router, prefix=PREFIX, include_in_schema=False)
    app.add_middleware(Clock, metrics=state.metrics)
    app.add_middleware(Guard, hosts=settings.hosts)
    app.add_middleware(AccessLog)
    problems.install(app)
    app.openapi = lambda: openapi(app)  # type: ignore[method-assign]
    return app


def openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's description with the schema of specs and problems, and the bearer keys, written in."""
    if app.openapi_schema is None:
        schema = FastAPI.openapi(app)
        components = schema.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        spec = _moved(spec_schema())
        schemas |= {name: part for name, part in spec.pop("$defs").items() if name not in schemas}
        spec.pop("$schema")
        schemas["Spec"] = spec
        problem = problems.ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= problem.pop("$defs")
        schemas["ProblemDetails"] = problem
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        for methods in schema["paths"].values():
            for operation in methods.values():
                for media, content in operation["responses"].get("200", {}).get("content", {}).items():
                    if media == "text/event-stream":
                        content["schema"] = content.pop("itemSchema")  # which OpenAPI 3.1 does not know
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{"key": []}, {}]
        app.openapi_schema = schema
    return app.openapi_schema


def _moved(node: Any) -> Any:
    """References to ``$defs`` made to point into the components."""
    if isinstance(node, dict):
        return {
            key: value.replace("#/$defs/", "#/components/schemas/") if key == "$ref" else _moved(value)
            for key, value in node.items()
        }
    return [_moved(item) for item in node] if isinstance(node, list) else node
