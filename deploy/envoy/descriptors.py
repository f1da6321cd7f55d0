"""Writes what Envoy's transcoder reads: the contract as a descriptor set, with the rules of http.yaml at its methods.

python deploy/envoy/descriptors.py deploy/envoy/vidtomusictags.pb
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import yaml
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2, json_format
from google.protobuf.descriptor import FileDescriptor
from google.rpc import error_details_pb2

from vidtomusictags.captioner.v1 import captioner_pb2
from vidtomusictags.classifier.v1 import classifier_pb2
from vidtomusictags.gateway.v1 import gateway_pb2

RULES = Path(__file__).with_name("http.yaml")

# The last one so that the details of failures can be written as JSON, the first so that the rules can be read.
_FILES = (
    annotations_pb2.DESCRIPTOR,
    captioner_pb2.DESCRIPTOR,
    classifier_pb2.DESCRIPTOR,
    gateway_pb2.DESCRIPTOR,
    error_details_pb2.DESCRIPTOR,
)


def read_rules(path: Path = RULES) -> dict[str, http_pb2.HttpRule]:
    """The rules by the full names of their methods. Raises json_format.ParseError for what is no rule."""
    http = json_format.ParseDict(yaml.safe_load(path.read_text())["http"], http_pb2.Http())
    return {rule.selector: rule for rule in http.rules}


def descriptor_set(rules: Mapping[str, http_pb2.HttpRule]) -> descriptor_pb2.FileDescriptorSet:
    """The contract and all it imports, each file after its imports. Raises ValueError for a rule without a method."""
    described = descriptor_pb2.FileDescriptorSet()
    seen: set[str] = set()
    placed: set[str] = set()

    def add(file: FileDescriptor) -> None:
        if file.name in seen:
            return
        seen.add(file.name)
        for imported in file.dependencies:
            add(imported)
        proto = described.file.add()
        file.CopyToProto(proto)
        for service in proto.service:
            for method in service.method:
                name = f"{proto.package}.{service.name}.{method.name}"
                if name in rules:
                    rule = method.options.Extensions[annotations_pb2.http]
                    rule.CopyFrom(rules[name])
                    rule.ClearField("selector")  # the place says it
                    placed.add(name)

    for file in _FILES:
        add(file)
    if strangers := sorted(rules.keys() - placed):
        raise ValueError(f"{RULES.name} has rules for methods that do not exist: {', '.join(strangers)}")
    return described


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("into", type=Path)
    parser.parse_args().into.write_bytes(descriptor_set(read_rules()).SerializeToString(deterministic=True))
