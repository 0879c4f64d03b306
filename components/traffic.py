"""How a click reaches Python, at once or through Gradio's queue; the page's own, no endpoint.

Only what streams goes through the queue. Gradio 6.31 closes a page's stream when its last queued
event ends, and an event that joins while the closing is on its way is answered into nothing: it has
run, and the page never hears of it. Of 100 clicks made within 40 ms of another one's end, 14 were
lost; of 60 that went at once, none. So the queue is for the watching of jobs alone; and since each
tab has a watcher, assets/page/traffic.js keeps a join from overtaking the end of the stream
(tests/page/test_traffic.py).
"""

from typing import Any, Final

PRIVATE: Final[dict[str, Any]] = {"api_visibility": "private", "show_progress": "hidden"}
AT_ONCE: Final[dict[str, Any]] = {"queue": False, **PRIVATE}
STREAMED: Final[dict[str, Any]] = {"concurrency_limit": None, **PRIVATE}
