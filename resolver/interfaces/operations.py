"""The FastAPI application behind the front: writes, operations, OpenAPI and two small pages.

The reads stand here too, as thin routes over the same functions, so that the OpenAPI document has all
of the interface and the application can be tested without the front. Validation errors are answered
as problem JSON, never in FastAPI's own shape.
"""

import asyncio
from html import escape
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from starlette.exceptions import HTTPException

from ledger.core import identifier, reading, tile
from ledger.errors import LedgerError
from resolver.core.ports import View
from resolver.core.projection import rfc3339
from resolver.errors import RequestError, ResolverError
from resolver.interfaces import entries, handle_rest, native
from resolver.interfaces import query as queries
from resolver.interfaces.answer import Answer, json_answer, problem, problem_of
from resolver.interfaces.http import Reads

_ARCHIVE: Final = "/v1/archive/"


def operations(reads: Reads) -> FastAPI:
    """Return the application; `reads` has the node."""
    app = FastAPI(
        title="Xinbiao 信标",
        summary="What a part or machine is, with a proof you check offline.",
        version="1",
        docs_url=None,
        redoc_url=None,
    )
    _errors(app)
    _reads(app, reads)
    _writes(app, reads)
    _health(app, reads)
    _pages(app, reads)
    return app


def _errors(app: FastAPI) -> None:
    async def ours(_: Request, error: Exception) -> Response:
        return _response(problem_of(error))

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return _response(problem(400, "malformed", f"{where}: {first['msg']}"))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 405 and request.method == "OPTIONS":
            return _options(dict(error.headers or {}).get("Allow", ""))
        title = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "refused")
        answer = problem(error.status_code, title, str(error.detail))
        return _response(answer, error.headers)

    app.add_exception_handler(LedgerError, ours)
    app.add_exception_handler(ResolverError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def _options(methods: str) -> Response:
    """Answer OPTIONS where a path has other methods, as a browser's page of any origin asks first."""
    allow = ", ".join([methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"])
    headers = {
        "allow": allow,
        "access-control-allow-origin": "*",
        "access-control-allow-methods": allow,
        "access-control-allow-headers": "Accept, Content-Type, Prefer, Xinbiao-Min-Size",
    }
    return Response(status_code=204, headers=headers)


def _reads(app: FastAPI, reads: Reads) -> None:
    """Declare the hot reads, so that the OpenAPI document has them."""

    def read(path: str, summary: str, allowed: frozenset[str]) -> None:
        async def answer(request: Request) -> Response:
            scope = request.scope
            asked = scope["path"], scope["query_string"], scope["headers"]
            if path.startswith(native.READINGS):
                return _response(await reads.get_readings(*asked))
            found = reads.get(*asked)
            if found is None:
                raise RequestError(404, "not-found", "no such resource")
            return _response(found)

        parameters = [
            {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
            for name in sorted(allowed)
        ]
        if "{" in path:
            parameters.append(
                {"name": "identifier", "in": "path", "required": True, "schema": {"type": "string"}}
            )
        app.add_api_route(
            path,
            answer,
            methods=["GET"],
            summary=summary,
            response_class=Response,
            openapi_extra={"parameters": parameters},
        )

    route = "{identifier:path}"
    read(native.RESOLVE + route, "What an identifier is now, or was", native.RESOLVE_FIELDS)
    read(native.HISTORY + route, "Every version of a record", native.HISTORY_FIELDS)
    read(native.READINGS + route, "Readings, or one with its proof", native.READINGS_FIELDS)
    read(native.STREAMS + route, "Where a gateway's chain of batches stands", frozenset())
    read(native.USAGE + route, "Quota of a prefix and what is used", frozenset())
    read(
        handle_rest.HANDLES + route,
        "A record as Handle JSON",
        frozenset(("type", "index", "pretty", "callback")),
    )
    read("/checkpoint", "The signed checkpoint (C2SP)", frozenset())
    read("/tile/" + route, "Tiles and entry bundles of the log (C2SP)", frozenset())


def _writes(app: FastAPI, reads: Reads) -> None:
    @app.post("/v1/resolve", summary="Resolve many identifiers under one checkpoint")
    async def resolve_many(request: Request) -> Response:
        async with reads.bodies.read(request.receive, native.BATCH_BODY_BYTES_MAX) as body:
            return _response(native.resolve_batch(_view(reads, request), body))

    @app.post("/entries", summary="Register statements", status_code=303)
    async def register(
        request: Request,
        content_type: Annotated[str, Header()] = "",
        prefer: Annotated[str, Header()] = "",
        accept: Annotated[str, Header()] = "*/*",
    ) -> Response:
        async with reads.bodies.read(request.receive, entries.BODY_BYTES_MAX) as body:
            answer = await entries.register(
                reads.node, content_type, body, prefer=prefer, accept=accept
            )
        return _response(answer)

    @app.get("/entries/{entry_id}", summary="One log entry with its inclusion path")
    async def entry(request: Request, entry_id: str) -> Response:
        return _response(entries.entry(_view(reads, request), entry_id))

    @app.put(
        _ARCHIVE + "{place:path}",
        summary="Archive the readings of an anchored batch; place = stream / sequence",
        status_code=204,
    )
    async def archive(request: Request, place: str) -> Response:
        await _put_archive(reads, request, place)
        return Response(status_code=204, headers={"access-control-allow-origin": "*"})


async def _put_archive(reads: Reads, request: Request, place: str) -> None:
    """Take the stream and the sequence apart at the last slash: a stream has slashes itself."""
    stream_text, slash, sequence_text = place.rpartition("/")
    if not slash:
        raise RequestError(400, "malformed", "path: /v1/archive/{stream}/{sequence}")
    stream = identifier.parse(stream_text)
    sequence = queries.decimal(sequence_text, "sequence")
    async with reads.bodies.read(request.receive, reading.ARCHIVE_BYTES_MAX) as body:
        await reads.archives.put(stream, sequence, body)


def _view(reads: Reads, request: Request) -> View:
    return reads.view_for(request.scope["headers"])


def _health(app: FastAPI, reads: Reads) -> None:
    node, started_ms = reads.node, reads.node.clock.now_ms()

    @app.get("/healthz", summary="The process is alive")
    async def healthz() -> Response:
        return Response("ok\n", media_type="text/plain")

    @app.get("/readyz", summary="The ledger answers and takes statements")
    async def readyz() -> Response:
        failure = node.engine.failure
        if failure is not None or node.engine.size == 0:
            reason = str(failure) if failure else "there is no genesis yet"
            return _response(problem(503, "not-ready", reason, (b"retry-after", b"5")))
        return Response("ready\n", media_type="text/plain")

    @app.get("/v1/status", summary="Where this node stands")
    async def status(request: Request) -> Response:
        _view(reads, request)
        shown = await _status(reads, started_ms)
        return _response(json_answer(200, shown, entries.size_header(shown["size"])))

    registry = CollectorRegistry()
    registry.register(_Metrics(reads))

    @app.get("/metrics", summary="Prometheus metrics")
    async def metrics() -> Response:
        await node.bytes_free()  # the collector shows what was measured last
        return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")


async def _status(reads: Reads, started_ms: int) -> dict[str, Any]:
    node = reads.node
    on_disk = await asyncio.to_thread(node.store.bytes_on_disk)
    bytes_free = await node.bytes_free()
    head = node.engine.published
    return {
        "network": head.network.name,
        "member": node.settings.member,
        "size": head.size,
        "height": head.commit.height,
        "time": rfc3339(head.commit.ms),
        "members": [member.name for member in head.network.members],
        "quorum": head.network.quorum,
        "max_age_s": head.network.limits.max_age_s,
        "waiting": node.engine.waiting,
        "log_bytes": node.engine.log_bytes + tile.bytes_at(head.size),
        "bytes_on_disk": on_disk,
        "bytes_free": bytes_free,
        "started": rfc3339(started_ms),
    }


class _Metrics:
    """Collects on request; nothing is counted on the hot path but the answers."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    def collect(self) -> Any:
        node = self._reads.node
        size, waiting = node.engine.size, node.engine.waiting
        yield GaugeMetricFamily("xinbiao_log_size", "Entries in the log", value=size)
        yield GaugeMetricFamily("xinbiao_waiting", "Statements that wait for a block", waiting)
        free = node.bytes_free_seen
        yield GaugeMetricFamily("xinbiao_disk_free_bytes", "Bytes free on the disk", value=free)
        answers = CounterMetricFamily(
            "xinbiao_read_answers", "Answers of the read paths", labels=["status"]
        )
        for status, count in sorted(self._reads.answered.items()):
            answers.add_metric([str(status)], count)
        yield answers


def _pages(app: FastAPI, reads: Reads) -> None:
    @app.get("/", include_in_schema=False)
    async def front_page(id_: Annotated[str, Query(alias="id", max_length=2048)] = "") -> Response:
        if id_:
            text = identifier.parse(id_).text
            return RedirectResponse(native.RESOLVE + quote(text, safe=":/") + "?proof=bundle", 303)
        return HTMLResponse(_front_page(reads))

    @app.get("/docs", include_in_schema=False)
    async def interface_page() -> Response:
        return HTMLResponse(_interface_page(app))


def _front_page(reads: Reads) -> str:
    head = reads.node.engine.published
    rows = [
        ("network", head.network.name),
        ("log size", str(head.size)),
        ("newest block", rfc3339(head.commit.ms)),
        ("members", ", ".join(member.name for member in head.network.members)),
        ("quorum", str(head.network.quorum)),
    ]
    cells = "".join(f"<tr><th>{escape(name)}<td>{escape(value)}" for name, value in rows)
    return _page(
        "Xinbiao 信标",
        "<p>What a part or machine is, with a proof you check offline. "
        "这个标识是什么，并附可离线验证的证明。"
        '<form><input name=id placeholder="lab.1/pump-07" size=40> '
        "<button>Resolve 解析</button></form>"
        f"<table>{cells}</table>"
        "<p>This page proves nothing by itself: <code>xinbiao verify</code> does. "
        'Interface: <a href="/docs">docs</a>, <a href="/openapi.json">OpenAPI</a>, '
        '<a href="/checkpoint">checkpoint</a>.',
    )


def _interface_page(app: FastAPI) -> str:
    rows = [
        f"<tr><td><code>{escape(method.upper())}</code><td><code>{escape(path)}</code>"
        f"<td>{escape(str(said.get('summary', '')))}"
        for path, methods in app.openapi()["paths"].items()
        for method, said in methods.items()
    ]
    return _page("Interface", f"<table>{''.join(rows)}</table>")


def _page(title: str, body: str) -> str:
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        '<meta name=viewport content="width=device-width">'
        "<style>body{font:16px/1.6 system-ui,sans-serif;max-width:50em;margin:2em auto;"
        "padding:0 1em}th,td{text-align:left;padding:.2em 1em .2em 0}</style>"
        f"<h1>{escape(title)}</h1>{body}</html>"
    )


def _response(answer: Answer, extra: Any = None) -> Response:
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, answer.status, headers | dict(extra or {}))
