"""The assembly: everything is made here, once, and handed to whoever needs it."""

import asyncio
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import gradio as gr
import torch
from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from gradio.utils import get_upload_folder

from components.assets import Assets
from components.contract.facts import ModelFacts
from components.page import page
from components.picker import Choosing
from components.theme import THEME
from pipelines.pictures import MAX_BYTES
from studio import disk
from studio.access import secret
from studio.access.guard import VISITOR, Guard
from studio.access.login import routes
from studio.access.ownership import Ownership
from studio.access.tickets import Ended
from studio.access.uploads import Uploads
from studio.access.visitors import Visitors
from studio.catalog import Entry, entries
from studio.endpoint import endpoint
from studio.models import chosen
from studio.models.choosing import Choice
from studio.models.chosen import NOTHING
from studio.models.hub import Hub
from studio.models.installed import Installed
from studio.models.loaded import Models
from studio.pages import Pages
from studio.runs.engine import Engine
from studio.runs.history import History
from studio.runs.jobs import Jobs, Limits
from studio.service import Service
from studio.settings import POSTCARD, Settings

TITLE: Final = "Pentimento"
EXPLANATION: Final = "Paint a few strokes, say what they are, and watch them become a picture."
SWEEP_EVERY: Final = 3600.0  # seconds
MAX_EVENTS: Final = 64  # watchers and clicks that Gradio queues; edits have a queue of their own


def create(
    settings: Settings,
    models: Models | None = None,
    methods: Sequence[Entry] | None = None,
    hub: Hub | None = None,
) -> Guard:
    """The studio as an ASGI application. ValueError with a sentence where it cannot be."""
    installed = Installed(POSTCARD, settings.models)
    models = models or Models(
        _found(settings.model, installed),
        settings.device,
        settings.dtype,
        on_top=settings.on_top,
        compiles=settings.compiles,
        folder=settings.models,
    )
    methods = entries() if methods is None else methods
    disk.folder(settings.models, "--models", written=False)  # others may lend it
    scratch = disk.folder(Path(get_upload_folder()) / "scratch", "--data")
    history = History(settings.data)
    # Made only when a result has no room in the data folder.
    spare = Path(tempfile.gettempdir()) / f"pentimento-{secrets.token_hex(8)}"
    gr.set_static_paths([spare])
    engine = Engine(models, history, [scratch, spare])

    ended = Ended(settings.data / "ended.json")
    visitors = Visitors(settings, secret.read(settings.data), ended=ended)

    async def changed() -> None:
        await pages.turn()
        jobs.serve_again()
        await chosen.write(settings.data, *models.choice)  # last: a start takes what is there

    jobs = Jobs(
        Limits(grace=settings.grace),
        lambda: prepare(models, settings, choice, pages),
        "The model is loading",
        share=visitors.share,
    )
    hub = hub or Hub(settings.models, half=models.dtype != torch.float32)
    choice = Choice(models, installed, hub, changed)
    choosing = Choosing(
        choose=choice.choose,
        lay=choice.lay,
        cancel=choice.cancel,
        look=choice.look,
        folder=str(settings.models),
    )
    services = {
        each.name: Service(
            each.name,
            each.request,
            each.method,
            jobs,
            engine,
            history,
            models,
            scratch,
        )
        for each in methods
    }

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        jobs.open()
        sweeping = asyncio.create_task(_sweep(history))
        async with pages.lifetime():
            yield
        sweeping.cancel()
        jobs.close()
        history.close()
        shutil.rmtree(spare, ignore_errors=True)

    parent = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    # Gradio reflects any origin unless its parent has exactly this class.
    parent.add_middleware(CORSMiddleware, allow_origins=[], allow_methods=["GET", "POST"])
    parent.add_middleware(Assets)
    parent.include_router(routes(visitors))

    def mount(facts: ModelFacts, head: str) -> None:
        blocks = _page(facts, methods, services, choosing, visitors.needs_login)
        gr.mount_gradio_app(
            parent,
            blocks,
            path="/",
            server_name=settings.host,
            server_port=settings.port,
            auth_dependency=_visitor,
            allowed_paths=[str(history.edits)],
            show_error=False,  # of errors that are not Gradio's own, whose texts name our files
            max_file_size=MAX_BYTES,
            run_history=False,
            enable_monitoring=False,
            footer_links=[],
            ssr_mode=False,
            pwa=False,
            theme=THEME,
            head=head,
        )
        # Gradio looks where an input's file lies only in a page that was launched; a mounted one
        # would copy any file of this machine. (The edge refuses such a message before it is here.)
        blocks.has_launched = True

    pages = Pages(parent, models.facts, mount)
    ownership = Ownership([Path(get_upload_folder()), history.edits, spare], share=visitors.share)
    uploads = Uploads(Path(get_upload_folder()), visitors.share, jobs.busy)
    return Guard(pages, settings, visitors, ownership, uploads)


def _page(
    facts: ModelFacts,
    methods: Sequence[Entry],
    services: Mapping[str, Service],
    choosing: Choosing,
    login: bool,
) -> gr.Blocks:
    def endpoints() -> None:
        """First of all, so that a program's numbers for them hold on every model's page."""
        for each in methods:
            name = each.name.lower()
            verb = endpoint(services[each.name], each.request, facts.defaults_for(name))
            gr.api(verb, api_name=name, concurrency_limit=None)

    tabs = [
        (each.name, each.paper, partial(each.build, facts, services[each.name])) for each in methods
    ]
    blocks = page(TITLE, EXPLANATION, facts, tabs, choosing, endpoints, login)
    blocks.queue(api_open=False, max_size=MAX_EVENTS, default_concurrency_limit=None)
    return blocks


def _visitor(request: Request) -> str | None:
    """Whom Gradio takes the request for: what the edge has found out."""
    return request.scope.get(VISITOR)


def prepare(models: Models, settings: Settings, choice: Choice, pages: Pages) -> None:
    """Load the model; where that was not asked for at this start and cannot be, a safer one.

    That is the same model with nothing on top of it, and in the end the embedded one.
    """
    ways = [(models.source, models.on_top)]
    if not settings.asked:
        ways += [(models.source, NOTHING), (str(POSTCARD), NOTHING)]
    sentence = ""
    for way in dict.fromkeys(ways):
        try:
            models.choose(*way)
            break
        except ValueError as refusal:
            what = "The model with what is on top of it" if way[1] else "The model"
            sentence = f"{what} did not load. {refusal}"
            print(sentence, file=sys.stderr, flush=True)
            if way == ways[-1]:
                raise
    if sentence:
        choice.tell_failure(sentence)
        pages.turn_soon()


def _found(model: str, installed: Installed) -> str:
    """Where a model named by its hub id lies, if it does already: then its folder can be read."""
    if Path(model).expanduser().exists():
        return model
    return str(installed.find(model) or model)


async def _sweep(history: History) -> None:
    """Once an hour; the history has done it once when it was opened."""
    while True:
        await asyncio.sleep(SWEEP_EVERY)
        await asyncio.to_thread(history.sweep_drafts)
