"""Widgets can only be made on a page; here is an empty one."""

import asyncio
from collections.abc import Iterator

import gradio as gr
import pytest


@pytest.fixture
def blocks() -> Iterator[gr.Blocks]:
    """Opened and closed inside a loop: outside of one Gradio makes its own and leaves them open."""

    async def opened() -> gr.Blocks:
        return gr.Blocks().__enter__()

    async def close() -> None:
        page.__exit__()

    with asyncio.Runner() as runner:
        page = runner.run(opened())
        yield page
        runner.run(close())
