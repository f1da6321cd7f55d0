"""EfficientNet-Lite0 as an ONNX graph on one thread of onnxruntime: frames in, ImageNet-1k probabilities out.

The architecture is that of "EfficientNet-Lite" (tensorflow/tpu, models/official/efficientnet/lite): the blocks of
EfficientNet-B0 (Tan and Le, 2019) without squeeze-and-excitation and with ReLU6.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from captioner_service.engines.embedded.checkpoint import Tensors

INPUT_PIXELS = 224
CLASSES = 1000

_STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))
"""Blocks in each stage and the stride of its first block."""

_BATCH_NORM_EPSILON = 1e-3
_FRAMES_PER_RUN = 8
"""Bounds the memory of one run, whatever the length of the clip: 8 pictures take about 50 MB."""


class EfficientNetLite0:
    """The classifier, loaded. One instance serves one thread; equal frames give equal bytes."""

    def __init__(self, tensors: Tensors) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        graph = build_graph(tensors).SerializeToString()
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def probabilities(self, images: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Of images, uint8 (height, width, 3) RGB: float32 (images, 1000), every row summing to 1."""
        batches = [images[at : at + _FRAMES_PER_RUN] for at in range(0, len(images), _FRAMES_PER_RUN)]
        return np.concatenate([self._run(np.stack([_prepare(image) for image in batch])) for batch in batches])

    def _run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        (probabilities,) = self._session.run(["probabilities"], {"images": inputs})
        return np.asarray(probabilities, np.float32)


def _prepare(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """float32 (3, 224, 224), as this network was trained: (value - 127) / 128."""
    resized = cv2.resize(image, (INPUT_PIXELS, INPUT_PIXELS), interpolation=cv2.INTER_AREA)
    return np.asarray((resized.astype(np.float32) - 127.0) / 128.0).transpose(2, 0, 1)


def build_graph(tensors: Tensors) -> onnx.ModelProto:
    """The network with batch normalisation folded into its convolutions.

    Input `images`: float32 (n, 3, 224, 224). Output `probabilities`: float32 (n, 1000). Raises KeyError when a tensor
    is missing.
    """
    graph = _Graph(tensors)
    flow = graph.convolve("images", "_conv_stem", "_bn0", stride=2)
    block = 0
    for blocks, stride in _STAGES:
        for position in range(blocks):
            flow = graph.add_block(flow, f"_blocks.{block}", stride=stride if position == 0 else 1, skip=position > 0)
            block += 1
    flow = graph.convolve(flow, "_conv_head", "_bn1")
    graph.classify(flow, "_fc")
    return graph.to_model()


class _Graph:
    """Nodes and weights under construction; every method returns the name of its output."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._add_weight("zero", 0.0)
        self._add_weight("six", 6.0)

    def convolve(
        self, flow: str, kernel: str, norm: str, *, stride: int = 1, groups: int = 1, relu6: bool = True
    ) -> str:
        """A convolution with TensorFlow's SAME padding, its batch norm folded in, and ReLU6 unless refused."""
        gain, bias, mean, variance = (
            self._tensors[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gain / np.sqrt(variance + _BATCH_NORM_EPSILON)
        name = f"{kernel}/{len(self._nodes)}"
        self._add_weight(f"{name}/kernel", self._tensors[f"{kernel}.weight"] * scale[:, None, None, None])
        self._add_weight(f"{name}/bias", bias - mean * scale)
        self._add_node(
            "Conv", [flow, f"{name}/kernel", f"{name}/bias"], name,
            strides=[stride, stride], group=groups, auto_pad="SAME_UPPER",
        )  # fmt: skip
        return self._add_node("Clip", [name, "zero", "six"], f"{name}/relu6") if relu6 else name

    def add_block(self, flow: str, name: str, *, stride: int, skip: bool) -> str:
        """An inverted residual: expand (absent in the very first block), filter each channel, project, add."""
        inner = flow
        if f"{name}._expand_conv.weight" in self._tensors:
            inner = self.convolve(inner, f"{name}._expand_conv", f"{name}._bn0")
        channels = self._tensors[f"{name}._depthwise_conv.weight"].shape[0]
        inner = self.convolve(inner, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, groups=channels)
        inner = self.convolve(inner, f"{name}._project_conv", f"{name}._bn2", relu6=False)
        return self._add_node("Add", [flow, inner], f"{name}/sum") if skip else inner

    def classify(self, flow: str, layer: str) -> None:
        self._add_weight("layer", self._tensors[f"{layer}.weight"])
        self._add_weight("offset", self._tensors[f"{layer}.bias"])
        self._add_node("GlobalAveragePool", [flow], "pooled")
        self._add_node("Flatten", ["pooled"], "features")
        self._add_node("Gemm", ["features", "layer", "offset"], "logits", transB=1)
        self._add_node("Softmax", ["logits"], "probabilities", axis=1)

    def to_model(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self._nodes,
            "efficientnet-lite0",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 3, INPUT_PIXELS, INPUT_PIXELS])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", CLASSES])],
            self._weights,
        )
        # Old enough for every onnxruntime that the project allows.
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)

    def _add_weight(self, name: str, value: NDArray[Any] | float) -> None:
        self._weights.append(numpy_helper.from_array(np.asarray(value, np.float32), name))

    def _add_node(self, operation: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output
