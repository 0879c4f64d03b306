"""Gradio's page as a browser gets it: with our scripts named, and without what only programs read.

Gradio 6.31 writes its whole configuration into the page. With each component go four copies of its
schema, and with the page a description of all endpoints: a third of it. Its scripts read none of
that for the page's own events; `gradio_client` asks for it elsewhere, at `/config` and `/info`.
"""

import json
import re
from typing import Any, Final

_CONFIG: Final = re.compile(rb"<script>window\.gradio_config = (\{.*?\});</script>", re.DOTALL)
_ENDPOINTS: Final = re.compile(rb"window\.gradio_api_info = \{.*?\};</script>", re.DOTALL)
_NONE: Final = b'window.gradio_api_info = {"named_endpoints":{},"unnamed_endpoints":{}};</script>'
_SCHEMAS: Final = ("api_info", "api_info_as_input", "api_info_as_output", "example_inputs")
_ESCAPED: Final = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&'"}  # as Gradio does it


def document(page: bytes, head: bytes) -> bytes:
    """The page with `head` before everything that is Gradio's; another one as it is."""
    found = _CONFIG.search(page)
    if found is None:
        return page
    config: dict[str, Any] = json.loads(found[1])
    for component in config["components"]:
        for name in _SCHEMAS:
            component.pop(name, None)
        component["props"].pop("_api_info", None)
    lean = json.dumps(config, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPED)
    before, after = page[: found.start()], _ENDPOINTS.sub(_NONE, page[found.end() :], count=1)
    script = b"<script>window.gradio_config = " + lean.encode() + b";</script>"
    return b"".join([before, head, script, after])
