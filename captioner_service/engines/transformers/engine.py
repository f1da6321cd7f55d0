"""The transformers engine inside its process: loads, sizes, warms up, and keeps going when memory runs out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
import torch

from captioner_service.clip import Clip
from captioner_service.engines.engine import ModelCard
from captioner_service.engines.transformers import memory, sizing
from captioner_service.engines.transformers.inputs import InputMaker, Prepared
from captioner_service.engines.transformers.loading import LoadedModel, load
from captioner_service.engines.transformers.options import TransformersOptions
from captioner_service.engines.transformers.prefill import Prefiller
from captioner_service.engines.transformers.slots import Slots, end_tokens
from captioner_service.worker.generation import Ending, Generation
from captioner_service.worker.slot_engine import DeviceLost, OnProgress, Unfit
from captioner_service.worker.text_stream import TextStream

log = structlog.get_logger()

CANARY_TOKENS = 8
STRIKES = 3
"""Requests that may fail for want of memory while alone, one after another, before the process starts afresh."""


class TransformersEngine:
    """A `SlotEngine` on PyTorch. Owned by one thread, as its models keep state (Qwen's positions) between calls."""

    def __init__(self, options: TransformersOptions) -> None:
        self._options = options
        self._strikes = 0
        self.model: Any = None

    def load(self, on_progress: OnProgress) -> ModelCard:
        """See `SlotEngine`."""
        if self._options.threads:
            torch.set_num_threads(self._options.threads)
        loaded = load(self._options, on_progress)
        self.model, self._processor = loaded.model, loaded.processor
        self._inputs = InputMaker(loaded.processor)
        self._sizes = sizing.measure(self._inputs, loaded.processor, loaded.model, self._options)
        self._prefiller = Prefiller(loaded.model, kept_clips=self._options.prefix_clips)
        self._limit = self._make_slots(loaded)
        return self._card(loaded)

    def _make_slots(self, loaded: LoadedModel) -> int:
        """Reads the largest clip once, to see what that needs; what is left becomes slots."""
        device, sizes, options = loaded.device, self._sizes, self._options
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
        prefill = self._prefiller.read(self._inputs.prepare(sizing.synthetic_clip(sizes.max_frames, sizes.short_side)))
        peak = torch.cuda.max_memory_allocated(device) - before if device.type == "cuda" else 0
        self._prefiller.forget()
        slots = memory.slots_within(
            memory.free_bytes(device),
            slot_bytes=sizing.bytes_per_token(prefill) * sizes.context_tokens,
            reserve_bytes=max(peak, int(options.reserve_gib * memory.GIB)),
            kept_clips=options.prefix_clips,
            at_most=options.max_slots,
        )
        self._slots = Slots(
            loaded.model,
            prefill,
            slots=slots,
            length=sizes.context_tokens,
            end_tokens=end_tokens(loaded.model),
            decoding=options.decoding,
        )
        return slots

    def _card(self, loaded: LoadedModel) -> ModelCard:
        sizes = self._sizes
        return ModelCard(
            engine="transformers",
            model=loaded.name,
            revision=loaded.revision,
            quantisation=loaded.quantisation,
            frame_short_side_pixels=sizes.short_side,
            default_frames=min(self._options.default_frames, sizes.max_frames),
            max_frames=sizes.max_frames,
            max_new_tokens=self._options.max_new_tokens,
            max_batch_clips=self._limit,
            description=(
                f"A vision-language model on {loaded.device.type}: about {sizes.tokens_per_frame:.0f} tokens a frame, "
                f"{sizes.context_tokens} tokens a request, {self._limit} requests at once. It describes what it sees "
                "in its own words and can be wrong."
            ),
            context_tokens=sizes.context_tokens,
            tokens_per_frame=sizes.tokens_per_frame,
        )

    @property
    def device(self) -> str:
        """See `SlotEngine`."""
        device = self.model.device
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
        return f"{name}, {self.model.dtype}, torch {torch.__version__}"

    def canary(self) -> Sequence[int]:
        """See `SlotEngine`. Runs the clip alone, then in every slot at once, so that all sizes have been run."""
        clip = sizing.synthetic_clip(
            min(self._options.default_frames, self._sizes.max_frames), self._sizes.short_side, new_tokens=CANARY_TOKENS
        )
        prepared = self._inputs.prepare(clip)
        self._slots.warm_up()
        alone = self._run_canary(prepared, clip, times=1)
        self._run_canary(prepared, clip, times=self._limit)
        self._prefiller.forget()
        log.info("warm", decoding=self._slots.decoding, slots=self._limit)
        return alone

    def _run_canary(self, prepared: Prepared, clip: Clip, *, times: int) -> Sequence[int]:
        prefill = self._prefiller.read(prepared)
        generations = [
            Generation(
                -1, clip.options, prepared, prepared.prompt_tokens, TextStream(self.decode), float("inf"), _unheard
            )
            for _ in range(times)
        ]
        for generation in generations:
            self._slots.join(generation, prefill)
        while self._slots.live:
            self._slots.step()
        return generations[0].tokens

    def prepare(self, clip: Clip) -> tuple[Prepared, int]:
        """See `SlotEngine`."""
        try:
            prepared = self._inputs.prepare(clip)
        except (ValueError, IndexError, RuntimeError) as error:
            raise Unfit("The model's processor cannot take these frames; send others.", field="frames") from error
        wanted = clip.options.max_new_tokens
        if prepared.prompt_tokens + wanted > self._sizes.context_tokens:
            raise Unfit(
                f"Frames and prompt are {prepared.prompt_tokens} tokens; with {wanted} new ones that is more than the "
                f"{self._sizes.context_tokens} of one request: send fewer frames, or ask for less.",
                field="generation.max_new_tokens",
            )
        return prepared, prepared.prompt_tokens

    def decode(self, tokens: list[int]) -> str:
        """See `SlotEngine`."""
        text: str = self._processor.tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    @property
    def live(self) -> Sequence[Generation]:
        """See `SlotEngine`."""
        return self._slots.live

    @property
    def free(self) -> int:
        """See `SlotEngine`."""
        return self._limit - len(self._slots.live)

    def admit(self, generation: Generation) -> bool:
        """See `SlotEngine`. Short of memory, forgets the kept clips and tries again, then waits for others."""
        for attempt in (1, 2):
            try:
                prefill = self._prefiller.read(generation.prepared, generation.tokens)
                generation.reused_tokens = prefill.reused
                self._slots.join(generation, prefill)
            except Exception as error:
                self._judge(error, "prefill", generation)
                if generation.ending is not None:
                    return True
                if attempt == 1:
                    self._make_room()
            else:
                return True
        if self.live:
            self._limit = len(self.live)
            log.warning("slot limit lowered", slots=self._limit)
            return False
        self._fail_alone(generation)
        return True

    def step(self) -> Sequence[Generation]:
        """See `SlotEngine`. Short of memory: once more, then without the youngest, and so on down to one."""
        evicted: list[Generation] = []
        for row in self.live:
            row.check_wanted()
        self._slots.sweep()
        attempts = 0
        while self.live:
            try:
                self._slots.step()
            except Exception as error:
                self._judge(error, "step")
            else:
                self._strikes = 0
                break
            attempts += 1
            self._make_room()
            if attempts == 1:
                continue
            youngest = max(range(len(self.live)), key=lambda number: self.live[number].id)
            row = self._slots.remove(youngest)
            if self.live:
                evicted.append(row)
                self._limit = len(self.live)
                log.warning("evicted for want of memory", slots=self._limit)
            else:
                self._fail_alone(row)
        return evicted

    def _judge(self, error: Exception, doing: str, generation: Generation | None = None) -> None:
        """Returns where less work at once may help; a lone request's own fault ends it; anything else is fatal."""
        if memory.is_out_of_memory(error):
            log.warning("out of memory", doing=doing, live=len(self.live))
        elif generation is None or memory.is_device_fault(error):
            raise DeviceLost(f"{doing} failed") from error
        else:
            log.error("request failed", doing=doing, exc_info=error)
            generation.ending = Ending.FAILED

    def _make_room(self) -> None:
        self._prefiller.forget()
        memory.give_back(self.model.device)

    def _fail_alone(self, generation: Generation) -> None:
        generation.ending = Ending.OUT_OF_MEMORY
        self._strikes += 1
        if self._strikes >= STRIKES:
            raise DeviceLost(f"{STRIKES} requests in a row found no memory")


def _unheard(generation: Generation, text: str) -> None:
    """Nobody reads the text of a warm-up."""
