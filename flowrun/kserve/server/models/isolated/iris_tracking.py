"""MediaPipe's face mesh with its irises. Needs mediapipe 0.10.21."""

from __future__ import annotations

from typing import Any

import mediapipe
import numpy as np

drawing = mediapipe.solutions.drawing_utils
styles = mediapipe.solutions.drawing_styles
face_mesh = mediapipe.solutions.face_mesh


class IrisTracking:
    """Draws the contours of one face, its eyes and irises, tracked from picture to picture. RGB in,
    the same size out; tensor names as in the graph of this name of OpenVINO Model Server."""

    input = "first_input_video"
    outputs = {"output": ("UINT8", (-1, -1, 3))}  # noqa: RUF012 - data, never changed

    def __init__(self) -> None:
        self._tracker = face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True)

    def __call__(self, image: Any) -> Any:
        picture = np.ascontiguousarray(image[..., ::-1])  # the drawing functions use BGR
        for face in self._tracker.process(image).multi_face_landmarks or ():
            for connections, style in (
                (face_mesh.FACEMESH_CONTOURS, styles.get_default_face_mesh_contours_style()),
                (face_mesh.FACEMESH_IRISES, styles.get_default_face_mesh_iris_connections_style()),
            ):
                drawing.draw_landmarks(
                    picture,
                    face,
                    connections,
                    landmark_drawing_spec=None,
                    connection_drawing_spec=style,
                )
        return np.ascontiguousarray(picture[..., ::-1])

    def close(self) -> None:
        self._tracker.close()
