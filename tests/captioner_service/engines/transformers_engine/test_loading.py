"""Checkpoints as they are found: layouts of old, missing files, quantised as told and nowhere else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch: pip install -e '.[captioner-transformers]'")

import torch
from slot_requests import Heard, generation_of, noise_clip, run

from captioner_service.engines.transformers import quantising
from captioner_service.engines.transformers.memory import slots_within


@pytest.fixture(scope="module")
def wide_checkpoint(tmp_path_factory: pytest.TempPathFactory, checkpoints: Path) -> Path:
    """4-bit products on a CPU need wider layers than the other checkpoints have."""
    from tiny_checkpoints import llava_next_video

    folder = tmp_path_factory.mktemp("wide") / "wide"
    llava_next_video(folder, hidden=128)
    return folder


@pytest.mark.parametrize("quantisation", ["nf4", "int8", "prototype"])
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_language_model_alone_is_quantised_and_texts_are_written(
    load_engine: Any, wide_checkpoint: Path, quantisation: str
) -> None:
    engine = load_engine(wide_checkpoint, quantisation=quantisation)
    kinds = {name: type(module).__name__ for name, module in engine.model.named_modules()}
    quantised = {name for name, kind in kinds.items() if kind in ("Linear4bit", "Linear8bitLt")}
    assert "model.language_model.layers.0.mlp.up_proj" in quantised
    assert kinds["lm_head"] == "Linear"
    in_encoder = [name for name in quantised if "vision" in name or "projector" in name]
    assert bool(in_encoder) is (quantisation == "prototype")
    generation = generation_of(engine, noise_clip(4, max_new_tokens=8), heard=Heard())
    run(engine, [generation])
    assert len(generation.tokens) == 8


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_pattern_that_misses_the_encoder_stops_the_start(
    load_engine: Any, wide_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantising, "kept_whole", lambda config: ["vision_tower", "lm_head"])
    with pytest.raises(RuntimeError, match=r"nf4 went wrong in \d+ modules, the first of them model\.vision_tower"):
        load_engine(wide_checkpoint, quantisation="nf4")


@pytest.mark.parametrize(("card_gib", "chosen"), [(80, "none"), (30, "none"), (24, "nf4"), (16, "nf4")], ids=str)
def test_a_card_with_room_for_batches_is_used_in_sixteen_bits(card_gib: int, chosen: str) -> None:
    weights = int(13.2 * 2**30)  # LLaVA-NeXT-Video-7B
    device = torch.device("cuda:0")
    assert quantising.choose("auto", device=device, sixteen_bit_bytes=weights, card_bytes=card_gib * 2**30) == chosen


def test_slots_are_what_fits_beside_the_reserve_and_the_kept_clips() -> None:
    gib = 2**30
    assert slots_within(20 * gib, slot_bytes=gib, reserve_bytes=2 * gib, kept_clips=1, at_most=32) == 17
    assert slots_within(20 * gib, slot_bytes=gib, reserve_bytes=2 * gib, kept_clips=1, at_most=8) == 8
    with pytest.raises(ValueError, match="CAPTIONER_QUANTISATION=nf4"):
        slots_within(3 * gib, slot_bytes=gib, reserve_bytes=2 * gib, kept_clips=1, at_most=8)


def old_layout(checkpoint: Path, folder: Path) -> Path:
    """The files as the hub had them in 2024: no video_preprocessor_config.json, chat template in JSON."""
    shutil.copytree(checkpoint, folder)
    settings = json.loads((folder / "processor_config.json").read_text())
    image, video = settings.pop("image_processor"), settings.pop("video_processor")
    image |= {"image_processor_type": "LlavaNextImageProcessor", "size": video["size"], "crop_size": video["crop_size"]}
    (folder / "preprocessor_config.json").write_text(json.dumps(image))
    (folder / "processor_config.json").write_text(json.dumps(settings))
    template = folder / "chat_template.jinja"
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": template.read_text()}))
    template.unlink()
    return folder


def test_the_layout_of_2024_loads_and_makes_the_same_inputs(
    load_engine: Any, checkpoints: Path, tmp_path: Path, engine: Any
) -> None:
    old = load_engine(old_layout(checkpoints / "llava_next_video", tmp_path / "old"))
    clip = noise_clip(5, "What <video> is </s> this?")
    for name, tensor in engine.prepare(clip)[0].tensors.items():
        assert torch.equal(tensor, old.prepare(clip)[0].tensors[name])


def test_weights_that_could_hold_code_are_refused(load_engine: Any, checkpoints: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(checkpoints / "llava_next_video", folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="safetensors"):
        load_engine(folder)


def test_a_model_that_is_not_there_names_the_setting(load_engine: Any) -> None:
    with pytest.raises(ValueError, match="CAPTIONER_MODEL=nobody/nothing"):
        load_engine("nobody/nothing", model="nobody/nothing", offline=True)


def test_loading_tells_how_far_it_is(checkpoints: Path) -> None:
    from captioner_service.engines.transformers.loading import load
    from captioner_service.engines.transformers.options import TransformersOptions

    told: list[tuple[float, str]] = []
    load(TransformersOptions(model=str(checkpoints / "qwen3_vl")), lambda part, what: told.append((part, what)))
    parts = [part for part, _ in told]
    assert parts[0] == 0.0 and parts[-1] == 1.0 and parts == sorted(parts) and len(parts) > 10
    assert told[0][1].startswith("1 files, 0.00 GB")


def test_the_canary_is_the_same_at_every_start(load_engine: Any) -> None:
    first, second = load_engine("smolvlm").canary(), load_engine("smolvlm").canary()
    assert list(first) == list(second) and len(set(first)) > 3


def test_a_download_tells_how_many_gigabytes_are_there(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from captioner_service.engines.transformers import loading
    from captioner_service.engines.transformers.options import TransformersOptions

    def download(name: str, *, tqdm_class: Any, **_: Any) -> str:
        files = tqdm_class(total=7, desc="Fetching 7 files")
        received = tqdm_class(total=0, unit="B", unit_scale=True, desc="Downloading bytes")
        written = tqdm_class(total=0, unit="B", unit_scale=True, desc="Reconstructing")
        received.total = written.total = 14_130_000_000
        received.update(7_065_000_000)
        written.update(1_000_000)
        files.update(1)
        return str(checkpoints / "llava_next_video")

    told: list[tuple[float, str]] = []
    monkeypatch.setattr(loading, "snapshot_download", download)
    loading.load(TransformersOptions(model="llava-hf/some"), lambda part, what: told.append((part, what)))
    assert told[:2] == [(0.5, "download, 7.07 of 14.13 GB")] * 2
    assert told[2][1].startswith("1 files, ") and told[-1][0] == 1.0
    assert "Fetching" not in capsys.readouterr().err
