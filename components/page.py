"""The whole page: header, one tab per method, and the ways between them."""

from collections.abc import Callable, Sequence

import gradio as gr

from components.actions import ModelFacts
from components.header import header
from components.passage import passages
from components.picker import Choosing, picker
from components.tab import Tab

WATCHERS = 200  # Gradio's active-event slots, for the whole app: each watcher of a run holds one
CACHE = (3600, 24 * 3600)  # seconds: how often it is swept, and how old a file may get


Build = tuple[str, str, Callable[[], Tab]]  # the tab's word, its paper's name, its builder


def page(
    title: str,
    explanation: str,
    model: ModelFacts,
    tabs: Sequence[Build],
    choosing: Choosing | None = None,
    endpoints: Callable[[], object] = lambda: None,
) -> gr.Blocks:
    """The page, to be mounted or launched with THEME, CSS and HEAD of components/theme.py.

    With `choosing`, the model's name opens the picker. `endpoints` adds what programs may call.
    """
    with gr.Blocks(title=title, fill_width=True, delete_cache=CACHE) as blocks:
        endpoints()
        header(title, explanation, model, choosing is not None)
        if choosing is not None:
            picker(choosing)
        built: dict[str, Tab] = {}
        with gr.Tabs(elem_classes="pt-tabs") as bar:
            for name, paper, build in tabs:
                with gr.Tab(name, id=name, elem_id=f"tab-{name.lower()}"):
                    gr.HTML(paper, html_template="<p>{{value}}</p>", elem_classes="pt-paper")
                    built[name] = build()
        for tab in built.values():
            tab.attach(blocks)
        passages(built, bar)
    blocks.max_threads = WATCHERS
    return blocks
