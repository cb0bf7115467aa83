"""The entries of docs/gallery.md: what each flow shows, and the command that made its picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
FLOWS = ROOT / "flows"
PAGE = ROOT / "docs/gallery.md"

# Where the servers of the run are; on the page, where they would be on the reader's machine.
SHOWN = {"server": "localhost:9000", "web": "localhost:8080", "metrics": "127.0.0.1:9100"}


@dataclass(frozen=True)
class Entry:
    """A flow of flows/, called as `variables flowrun FLOW words`, makes `output`.

    `{server}`, `{web}` and `{metrics}` in variables and words are addresses. `stand_in` is a
    function of docs/images (`module:name`), served under the name `model`. Without `output` the
    picture is a screenshot of the run's web page.
    """

    text: str
    note: str
    output: str | None = "out.mp4"
    variables: dict[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    model: str | None = None
    stand_in: str | None = None

    def environ(self, places: dict[str, str]) -> dict[str, str]:
        return {name: value.format(**places) for name, value in self.variables.items()}

    def arguments(self, places: dict[str, str]) -> list[str]:
        return [word.format(**places) for word in self.words]


def _over_grpc(clip: str, output: str) -> dict[str, str]:
    return {"INPUT": clip, "SERVER": "{server}", "OUTPUT": output}


ENTRIES: dict[str, Entry] = {
    "quickstart": Entry(
        "The edges of a moving test pattern, by the model `edges` of the embedded server.",
        "Real: nothing replaces a part of this flow.",
        output="quickstart.mp4",
    ),
    "page": Entry(
        "The same, on a page for any browser: the picture, the numbers of the run, its queues.",
        "Real: nothing replaces a part of this flow; the picture is a screenshot by Chromium.",
        output=None,
        words=("--set", "sink=web:{web}"),
    ),
    "street_http": Entry(
        "The edges of a video from a web server, by the embedded server.",
        "Real: the clip is fetched over HTTP.",
        output="street.mkv",
        variables={"INPUT": "http://{web}/street.mp4"},
    ),
    "live_stream": Entry(
        "The edges of a live stream over SRT, by the embedded server.",
        "Real but for the source: a clip instead of a stream.",
        output="live.mp4",
        variables={"INPUT": "street.mp4"},
    ),
    "hls_page": Entry(
        "The edges of a camera as a playlist with segments, which browsers and players open over a"
        " web server.",
        "Real but for the source: a clip.",
        output="live/cam1.m3u8",
        variables={"INPUT": "street.mp4"},
    ),
    "publish_rtmp": Entry(
        "The edges of a camera, published over RTMP.",
        "Real but for the source and the server: a clip, and a file instead of the stream.",
        output="out.mp4",
        variables={"INPUT": "street.mp4"},
        words=("--set", "sink=out.mp4"),
    ),
    "recorder": Entry(
        "The edges of a camera, recorded for weeks: a file every ten minutes, the last seven days.",
        "Real but for the source: a test pattern instead of a camera, for five seconds.",
        output="out.mp4",
        variables={"INPUT": "test:640x360@25"},
        words=("--set", "sink.uri=out.mp4", "--set", "limits.duration=5s"),
    ),
    "person_vehicle_unary": Entry(
        "People and vehicles on a street, in boxes, and as lines of JSON in a second file.",
        "Stand-in model for person-vehicle-bike-detection of Open Model Zoo.",
        variables={**_over_grpc("street.mp4", "out.mp4"), "FOUND": "found.jsonl"},
        model="person-vehicle-detection",
        stand_in="stand_ins:street",
    ),
    "events_mqtt": Entry(
        "The same from a camera, with an event on an MQTT topic for each frame with detections.",
        "Stand-in model, a clip instead of the camera, and no broker.",
        variables=_over_grpc("street.mp4", "out.mp4"),
        words=("--set", "sink=out.mp4"),
        model="person-vehicle-detection",
        stand_in="stand_ins:street",
    ),
    "events_webhook": Entry(
        "A POST request for each frame with detections, and a line on standard output for every"
        " frame; the video is made only for this picture.",
        "Stand-in model, and no web server.",
        variables=_over_grpc("street.mp4", "out.mp4"),
        words=(
            *("--set", "postprocess=[decode_ssd,draw_boxes]"),
            *("--set", "sink=out.mp4"),
        ),
        model="person-vehicle-detection",
        stand_in="stand_ins:street",
    ),
    "people_line_events": Entry(
        "People who keep their number from frame to frame, counted in a zone and across a line; the"
        " events are lines of JSON in a second file.",
        "Stand-in model for person-vehicle-bike-detection of Open Model Zoo.",
        variables={**_over_grpc("street.mp4", "out.mp4"), "EVENTS": "found.jsonl"},
        model="person-vehicle-detection",
        stand_in="stand_ins:street",
    ),
    "faster_rcnn_unary": Entry(
        "Eighty kinds of objects by a detector with TensorFlow's outputs; number and time of the"
        " frame in the corner.",
        "Stand-in model for Faster R-CNN.",
        variables=_over_grpc("street.mp4", "out.mp4"),
        model="faster_rcnn",
        stand_in="stand_ins:things",
    ),
    "yolo_unary": Entry(
        "Eighty kinds of objects by a YOLO detector.",
        "Stand-in model with the outputs of YOLOv8, several candidates for each object.",
        variables=_over_grpc("street.mp4", "out.mp4"),
        model="yolo",
        stand_in="yolo_stand_ins:yolo",
    ),
    "yolo_pose_unary": Entry(
        "People by a YOLO pose model: the points of their bodies, also in the second file.",
        "Stand-in model with the outputs of YOLOv8-pose; it knows the limbs by their colours.",
        variables={**_over_grpc("dancer.mp4", "out.mp4"), "FOUND": "found.jsonl"},
        model="yolo-pose",
        stand_in="yolo_stand_ins:pose",
    ),
    "yolo_segment_unary": Entry(
        "Objects by a YOLO segmentation model: their pixels, also in the second file.",
        "Stand-in model with the outputs of YOLOv8-seg.",
        variables={**_over_grpc("street.mp4", "out.mp4"), "FOUND": "found.jsonl"},
        model="yolo-segment",
        stand_in="yolo_stand_ins:segments",
    ),
    "rtdetr_unary": Entry(
        "The same by RT-DETR, which sees a stretched picture.",
        "Stand-in model with the outputs of RT-DETR.",
        variables=_over_grpc("street.mp4", "out.mp4"),
        model="rtdetr",
        stand_in="yolo_stand_ins:queries",
    ),
    "segmentation_unary": Entry(
        "A class for each pixel, in its color, with a box around all pixels of a class; the pixels"
        " are also in the second file.",
        "Stand-in model with the output of a segmentation model of four classes.",
        variables={**_over_grpc("street.mp4", "out.mp4"), "FOUND": "found.jsonl"},
        model="segmentation",
        stand_in="yolo_stand_ins:classes",
    ),
    "object_detection_file": Entry(
        "Objects, found and drawn by a MediaPipe graph that answers 320x320; the hook `picture`"
        " brings its picture back to the size of the source.",
        "Stand-in model for the graph of OpenVINO Model Server.",
        variables=_over_grpc("street.mp4", "out.mp4"),
        model="objectDetection",
        stand_in="graphs:objects",
    ),
    "resnet_unary": Entry(
        "The three most likely classes of ImageNet: 779 is a school bus, 817 a sports car, 468 a"
        " cab. `labels` of `decode_classes` gives them names.",
        "Stand-in model for ResNet-50.",
        variables=_over_grpc("street.mp4", "out.mp4"),
        model="resnet",
        stand_in="stand_ins:kinds",
    ),
    "normalized_unary": Entry(
        "Three classes by a model in a file, which gets normalised numbers and runs inside"
        " flowrun.",
        "OpenVINO is real, the model is not trained: its numbers mean nothing.",
        variables={"INPUT": "street.mp4", "MODEL": "model.xml", "OUTPUT": "out.mp4"},
    ),
    "face_detection_unary": Entry(
        "Faces in boxes.",
        "Stand-in model: the built-in `face-detection` finds faces of people, not drawn ones.",
        variables=_over_grpc("portrait.mp4", "out.mp4"),
        model="face-detection",
        stand_in="stand_ins:faces",
    ),
    "faces_blurred_rtsp": Entry(
        "Faces, blurred before the stream leaves the machine.",
        "Stand-in model as above; a clip and a file in place of the two streams.",
        words=(
            *("--input-stream", "portrait.mp4", "--output-stream", "out.mp4"),
            *("--grpc-address", "{server}"),
        ),
        model="face-detection",
        stand_in="stand_ins:faces",
    ),
    "iris_file": Entry(
        "The iris of each eye, drawn by a MediaPipe graph.",
        "Stand-in model: MediaPipe finds faces of people, not drawn ones.",
        variables=_over_grpc("portrait.mp4", "out.mp4"),
        model="irisTracking",
        stand_in="graphs:irises",
    ),
    "holistic_file": Entry(
        "Pose and face, drawn by the holistic graph; from file to file, every frame.",
        "Stand-in model: MediaPipe tracks people, not drawn ones.",
        variables=_over_grpc("dancer.mp4", "out.mp4"),
        model="holisticTracking",
        stand_in="graphs:pose",
    ),
    "holistic_camera": Entry(
        "The same from a camera into a window, without falling behind.",
        "Stand-in model; a clip in place of the camera, a file in place of the window.",
        words=(
            *("--input-stream", "dancer.mp4", "--output-stream", "out.mp4"),
            *("--grpc-address", "{server}"),
        ),
    ),
    "holistic_rtsp": Entry(
        "The same from one RTSP stream into another, with metrics for Prometheus.",
        "Stand-in model; a clip and a file in place of the two streams.",
        variables={"METRICS": "{metrics}"},
        words=(
            *("--input-stream", "dancer.mp4", "--output-stream", "out.mp4"),
            *("--grpc-address", "{server}"),
        ),
    ),
    "text_detection_unary": Entry(
        "Where text is.",
        "Stand-in model for horizontal-text-detection; it finds the signs by their colours.",
        variables=_over_grpc("signs.mp4", "out.mp4"),
        model="text",
        stand_in="stand_ins:texts",
    ),
    "ocr_unary": Entry(
        "Where text is, and what it reads.",
        "Stand-in model for the OCR graph of OpenVINO Model Server; it knows the signs by their"
        " colours.",
        variables=_over_grpc("signs.mp4", "out.mp4"),
        model="detect_text_images",
        stand_in="stand_ins:read",
    ),
    "triton_same_machine": Entry(
        "A picture model on a Triton of the same machine, with pictures in shared memory.",
        "The model `identity` of `flowrun serve` in place of Triton, without shared memory.",
        words=(
            *("--set", "transport.shared_memory=null"),
            *("--input-stream", "street.mp4", "--output-stream", "out.mp4"),
            *("--grpc-address", "{server}"),
        ),
        model="identity",
    ),
}

# The picture of README: a detector on the page of a run.
WEB_PAGE = Entry(
    "",
    "",
    output=None,
    variables={"SERVER": "{server}"},
    words=("--set", "source={{uri: street.mp4, loop: true}}", "--set", "sink=web:{web}"),
)

HEAD = """\
# Gallery

