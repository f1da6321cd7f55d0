"""Serves the classifier's contract: translates, asks the classifier, translates."""

from __future__ import annotations

from typing import Any

from classifier_service.allowed_tags import allowed_tags
from classifier_service.classifier import Classifier
from classifier_service.taxonomy import Taxonomy
from classifier_service.taxonomy_rules import refuse_faulty
from classifier_service.taxonomy_store import TaxonomyStore
from classifier_service.taxonomy_translation import taxonomy_message, to_taxonomy
from classifier_service.translation import (
    classification_message,
    provenance_message,
    segment_messages,
    taxonomy_ref,
    taxonomy_summary,
    to_segments,
    to_statements,
    to_wanted,
)
from vidtomusictags.classifier.v1 import classifier_pb2 as pb
from vidtomusictags.classifier.v1 import classifier_pb2_grpc
from vidtomusictags.rpc.failures import SummaryInvalid
from vidtomusictags.rpc.logs import take_request_id

SERVICE = pb.DESCRIPTOR.services_by_name["ClassifierService"]
PERMISSIONS = {"Classify": "classify", "ListTaxonomies": "taxonomies", "GetTaxonomy": "taxonomies"}
"""What a caller must be allowed to call each method."""


class ClassifierServicer(classifier_pb2_grpc.ClassifierServiceServicer):
    """Summaries in, tags out. default: the taxonomy that is used where a request names none."""

    def __init__(self, classifier: Classifier, store: TaxonomyStore, *, default: Taxonomy) -> None:
        self._classifier = classifier
        self._store = store
        self._default = default

    async def Classify(self, request: pb.ClassifyRequest, context: Any) -> pb.ClassifyResponse:
        """See the contract."""
        request_id = take_request_id(request.request_id)
        wanted, taxonomy = to_wanted(request.options), self._taxonomy(request)
        card = self._classifier.engine.card
        if request.validate_only:
            allowed_tags(taxonomy, wanted.include, wanted.exclude)
            would = provenance_message(taxonomy, card)
            would.provenance.calibration = self._classifier.calibration_for(taxonomy)
            return pb.ClassifyResponse(request_id=request_id, classification=would)
        match request.WhichOneof("input"):
            case "summary":
                statements = to_statements(request.statements)
                classified = await self._classifier.classify(request.summary, taxonomy, wanted, statements)
                return pb.ClassifyResponse(
                    request_id=request_id, classification=classification_message(classified, card)
                )
            case "segments":
                segments = request.segments.segments
                answers = await self._classifier.classify_segments(to_segments(segments), taxonomy, wanted)
                return pb.ClassifyResponse(
                    request_id=request_id,
                    classification=classification_message(answers.whole, card, answers.joined.place),
                    segments=segment_messages(segments, answers.segments, card),
                )
        raise SummaryInvalid("There is nothing to tag; send `summary` or `segments`.", field="summary")

    async def ListTaxonomies(self, request: pb.ListTaxonomiesRequest, context: Any) -> pb.ListTaxonomiesResponse:
        """See the contract."""
        summaries = [taxonomy_summary(taxonomy, is_default=taxonomy is self._default) for taxonomy in self._store.all]
        return pb.ListTaxonomiesResponse(taxonomies=summaries)

    async def GetTaxonomy(self, request: pb.GetTaxonomyRequest, context: Any) -> pb.GetTaxonomyResponse:
        """See the contract."""
        taxonomy = self._store.find(request.taxonomy_id) if request.taxonomy_id else self._default
        return pb.GetTaxonomyResponse(ref=taxonomy_ref(taxonomy), taxonomy=taxonomy_message(taxonomy))

    def _taxonomy(self, request: pb.ClassifyRequest) -> Taxonomy:
        match request.WhichOneof("taxonomy"):
            case "taxonomy_id":
                return self._store.find(request.taxonomy_id)
            case "inline_taxonomy":
                taxonomy = to_taxonomy(request.inline_taxonomy)
                refuse_faulty(taxonomy, field="inline_taxonomy")
                return taxonomy
        return self._default
