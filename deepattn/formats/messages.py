"""TensorFlow's protobuf messages, built here so that a file can be read without TensorFlow.

Field numbers and types are those of tensorflow/core/framework/*.proto, so the messages are
wire-compatible; fields that are not listed survive a round trip as unknown fields. The messages
live in a pool of their own and cannot clash with those of an imported TensorFlow.
"""

from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

if TYPE_CHECKING:
    from google.protobuf.message import Message

_PACKAGE = "deepattn.tensorflow"
_SCALARS = {
    "double": 1,
    "float": 2,
    "int64": 3,
    "uint64": 4,
    "int32": 5,
    "bool": 8,
    "string": 9,
    "bytes": 12,
    "uint32": 13,
}

# Names of the values, which the text form of a graph has, by number.
_ENUMERATIONS = {
    "DataType": dict(
        enumerate(
            """
            DT_INVALID DT_FLOAT DT_DOUBLE DT_INT32 DT_UINT8 DT_INT16 DT_INT8 DT_STRING DT_COMPLEX64
            DT_INT64 DT_BOOL DT_QINT8 DT_QUINT8 DT_QINT32 DT_BFLOAT16 DT_QINT16 DT_QUINT16 DT_UINT16
            DT_COMPLEX128 DT_HALF DT_RESOURCE DT_VARIANT DT_UINT32 DT_UINT64
            """.split()
        )
    ),
    # What TensorFlow has inferred of the outputs of a node.
    "FullTypeId": {
        0: "TFT_UNSET",
        **dict(enumerate("TFT_VAR TFT_ANY TFT_PRODUCT TFT_NAMED".split(), 1)),
        20: "TFT_FOR_EACH",
        100: "TFT_CALLABLE",
        **dict(
            enumerate(
                """
                TFT_BOOL TFT_UINT8 TFT_UINT16 TFT_UINT32 TFT_UINT64 TFT_INT8 TFT_INT16 TFT_INT32
                TFT_INT64 TFT_HALF TFT_FLOAT TFT_DOUBLE TFT_COMPLEX64 TFT_COMPLEX128 TFT_STRING
                TFT_BFLOAT16
                """.split(),
                200,
            )
        ),
        **dict(
            enumerate(
                """
                TFT_TENSOR TFT_ARRAY TFT_OPTIONAL TFT_LITERAL TFT_ENCODED TFT_SHAPE_TENSOR
                """.split(),
                1000,
            )
        ),
        **dict(enumerate("TFT_DATASET TFT_RAGGED TFT_ITERATOR".split(), 10102)),
        **dict(enumerate("TFT_MUTEX_LOCK TFT_LEGACY_VARIANT".split(), 10202)),
    },
}

# Each field reads "[repeated|oneof] type name = number" or "map Type name = number".
_MESSAGES = {
    "GraphDef": [
        "repeated NodeDef node = 1",
        "FunctionDefLibrary library = 2",
        "int32 version = 3",
        "VersionDef versions = 4",
    ],
    # Functions stay bytes: a frozen graph with any is refused, those of a SavedModel are parsed
    # one by one.
    "FunctionDefLibrary": ["repeated bytes function = 1", "repeated bytes gradient = 2"],
    "FunctionDef": ["OpDef signature = 1", "repeated NodeDef node_def = 3"],
    "OpDef": ["string name = 1", "repeated ArgDef input_arg = 2", "repeated ArgDef output_arg = 3"],
    "ArgDef": ["string name = 1", "DataType type = 3"],
    "SavedModel": ["int64 saved_model_schema_version = 1", "repeated MetaGraphDef meta_graphs = 2"],
    "MetaGraphDef": ["GraphDef graph_def = 2"],
    "VersionDef": [
        "int32 producer = 1",
        "int32 min_consumer = 2",
        "repeated int32 bad_consumers = 3",
    ],
    "NodeDef": [
        "string name = 1",
        "string op = 2",
        "repeated string input = 3",
        "string device = 4",
        "map AttrValue attr = 5",
        "DebugInfo experimental_debug_info = 6",
        "FullTypeDef experimental_type = 7",
    ],
    "DebugInfo": [
        "repeated string original_node_names = 1",
        "repeated string original_func_names = 2",
    ],
    "FullTypeDef": [
        "FullTypeId type_id = 1",
        "repeated FullTypeDef args = 2",
        "oneof string s = 3",
        "oneof int64 i = 4",
    ],
    "AttrValue": [
        "oneof ListValue list = 1",
        "oneof bytes s = 2",
        "oneof int64 i = 3",
        "oneof float f = 4",
        "oneof bool b = 5",
        "oneof DataType type = 6",
        "oneof TensorShapeProto shape = 7",
        "oneof TensorProto tensor = 8",
        "oneof string placeholder = 9",
        "oneof NameAttrList func = 10",
    ],
    "ListValue": [
        "repeated bytes s = 2",
        "repeated int64 i = 3",
        "repeated float f = 4",
        "repeated bool b = 5",
        "repeated DataType type = 6",
        "repeated TensorShapeProto shape = 7",
        "repeated TensorProto tensor = 8",
        "repeated NameAttrList func = 9",
    ],
    "NameAttrList": ["string name = 1", "map AttrValue attr = 2"],
    "TensorShapeProto": ["repeated Dim dim = 2", "bool unknown_rank = 3"],
    "Dim": ["int64 size = 1", "string name = 2"],
    "TensorProto": [
        "DataType dtype = 1",
        "TensorShapeProto tensor_shape = 2",
        "int32 version_number = 3",
        "bytes tensor_content = 4",
        "repeated float float_val = 5",
        "repeated double double_val = 6",
        "repeated int32 int_val = 7",
        "repeated bytes string_val = 8",
        "repeated float scomplex_val = 9",
        "repeated int64 int64_val = 10",
        "repeated bool bool_val = 11",
        "repeated double dcomplex_val = 12",
        "repeated int32 half_val = 13",
        "repeated uint32 uint32_val = 16",
        "repeated uint64 uint64_val = 17",
    ],
    "CheckpointState": [
        "string model_checkpoint_path = 1",
        "repeated string all_model_checkpoint_paths = 2",
        "repeated double all_model_checkpoint_timestamps = 3",
        "double last_preserved_timestamp = 4",
    ],
}


