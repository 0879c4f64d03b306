"""The document is Gradio's own, less what its page does not read, and never a broken script."""

import json
import re

from components.document import document

HEAD = b"<link>"


def page(config: object, info: object) -> bytes:
    """As Gradio's template writes it."""

    def written(value: object) -> str:
        text = json.dumps(value, ensure_ascii=False)
        return re.sub("[<>&']", lambda sign: f"\\u{ord(sign[0]):04x}", text)

    return (
        f"<head><title>é</title><script>window.gradio_config = {written(config)};</script>"
        f"<script>window.gradio_api_info = {written(info)};</script></head><body>é</body>"
    ).encode()


def config_of(text: bytes) -> dict[str, object]:
    found = re.search(rb"window\.gradio_config = (.*?);</script>", text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


COMPONENT = {
    "id": 1,
    "type": "html",
    "props": {"value": "</script><b title='é'>&", "name": "html"},
    "key": None,
}
SCHEMAS = {
    "api_info": {"type": "string"},
    "api_info_as_input": {"type": "string"},
    "api_info_as_output": {"type": "string"},
    "example_inputs": "<p>Hello</p>",
}


def test_schemas_and_endpoints_go_and_everything_else_stays() -> None:
    config = {"app_id": 2**63 + 1, "share": 0.05, "components": [{**COMPONENT, **SCHEMAS}]}
    made = document(page(config, {"named_endpoints": {"/paint": {"a": "};</script>"}}}), HEAD)
    assert config_of(made) == {**config, "components": [COMPONENT]}
    assert made.count(HEAD) == 1 and made.index(HEAD) < made.index(b"gradio_config")
    assert b"/paint" not in made
    assert made.count(b"</script>") == 2
    assert made.startswith("<head><title>é</title>".encode())
    assert made.endswith("</head><body>é</body>".encode())


def test_another_page_stays_as_it_is() -> None:
    other = b"<head></head><script>window.gradio_config</script>"
    assert document(other, HEAD) == other
