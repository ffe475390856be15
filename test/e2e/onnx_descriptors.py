"""Prints, as JSON, every message and enum of the ONNX file format as PyPI's onnx package describes it.

{messages: {name: {field: [number, type, repeated]}}, enums: {name: {value: number}}}; names are relative to the package
`onnx`, types are scalar names or the name of a message or enum.
"""

import json

import onnx
from google.protobuf.descriptor import FieldDescriptor

NAMES = {
    value: name.removeprefix("TYPE_").lower()
    for name, value in vars(FieldDescriptor).items()
    if name.startswith("TYPE_")
}
messages = {}
enums = {}


def local(name):
    return name.removeprefix("onnx.")


def repeated(field):
    known = getattr(field, "is_repeated", None)
    return known if known is not None else field.label == FieldDescriptor.LABEL_REPEATED


def type_of(field):
    target = field.message_type or field.enum_type
    return local(target.full_name) if target else NAMES[field.type]


def visit(message):
    messages[local(message.full_name)] = {
        field.name: [field.number, type_of(field), repeated(field)] for field in message.fields
    }
    for inner in message.nested_types:
        visit(inner)
    for enum in message.enum_types:
        enums[local(enum.full_name)] = {value.name: value.number for value in enum.values}


for top in onnx.ModelProto.DESCRIPTOR.file.message_types_by_name.values():
    visit(top)
print(json.dumps({"version": onnx.__version__, "messages": messages, "enums": enums}))
