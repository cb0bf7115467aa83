"""A real MLServer with the models `identity` and `unary_only`, stopped by a signal.

    PYTHON run_mlserver.py GRPC_PORT HTTP_PORT

PYTHON is that of an environment with `mlserver`. HTTP cannot be switched off.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor, ResponseOutput

IMAGE = {"datatype": "UINT8", "shape": [-1, -1, 3]}


class UnaryOnly(MLModel):  # type: ignore[misc]
    """Identity for ModelInfer only."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        (image,) = payload.inputs
        output = ResponseOutput(
            name="output", datatype=image.datatype, shape=image.shape, data=image.data
        )
        return InferenceResponse(model_name=self.name, outputs=[output])


class Identity(UnaryOnly):
    async def predict_stream(
        self, payloads: AsyncIterator[InferenceRequest]
    ) -> AsyncIterator[InferenceResponse]:
        async for payload in payloads:
            yield await self.predict(payload)


MODELS = {"identity": Identity, "unary_only": UnaryOnly}


async def main(grpc_port: int, http_port: int) -> None:
    settings = Settings(
        debug=False,
        host="127.0.0.1",
        grpc_port=grpc_port,
        http_port=http_port,
        grpc_max_message_length=-1,  # unlimited
        metrics_endpoint=None,
        parallel_workers=0,  # streams work in the server's own process only
    )
    models = [
        ModelSettings(
            name=name,
            implementation=implementation,
            inputs=[MetadataTensor(name="image", **IMAGE)],
            outputs=[MetadataTensor(name="output", **IMAGE)],
        )
        for name, implementation in MODELS.items()
    ]
    await MLServer(settings).start(models)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
