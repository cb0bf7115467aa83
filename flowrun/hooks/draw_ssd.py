"""Boxes from an SSD detector, drawn on the original frame."""

from __future__ import annotations

from flowrun.frame import Frame, Image
from flowrun.inference import Result

_COLORS = ((64, 220, 64), (250, 160, 40), (80, 160, 255), (240, 80, 160))


def draw_ssd(
    frame: Frame,
    result: Result,
    *,
    output: str = "detection_out",
    threshold: float = 0.5,
    thickness: int = 2,
) -> Frame:
    """Draw the detections of a Caffe-style SSD head on a copy of the frame.

    `output` has rows `[image, label, confidence, x0, y0, x1, y1]` in its last axis, corners as
    shares of width and height (0 to 1); an image below 0 ends the list. Rows below `threshold` are
    left out. Boxes are `thickness` pixels wide, one colour per label. A result without `output`
    leaves the frame as it is.
    """
    rows = result.as_numpy(output)
    if rows is None:
        return frame
    image = frame.image.copy()
    for image_id, label, confidence, x0, y0, x1, y1 in rows.reshape(-1, 7).tolist():
        if image_id < 0:
            break
        if confidence >= threshold:
            corners = (x0 * frame.width, y0 * frame.height, x1 * frame.width, y1 * frame.height)
            _draw_box(image, corners, _COLORS[int(label) % len(_COLORS)], thickness)
    return frame.with_image(image)


def _draw_box(
    image: Image,
    corners: tuple[float, float, float, float],
    color: tuple[int, int, int],
    thickness: int,
) -> None:
    height, width = image.shape[:2]
    x0, x1 = (min(max(round(x), 0), width) for x in (corners[0], corners[2]))
    y0, y1 = (min(max(round(y), 0), height) for y in (corners[1], corners[3]))
    if x0 >= x1 or y0 >= y1:
        return
    image[y0 : min(y0 + thickness, y1), x0:x1] = color
    image[max(y1 - thickness, y0) : y1, x0:x1] = color
    image[y0:y1, x0 : min(x0 + thickness, x1)] = color
    image[y0:y1, max(x1 - thickness, x0) : x1] = color