<!-- Made by `python -m docs.images`. Change docs/images/gallery.py instead. -->

Every flow of [`flows/`](../flows), with a picture of what it makes. The command below each picture
made it, and CI repeats it. The clips are drawn ([`scenes.py`](images/scenes.py)). Most of the
models are not available where flowrun is developed. A **stand-in model** has the tensors of the
real one, but finds the objects of a clip by their colours ([`stand_ins.py`](images/stand_ins.py),
[`yolo_stand_ins.py`](images/yolo_stand_ins.py), [`graphs.py`](images/graphs.py)). So the pictures
show scaling, decoding and drawing; they do not show how well a model recognises anything.

"""


def names() -> list[str]:
    """Whatever has a picture: the flows, and `web-page`."""
    return [*ENTRIES, "web-page"]


def picture_of(name: str) -> str:
    """The file of its picture in docs/images."""
    screenshot = name == "web-page" or ENTRIES[name].output is None
    return f"{name}.png" if screenshot else f"{name}.jpg"


def problems(folder: Path) -> list[str]:
    """What is missing or out of date; `folder` has the pictures."""
    flows = sorted(path.stem for path in FLOWS.glob("*.yaml"))
    found = [
        f"flows/{name}.yaml has no entry: add it to ENTRIES in docs/images/gallery.py"
        for name in flows
        if name not in ENTRIES
    ]
    found += [f"there is no flows/{name}.yaml" for name in ENTRIES if name not in flows]
    found += [
        f"{picture_of(name)} is missing: run `python -m docs.images {name}`"
        for name in names()
        if not (folder / picture_of(name)).exists()
    ]
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page():
        found.append("docs/gallery.md is out of date: run `python -m docs.images`")
    return found


def page() -> str:
    """The text of docs/gallery.md."""
    return HEAD + "\n".join(_section(name, entry) for name, entry in ENTRIES.items())


def _section(name: str, entry: Entry) -> str:
    variables = [f"{key}={value}" for key, value in entry.environ(SHOWN).items()]
    command = [*variables, "flowrun", f"flows/{name}.yaml", *entry.arguments(SHOWN)]
    return (
        f"## [{name}.yaml](../flows/{name}.yaml)\n\n{entry.text}\n\n"
        f"![{name}](images/{picture_of(name)})\n\n{entry.note}\n\n"
        f"```sh\n{' '.join(command)}\n```\n"
    )
