"""MediaPipe Holistic: pose, face and hands of one person.

Needs mediapipe 0.10.21, the last version that contains the graph and its models.
"""

from __future__ import annotations

from typing import Any

import mediapipe
import numpy as np

drawing = mediapipe.solutions.drawing_utils
styles = mediapipe.solutions.drawing_styles
holistic = mediapipe.solutions.holistic


class HolisticTracking:
    """Draws the landmarks that it tracks from picture to picture. RGB in, the same size out; tensor
    names as in the graph of this name of OpenVINO Model Server."""

    input = "first_input_video"
    outputs = {"output": ("UINT8", (-1, -1, 3))}  # noqa: RUF012 - data, never changed

    def __init__(self) -> None:
        self._tracker = holistic.Holistic()

    def __call__(self, image: Any) -> Any:
        found = self._tracker.process(image)
        picture = np.ascontiguousarray(image[..., ::-1])  # the drawing functions use BGR
        drawing.draw_landmarks(
            picture,
            found.face_landmarks,
            mediapipe.solutions.face_mesh.FACEMESH_CONTOURS,
            landmark_drawing_spec=None,
            connection_drawing_spec=styles.get_default_face_mesh_contours_style(),
        )
        drawing.draw_landmarks(
            picture,
            found.pose_landmarks,
            holistic.POSE_CONNECTIONS,
            landmark_drawing_spec=styles.get_default_pose_landmarks_style(),
        )
        for hand in (found.left_hand_landmarks, found.right_hand_landmarks):
            drawing.draw_landmarks(
                picture,
                hand,
                holistic.HAND_CONNECTIONS,
                landmark_drawing_spec=styles.get_default_hand_landmarks_style(),
                connection_drawing_spec=styles.get_default_hand_connections_style(),
            )
        return np.ascontiguousarray(picture[..., ::-1])

    def close(self) -> None:
        self._tracker.close()
