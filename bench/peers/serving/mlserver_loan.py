"""The loan model as an MLServer runtime: Open Inference Protocol in and out, adaptive batching by its model settings."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from loan import open_session


class LoanRuntime(MLModel):
    async def load(self) -> bool:
        self.session = open_session()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        feeds = {}
        for given in payload.inputs:
            if given.datatype == "BYTES":
                values = np.array(StringCodec.decode_input(given), dtype=object)
            else:
                values = NumpyCodec.decode_input(given)
                if given.name in ("children", "owns home"):
                    values = values.astype(np.float64)
            feeds[given.name] = values.reshape(-1, 1)
        labels, probability = self.session.run(["label", "probability"], feeds)
        outputs = [
            StringCodec.encode_output("label", labels.tolist()),
            NumpyCodec.encode_output("probability", probability),
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)
