"""The whole page: header, one tab per method, and the ways between them."""

from collections.abc import Callable, Sequence

import gradio as gr

from components.assets import mounted
from components.contract.facts import ModelFacts
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
    login: bool = False,
) -> gr.Blocks:
    """The page, to be mounted with components.theme.THEME, behind components.assets.Assets.

    With `choosing`, the model's name opens the picker. `endpoints` adds what programs may call.
    With `login`, the header offers to log out, at `logout` beside the page.
    """
    with gr.Blocks(title=title, fill_width=True, delete_cache=CACHE) as blocks:
        endpoints()
        header(title, explanation, model, choosing is not None, login)
        if choosing is not None:
            picker(choosing)
        built: dict[str, Tab] = {}
        with gr.Tabs(elem_classes="pt-tabs") as bar:
            for name, paper, build in tabs:
                with gr.Tab(name, id=name, elem_id=f"tab-{name.lower()}"):
                    _paper(paper, opened_later=bool(built))
                    built[name] = build()
        for tab in built.values():
            tab.attach(blocks)
        passages(built, bar)
    blocks.max_threads = WATCHERS
    return blocks


def _paper(name: str, opened_later: bool) -> None:
    """The paper's name, which also tells when the tab that it is in can be used.

    Gradio 6.31 builds a tab when it is first opened, and one frame later writes the values that
    it was built with once more, over what was typed by then. Until that has happened the tab stays
    out of sight.
    """
    gr.HTML(
        name,
        html_template='<p class="pt-arriving"></p>' if opened_later else "<p></p>",
        js_on_load=mounted("paper"),
        elem_classes="pt-paper",
        apply_default_css=False,
    )