def _add_field(message: descriptor_pb2.DescriptorProto, declaration: str) -> None:
    left, number = declaration.split(" = ")
    *label, type_name, name = left.split()
    kind = label[0] if label else "optional"
    field = message.field.add(name=name, number=int(number))
    field.label = field.LABEL_REPEATED if kind in ("repeated", "map") else field.LABEL_OPTIONAL
    if kind == "map":
        # On the wire a map is a repeated entry message with the fields key and value.
        entry = message.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        _add_field(entry, "string key = 1")
        _add_field(entry, f"{type_name} value = 2")
        field.type = field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{message.name}.{entry.name}"
    elif type_name in _SCALARS:
        field.type = _SCALARS[type_name]
    elif type_name in _ENUMERATIONS:
        field.type = field.TYPE_ENUM
        field.type_name = f".{_PACKAGE}.{type_name}"
    else:
        field.type = field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{type_name}"
    if kind == "oneof":
        if not message.oneof_decl:
            message.oneof_decl.add(name="value")
        field.oneof_index = 0


def _build() -> dict[str, type]:
    file = descriptor_pb2.FileDescriptorProto(
        name="deepattn/tensorflow.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, values in _ENUMERATIONS.items():
        enumeration = file.enum_type.add(name=name)
        for number, value in values.items():
            enumeration.value.add(name=value, number=number)
    for name, declarations in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for declaration in declarations:
            _add_field(message, declaration)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in _MESSAGES
    }


_CLASSES = _build()
if TYPE_CHECKING:
    # Classes made at run time are no types to a checker.

    class GraphDef(Message): ...

    class NodeDef(Message): ...

    class AttrValue(Message): ...

    class TensorProto(Message): ...

    class TensorShapeProto(Message): ...

    class VersionDef(Message): ...

    class CheckpointState(Message): ...

    class FunctionDef(Message): ...

    class SavedModelMessage(Message): ...

else:
    GraphDef = _CLASSES["GraphDef"]
    NodeDef = _CLASSES["NodeDef"]
    AttrValue = _CLASSES["AttrValue"]
    TensorProto = _CLASSES["TensorProto"]
    TensorShapeProto = _CLASSES["TensorShapeProto"]
    VersionDef = _CLASSES["VersionDef"]
    CheckpointState = _CLASSES["CheckpointState"]
    FunctionDef = _CLASSES["FunctionDef"]
    SavedModelMessage = _CLASSES["SavedModel"]


def attribute(node: NodeDef, name: str) -> AttrValue:
    """An attribute of a node, empty if it has none of that name; asking for it adds nothing."""
    return node.attr[name] if name in node.attr else AttrValue()


def sources(node: NodeDef) -> list[str]:
    """The nodes whose outputs a node takes, in order, without what it only waits for."""
    return [entry.partition(":")[0] for entry in node.input if not entry.startswith("^")]
