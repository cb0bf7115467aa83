"""A real MLServer with the models `identity`, `unary_only` and those of `signatures.py`, stopped by
a signal.

    PYTHON run_mlserver.py GRPC_PORT HTTP_PORT

PYTHON is that of an environment with `mlserver`. HTTP cannot be switched off.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor, ResponseOutput
from signatures import SIGNATURES, Declared

IMAGE = ("UINT8", (-1, -1, 3))


class UnaryOnly(MLModel):  # type: ignore[misc]
    """Identity for ModelInfer only."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        (image,) = payload.inputs
        output = ResponseOutput(
            name="output", datatype=image.datatype, shape=image.shape, data=image.data
        )
        return InferenceResponse(model_name=self.name, outputs=[output])


class Streamed(MLModel):  # type: ignore[misc]
    async def predict_stream(
        self, payloads: AsyncIterator[InferenceRequest]
    ) -> AsyncIterator[InferenceResponse]:
        async for payload in payloads:
            yield await self.predict(payload)


class Identity(Streamed, UnaryOnly):
    """Identity for both calls."""


class Signed(Streamed):
    """The model of `signatures.py` under whose name it is served."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        tensors = {each.name: NumpyCodec.decode_input(each) for each in payload.inputs}
        answered = SIGNATURES[self.name].infer(tensors) or {}
        outputs = [NumpyCodec.encode_output(name, array) for name, array in answered.items()]
        return InferenceResponse(model_name=self.name, outputs=outputs)


MODELS = {"identity": Identity, "unary_only": UnaryOnly}


def settings_for(
    name: str, implementation: type[MLModel], inputs: Declared, outputs: Declared
) -> ModelSettings:
    def tensors(declared: Declared) -> list[MetadataTensor]:
        return [
            MetadataTensor(name=tensor, datatype=datatype, shape=list(shape))
            for tensor, (datatype, shape) in declared.items()
        ]

    return ModelSettings(
        name=name, implementation=implementation, inputs=tensors(inputs), outputs=tensors(outputs)
    )


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
        settings_for(name, implementation, {"image": IMAGE}, {"output": IMAGE})
        for name, implementation in MODELS.items()
    ]
    models += [
        settings_for(name, Signed, signature.inputs, signature.outputs)
        for name, signature in SIGNATURES.items()
    ]
    await MLServer(settings).start(models)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
