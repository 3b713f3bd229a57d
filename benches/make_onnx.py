"""Writes what the peers run from a published directory: its graph as ONNX, and a tokenizer that cuts where it should.

    python make_onnx.py MODEL_DIRECTORY OUT_DIRECTORY        needs: numpy, onnx, safetensors

BERT with exact GELU, mean pooling and unit length only. The graph takes input_ids, attention_mask and token_type_ids
[texts, tokens] and gives sentence_embedding [texts, dimensions]. It is made of standard operators: on a CPU, ONNX
Runtime 1.32 runs them faster than its own fused attention and embedding layers.
"""
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

from program import max_tokens

MASKED = -1e4  # added to the score of a padded token: exp of it is 0


class Graph:
    """Collects nodes and constants; every method gives the name of its result."""

    def __init__(self, weights):
        self.weights, self.nodes, self.constants = weights, [], {}

    def op(self, kind, *inputs, output=None, **attributes):
        output = output or "%s_%d" % (kind, len(self.nodes))
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, value, dtype):
        array = np.ascontiguousarray(value, dtype)
        name = "constant_%d" % len(self.constants)
        self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def ints(self, *values):
        return self.constant(values, np.int64)

    def floats(self, value):
        return self.constant(value, np.float32)

    def weight(self, name):
        return self.floats(self.weights[name])

    def linear(self, x, name, scale=1.0):
        product = self.op("MatMul", x, self.floats(self.weights[name + ".weight"].T * np.float32(scale)))
        return self.op("Add", product, self.floats(self.weights[name + ".bias"] * np.float32(scale)))

    def layer_norm(self, x, name, epsilon):
        return self.op("LayerNormalization", x, self.weight(name + ".weight"), self.weight(name + ".bias"),
                       axis=-1, epsilon=epsilon)

    def gelu(self, x):
        erf = self.op("Erf", self.op("Div", x, self.floats(np.sqrt(2))))
        return self.op("Mul", self.op("Mul", x, self.op("Add", erf, self.floats(1))), self.floats(0.5))


def bert(config, weights):
    g = Graph(weights)
    dim, heads, epsilon = config["hidden_size"], config["num_attention_heads"], config["layer_norm_eps"]

    def embedding(kind):
        return g.weight("embeddings.%s_embeddings.weight" % kind)

    tokens = g.op("Slice", g.op("Shape", "input_ids"), g.ints(1), g.ints(2))
    hidden = g.op("Add", g.op("Gather", embedding("word"), "input_ids"),
                  g.op("Gather", embedding("token_type"), "token_type_ids"))
    hidden = g.op("Add", hidden, g.op("Slice", embedding("position"), g.ints(0), tokens, g.ints(0)))
    hidden = g.layer_norm(hidden, "embeddings.LayerNorm", epsilon)

    mask = g.op("Cast", "attention_mask", to=TensorProto.FLOAT)
    bias = g.op("Mul", g.op("Sub", g.floats(1), mask), g.floats(MASKED))
    bias = g.op("Unsqueeze", bias, g.ints(1, 2))  # for every head and every query
    by_head, joined = g.ints(0, 0, heads, dim // heads), g.ints(0, 0, dim)

    for number in range(config["num_hidden_layers"]):
        layer = "encoder.layer.%d." % number

        def project(name, order, scale=1.0):
            projected = g.linear(hidden, layer + "attention.self." + name, scale)
            return g.op("Transpose", g.op("Reshape", projected, by_head), perm=order)

        query = project("query", [0, 2, 1, 3], scale=(dim // heads) ** -0.5)
        key = project("key", [0, 2, 3, 1])
        value = project("value", [0, 2, 1, 3])
        attention = g.op("Softmax", g.op("Add", g.op("MatMul", query, key), bias), axis=-1)
        context = g.op("Transpose", g.op("MatMul", attention, value), perm=[0, 2, 1, 3])
        context = g.linear(g.op("Reshape", context, joined), layer + "attention.output.dense")
        hidden = g.layer_norm(g.op("Add", context, hidden), layer + "attention.output.LayerNorm", epsilon)
        inner = g.gelu(g.linear(hidden, layer + "intermediate.dense"))
        inner = g.linear(inner, layer + "output.dense")
        hidden = g.layer_norm(g.op("Add", inner, hidden), layer + "output.LayerNorm", epsilon)

    # The mean's divisor does not matter for a vector that is brought to unit length.
    total = g.op("Squeeze", g.op("MatMul", g.op("Unsqueeze", mask, g.ints(1)), hidden), g.ints(1))
    g.op("LpNormalization", total, axis=-1, p=2, output="sentence_embedding")

    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"])
              for name in ("input_ids", "attention_mask", "token_type_ids")]
    output = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["texts", dim])
    graph = helper.make_graph(g.nodes, "bert", inputs, [output], list(g.constants.values()))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def read(file):
    return json.loads(file.read_text("utf-8"))


def refuse_others(directory, config):
    """A directory that this graph would be wrong for."""
    pooling = read(directory / "1_Pooling" / "config.json")
    modules = [module["type"].rsplit(".", 1)[-1] for module in read(directory / "modules.json")]
    mean = pooling.get("pooling_mode_mean_tokens") or pooling.get("pooling_mode") == "mean"
    if (config["model_type"], config["hidden_act"]) != ("bert", "gelu") or not mean \
            or modules != ["Transformer", "Pooling", "Normalize"]:
        raise SystemExit("model directory '%s': the bench takes BERT with GELU, mean pooling and normalisation (like "
                         "all-MiniLM-L6-v2), because the graph for the peers is written for it" % directory)


def main(directory, out):
    config = read(directory / "config.json")
    refuse_others(directory, config)
    weights = {name[5:] if name.startswith("bert.") else name: array.astype(np.float32)
               for name, array in load_file(str(directory / "model.safetensors")).items()}
    out.mkdir(parents=True, exist_ok=True)
    onnx.save(bert(config, weights), str(out / "model.onnx"))
    tokenizer = read(directory / "tokenizer.json")
    tokenizer["truncation"] = {"direction": "Right", "max_length": max_tokens(directory), "strategy": "LongestFirst",
                               "stride": 0}
    tokenizer["padding"] = None
    (out / "tokenizer.json").write_text(json.dumps(tokenizer), "utf-8")
    for name in ("config.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(str(directory / name), str(out / name))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
