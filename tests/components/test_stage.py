"""The stage: each event becomes updates of widgets, here and nowhere else."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from gradio.utils import get_upload_folder
from PIL import Image

from components.contract.events import Failed, Finished, FinishedPicture, Stepped, Stopped, Waiting
from components.served import GONE, cached
from components.stage import Result, Stage, stage


@pytest.fixture
def plate(blocks: gr.Blocks) -> Stage:
    return stage("test", "Paint.", 256)


@pytest.fixture
def finished(tmp_path: Path) -> Finished:
    names = ("0.png", "1.png", "before.png", "step-001.jpg", "step-004.jpg")
    paths = [tmp_path / name for name in names]
    for number, path in enumerate(paths):
        Image.new("RGB", (8, 8), (number * 10, 0, 0)).save(path)
    return Finished(
        edit_id="edit-7",
        pictures=tuple(
            FinishedPicture(path, seed, "a house", strength=0.7)
            for path, seed in ((paths[0], 5), (paths[1], 6))
        ),
        before=paths[2],
        frames=tuple(paths[3:]),
        seconds=2.04,
        asked={"prompt": "a house"},
    )


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (Waiting(0), "Starting …"),
        (Waiting(1), "You are next."),
        (Waiting(2), "One edit is before yours."),
        (Waiting(5), "4 edits are before yours."),
        (Waiting(0, "The model is loading"), "The model is loading"),
    ],
)
def test_who_waits_is_told_for_what(plate: Stage, event: Waiting, text: str) -> None:
    assert plate.show(event) == {plate.plate: {"phase": "waiting", "text": text}}


@pytest.mark.parametrize(
    ("phase", "left", "text"),
    [
        ("denoising", 4.4, "step 3 of 14 · 4 s left"),
        ("denoising", 0.2, "step 3 of 14 · nearly done"),
        ("denoising", 300.0, "step 3 of 14 · 5 min left"),
        ("pass 2 of 3", 9.0, "pass 2 of 3: step 3 of 14 · 9 s left"),
    ],
)
def test_a_step_is_counted(plate: Stage, phase: str, left: float, text: str) -> None:
    moment = plate.show(Stepped(phase, 3, 14, left))[plate.plate]
    assert moment == {"phase": "running", "index": 3, "total": 14, "text": text} | {
        "frame": None,
        "pictures": 1,
    }


def test_a_frame_travels_inside_its_event(plate: Stage) -> None:
    frame = plate.show(Stepped("denoising", 1, 2, 0.0, b"\xff\xd8jpeg"))[plate.plate]["frame"]
    kind, data = frame.split(",")
    assert kind == "data:image/jpeg;base64"
    assert base64.b64decode(data) == b"\xff\xd8jpeg"


def test_a_failure_and_a_stop_take_nothing_away(plate: Stage) -> None:
    failed = plate.show(Failed("It broke. Try again."))
    assert failed == {plate.plate: {"phase": "failed", "text": "It broke. Try again."}}
    stopped = plate.show(Stopped(3, 14))
    assert list(stopped) == [plate.plate]
    assert stopped[plate.plate]["text"].startswith("Stopped at step 3 of 14.")
    assert plate.show(Stopped(0, 0))[plate.plate]["text"] == "Stopped before the first step."


def test_a_result_is_served_byte_for_byte_under_a_name_to_keep(
    plate: Stage, finished: Finished
) -> None:
    pictures = plate.show(finished)[plate.plate]["pictures"]
    for number, (path, told) in enumerate(zip(finished.images, pictures, strict=True), start=1):
        copy = Path(told["file"]["path"])
        assert copy != path
        assert copy.name == f"pentimento-edit-7-{number}.png"
        assert copy.read_bytes() == path.read_bytes()
        assert told["caption"] == f"seed {finished.seeds[number - 1]} · strength 0.70 · 2.0 s"


def test_the_page_may_go_on_from_what_the_session_keeps(plate: Stage, finished: Finished) -> None:
    updates = plate.show(finished)
    kept = [
        Result(str(path), seed, 0.7, number, words="a house", edit="edit-7", asked=finished.asked)
        for number, (path, seed) in enumerate(zip(finished.images, (5, 6), strict=True), start=1)
    ]
    assert updates[plate.results] == kept
    assert updates[plate.chosen] == 0
    assert updates[plate.after].visible is True
    frames = updates[plate.film.component]
    assert [(each["step"], Path(each["file"]["path"]).name) for each in frames] == [
        (1, "step-001.jpg"),
        (4, "step-004.jpg"),
    ]


@pytest.mark.parametrize(
    ("strengths", "labels"),
    [
        ([0.4, 0.9], ["strength 0.40", "strength 0.90"]),
        ([0.7, 0.7], ["seed 5", "seed 6"]),
        ([None, None], ["seed 5", "seed 6"]),
    ],
)
def test_variations_are_named_by_what_differs(
    plate: Stage, finished: Finished, strengths: Any, labels: list[str]
) -> None:
    pictures = map(FinishedPicture, finished.images, (5, 6), ("", ""), strengths)
    moment = plate.show(Finished(edit_id="e", pictures=tuple(pictures)))[plate.plate]
    assert [each["label"] for each in moment["pictures"]] == labels
    assert moment["before"] is None


def test_what_the_model_did_not_hear_is_said(plate: Stage, finished: Finished) -> None:
    event = replace(finished, unknown_words=("zeppelin",), note="DPM++ ran.")
    assert plate.show(event)[plate.plate]["text"] == (
        "Unknown to this model, so not in the picture: zeppelin. DPM++ ran."
    )


def test_candidates_stand_by_rank_and_keep_their_names(plate: Stage, finished: Finished) -> None:
    first, second = finished.images
    pictures = (
        FinishedPicture(first, 5, agreement=0.21, changed_inside=0.5, changed_outside=0),
        FinishedPicture(second, 6, agreement=0.28, changed_inside=0.971, changed_outside=1),
    )
    updates = plate.show(Finished(edit_id="e", pictures=pictures, ranking=(1, 0)))
    best, second = updates[plate.plate]["pictures"]
    assert [each.seed for each in updates[plate.results]] == [6, 5]
    assert Path(best["file"]["path"]).name == "pentimento-e-2.png"
    assert (best["label"], second["label"]) == ("agreement 0.28", "agreement 0.21")
    assert best["truth"] == "Changed inside the mask: 97 %, outside: 1 pixel."
    assert second["truth"] == "Changed inside the mask: 50 %, outside: 0 pixels."


def test_what_is_not_ranked_stands_in_the_order_of_its_seeds(
    plate: Stage, finished: Finished
) -> None:
    updates = plate.show(finished)
    assert [each.seed for each in updates[plate.results]] == [5, 6]
    assert updates[plate.plate]["pictures"][0]["truth"] == ""


def test_everything_shown_is_among_the_outputs(plate: Stage, finished: Finished) -> None:
    for event in (
        Waiting(1),
        Stepped("denoising", 1, 2, 0.0),
        Failed("x"),
        Stopped(1, 2),
        finished,
    ):
        assert set(plate.show(event)) <= set(plate.outputs)


def test_a_result_that_is_gone_is_a_sentence_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(ValueError) as refusal:
        _ = Result(str(tmp_path / "0.png"), 5, None).picture
    assert str(refusal.value) == GONE


@pytest.mark.parametrize("place", ["cache", "spare"])
def test_what_gradio_serves_as_it_is_is_not_copied(place: str, tmp_path: Path) -> None:
    folder = Path(get_upload_folder()) / "aside" if place == "cache" else tmp_path / "spare"
    folder.mkdir(parents=True)
    picture = folder / "0.png"
    picture.write_bytes(b"picture")
    if place == "spare":
        assert cached(picture) != picture
        gr.set_static_paths([folder])
    assert cached(picture) == picture
