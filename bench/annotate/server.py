"""The page and the contract behind it, on one address that only the holder of the token can use."""

import json
import secrets
import zlib
from collections.abc import Callable
from functools import lru_cache
from importlib import resources

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bench.annotate import pictures
from bench.annotate.answers import Asked, named
from bench.annotate.desk import Desk, Refused
from bench.types import InputError

MOST_BYTES = 10_000  # of an answer
PICTURES = ("image", "labels", "outline")
OPEN = {"/page.js": "text/javascript", "/page.css": "text/css"}  # the same for everybody: no token is needed
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}


def app(
    desk: Desk,
    classes: tuple[str, ...],
    palette: np.ndarray,
    image: Callable[[str], np.ndarray],
    token: str,
    hosts: tuple[str, ...],
) -> Starlette:
    """The application. ``image(name)``: (H, W, 3) uint8 of a train image; ``hosts``: names under which it is reached,
    none for any."""

    @lru_cache(16)
    def encoded(name: str) -> tuple[bytes, str]:
        return pictures.image(image(name))

    def question(request: Request) -> Response:
        who, after = named(request.query_params.get("annotator")), request.query_params.get("after")
        asked = desk.current(who) if after is None else desk.after(after, who)
        if desk.outcome is not None:
            desk.told.set()
            return JSONResponse({"done": True} | ({"error": desk.outcome} if desk.outcome else {}))
        return JSONResponse(_wait(desk) if asked is None else _told(desk, asked, classes, token))

    def taking(act: Callable[[dict], None]) -> Callable:
        async def take(request: Request) -> Response:
            given = json.loads(await _body(request))
            if not isinstance(given, dict):
                raise InputError("expected an object")
            await run_in_threadpool(act, given)
            return JSONResponse(await run_in_threadpool(desk.status))

        return take

    def status(request: Request) -> Response:
        return JSONResponse(desk.status())

    def picture(request: Request) -> Response:
        asked = desk.offers.kept.get(request.path_params["id"])
        name = request.path_params["name"]
        if asked is None or name not in PICTURES:
            return JSONResponse({"error": "no such picture"}, 404)
        if name == "image":
            data, kind = encoded(asked.name)
        else:
            data, kind = pictures.labels(asked, palette) if name == "labels" else pictures.outline(asked)
        return Response(data, media_type=kind)

    def page(request: Request) -> Response:
        return Response(_asset("page.html"), media_type="text/html")

    def asset(request: Request) -> Response:
        return Response(_asset(request.url.path[1:]), media_type=OPEN[request.url.path])

    routes = [
        Route("/", page),
        *(Route(path, asset) for path in OPEN),
        Route("/api/question", question),
        Route("/api/answer", taking(desk.answer), methods=["POST"]),
        Route("/api/skip", taking(desk.skip), methods=["POST"]),
        Route("/api/undo", taking(lambda given: desk.undo(named(given.get("annotator")))), methods=["POST"]),
        Route("/api/status", status),
        Route("/api/picture/{id}/{name}", picture),
    ]
    errors = {Refused: _error(409), InputError: _error(400), ValueError: _error(400), TooLarge: _error(413)}
    return Starlette(routes=routes, middleware=[Middleware(Guard, token=token, hosts=hosts)], exception_handlers=errors)


class TooLarge(Exception):
    """A body of more than `MOST_BYTES`."""


class Guard:
    """Lets in whoever has the token, from a page of this address or from no page. Sets the headers of all answers."""

    def __init__(self, app: ASGIApp, token: str, hosts: tuple[str, ...]):
        self.app, self.token, self.hosts = app, token, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self.refusal(Request(scope))
        answer = JSONResponse({"error": refusal}, 403) if refusal else self.app
        await answer(scope, receive, headed)

    def refusal(self, request: Request) -> str | None:
        """Why a request is not let in, or nothing."""
        host = request.headers.get("host", "")
        if self.hosts and host.rsplit(":", 1)[0] not in self.hosts:
            return "this address is reached under another name"
        origin = request.headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            return "a page from elsewhere may not answer"
        if request.url.path in OPEN:
            return None
        given = request.query_params.get("token", "")
        right = secrets.compare_digest(given.encode(), self.token.encode())
        return None if right else "the token in the address is not the one that the command printed"


def _wait(desk: Desk) -> dict:
    """Why there is no question for this person."""
    if desk.offers.waiting is not None:
        return {"wait": 1, "why": "the questions that are left are with other people"}
    return {"wait": 1, "why": "the model is trained, or questions are chosen"} | desk.training.left


def _told(desk: Desk, asked: Asked, classes: tuple[str, ...], token: str) -> dict:
    """A question as the contract has it: the classes by falling probability, where a model says it."""
    question, chances = asked.question, asked.chances
    order = range(len(classes)) if chances is None else np.argsort(-chances, kind="stable").tolist()
    likely = [None if chances is None else round(float(chances[i]), 4) for i in order]
    # another address once other answers have changed the labels
    state = f"token={token}&labels={zlib.crc32(asked.labels.data)}"
    return {
        "id": asked.id,
        "image": asked.name,
        "box": asked.box,
        "pixel": [question.row, question.column],
        "shown": question.label,
        "classes": [{"id": i, "name": classes[i], "probability": p} for i, p in zip(order, likely, strict=True)],
        "kind": question.kind,
        "round": desk.round,
        "number": question.number,
        "pictures": {name: f"/api/picture/{asked.id}/{name}?{state}" for name in PICTURES},
    }


async def _body(request: Request) -> bytes:
    """What was sent, up to `MOST_BYTES`. Raises `TooLarge`."""
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > MOST_BYTES:
            raise TooLarge(f"an answer has at most {MOST_BYTES:,} bytes")
    return data


def _error(code: int) -> Callable[[Request, Exception], Response]:
    return lambda request, error: JSONResponse({"error": str(error)}, code)


def _asset(name: str) -> bytes:
    return (resources.files("bench.annotate") / "page" / name).read_bytes()
