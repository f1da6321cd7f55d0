"""Brings a checkpoint into memory: a folder or a revision of the hub, safetensors only, never its own code."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import snapshot_download
from safetensors import safe_open
from tqdm import tqdm  # type: ignore[import-untyped]

from captioner_service.engines.transformers import quantising
from captioner_service.engines.transformers.options import TransformersOptions

WANTED_FILES = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model"]

OnProgress = Callable[[float, str], None]
"""Called with the part that is done, 0 to 1, and what is being done."""


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory with all that was decided for it."""

    model: Any
    processor: Any
    name: str
    revision: str
    quantisation: str
    device: torch.device
    weight_bytes: int


@dataclass(frozen=True)
class _Weights:
    files: int
    bytes: int
    parameters: int


def load(options: TransformersOptions, on_progress: OnProgress) -> LoadedModel:
    """Loads model and processor. Raises ValueError or OSError, naming the setting, for what cannot be loaded."""
    folder, revision = _folder(options, on_progress)
    weights = _weights(folder)
    device = _device(options.device)
    dtype = _dtype(options.precision, device)
    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    card_bytes = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else 0
    quantisation = quantising.choose(
        options.quantisation, device=device, sixteen_bit_bytes=2 * weights.parameters, card_bytes=card_bytes
    )
    processor = load_processor(folder)
    size = f"{weights.files} files, {weights.bytes / 1e9:.2f} GB"
    on_progress(0.0, size)
    previous = transformers.utils.logging.set_tqdm_hook(_reporting(on_progress, size))
    try:
        model = transformers.AutoModelForImageTextToText.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype=dtype,
            # One place for everything: "auto" may leave a part on the CPU without a word.
            device_map={"": device},
            attn_implementation="sdpa",
            quantization_config=quantising.config_for(
                quantisation, compute=dtype, kept_whole=quantising.kept_whole(config) if quantisation != "none" else []
            ),
        ).eval()
    finally:
        transformers.utils.logging.set_tqdm_hook(previous)
    quantising.check(model, quantisation)
    name = folder.resolve().name if Path(options.model).is_dir() else options.model
    return LoadedModel(model, processor, name, revision, quantisation, device, weights.bytes)


def load_processor(folder: Path) -> Any:
    """The processor of a checkpoint, with left padding and a padding token. Raises ValueError for one without video."""
    try:
        processor = transformers.AutoProcessor.from_pretrained(folder, local_files_only=True)
    except RecursionError:
        processor = _assembled_processor(folder)
    if getattr(processor, "video_processor", None) is None or not getattr(processor, "chat_template", None):
        raise ValueError("CAPTIONER_MODEL names a checkpoint that takes no video or has no chat template")
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return processor


def _assembled_processor(folder: Path) -> Any:
    """LLaVA-NeXT-Video in the layout of 2024, without a video_preprocessor_config.json.

    transformers 5.23 derives "LlavaNextVideoProcessor" as the name of the video processor of such a folder, which is
    the name of the processor itself, and calls it for ever.
    """

    def read(name: str) -> dict[str, Any]:
        path = folder / name
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return content

    settings = read("processor_config.json")
    settings.pop("processor_class", None)
    template = settings.pop("chat_template", None) or read("chat_template.json").get("chat_template")
    return transformers.LlavaNextVideoProcessor(
        video_processor=transformers.LlavaNextVideoVideoProcessor.from_pretrained(folder),
        image_processor=transformers.AutoImageProcessor.from_pretrained(folder),
        tokenizer=transformers.AutoTokenizer.from_pretrained(folder),
        chat_template=template,
        **settings,
    )


def _folder(options: TransformersOptions, on_progress: OnProgress) -> tuple[Path, str]:
    given = Path(options.model)
    if given.is_dir():
        return given, options.revision or "local"
    try:
        found = snapshot_download(
            options.model,
            revision=options.revision or None,
            allow_patterns=WANTED_FILES,
            local_files_only=options.offline,
            tqdm_class=_downloading(on_progress),
        )
    except (OSError, ValueError) as error:
        how = (
            "is not in the local cache (CAPTIONER_OFFLINE is set)" if options.offline else "cannot be had from the hub"
        )
        raise ValueError(
            f"CAPTIONER_MODEL={options.model} is no folder and {how}: check the name, CAPTIONER_REVISION and HF_TOKEN"
        ) from error
    return Path(found), Path(found).name  # the cache names a snapshot by its commit


def _weights(folder: Path) -> _Weights:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ValueError(
            "CAPTIONER_MODEL has no safetensors files; other weight files are not read, as they can hold code"
        )
    parameters = 0
    for file in files:
        with safe_open(file, framework="pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118  # not a mapping
                shape = tensors.get_slice(key).get_shape()
                parameters += int(torch.Size(shape).numel())
    return _Weights(len(files), sum(file.stat().st_size for file in files), parameters)


def _device(wanted: str) -> torch.device:
    if wanted == "auto":
        wanted = "cuda:0" if torch.cuda.is_available() else "cpu"
    device = torch.device("cuda:0" if wanted == "cuda" else wanted)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("CAPTIONER_DEVICE asks for CUDA and this machine has none that torch can use")
    return device


def _dtype(wanted: str, device: torch.device) -> torch.dtype:
    if wanted != "auto":
        dtype: torch.dtype = getattr(torch, wanted)
        return dtype
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _downloading(on_progress: OnProgress) -> type[Any]:
    """A progress bar for the hub's downloads that draws nothing and tells how many bytes are there."""
    bars: list[Any] = []  # what came over the network and what is on the disk: the one that is ahead counts

    class Bar(tqdm):  # type: ignore[misc]  # tqdm is untyped here
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "file": io.StringIO()})
            if self.unit == "B":
                bars.append(self)

        def update(self, n: float | None = 1) -> bool | None:
            drawn: bool | None = super().update(n)
            total = max((bar.total or 0 for bar in bars), default=0)
            if self.unit == "B" and total:
                done = max(bar.n for bar in bars)
                part = min(max(done / total, 0.001), 0.999)  # the whole model is neither here yet nor just begun
                on_progress(part, f"download, {done / 1e9:.2f} of {total / 1e9:.2f} GB")
            return drawn

    return Bar


class _Counted:
    """What transformers takes for a progress bar: iterates, and tells how far it is."""

    def __init__(self, items: Any, total: int, tell: Callable[[float], None]) -> None:
        self._items, self._total, self._tell = items, max(1, total), tell

    def __iter__(self) -> Any:
        for done, item in enumerate(self._items, start=1):
            yield item
            self._tell(done / self._total)

    def __enter__(self) -> _Counted:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None  # update, set_description and whatever else a bar is told


def _reporting(on_progress: OnProgress, size: str) -> Callable[..., Any]:
    def hook(factory: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        items = args[0] if args else kwargs.get("iterable", ())
        total = kwargs.get("total") or (len(items) if hasattr(items, "__len__") else 0)
        return _Counted(items, total, lambda part: on_progress(part, size))

    return hook
