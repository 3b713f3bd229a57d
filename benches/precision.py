"""What rounding the linear layers costs, before any kernel is written: vectors and neighbours against f32, in numpy.

    python precision.py MODEL_DIRECTORY CORPUS [--texts N]        needs: numpy, safetensors, tokenizers

CORPUS is a file of corpus.py. BERT with exact GELU, mean pooling and unit length only. Weights are rounded for each
output (channel) or for blocks along the summed dimension, activations for each token (row) or for such blocks, with
scales by the largest magnitude. Prints a Markdown table. A thousand texts take some minutes a row.
"""
import argparse
import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from program import tokenizer
from recall import nearest

VARIANTS = [  # weights (bits, block; 0 is a channel), activations (bits, block; 0 is a row; None is f32)
    ((8, 0), None), ((8, 128), None), ((8, 32), None), (None, (8, 0)), ((8, 0), (8, 0)), ((8, 0), (8, 128)),
    ((8, 0), (8, 32)), ((8, 32), (8, 32)), ((8, 0), (10, 0)),
]


def rounded(x, how):
    if how is None:
        return x
    bits, block = how
    blocks = x.reshape(len(x), -1, block) if block else x[:, None, :]
    scale = np.abs(blocks).max(axis=-1, keepdims=True) / (2 ** (bits - 1) - 1)
    scale[scale == 0] = 1
    return (np.round(blocks / scale) * scale).reshape(x.shape).astype(np.float32)


def erf(x):
    """Abramowitz and Stegun 7.1.26: an error of 1.5e-7, far below what is measured here."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - series * np.exp(-x * x))


class Model:
    def __init__(self, directory):
        self.w = load_file(str(directory / "model.safetensors"))
        config = json.loads((directory / "config.json").read_text("utf-8"))
        self.layers, self.heads = config["num_hidden_layers"], config["num_attention_heads"]
        self.eps = config["layer_norm_eps"]

    def norm(self, x, name):
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        return centred / np.sqrt(variance + self.eps) * self.w[name + ".weight"] + self.w[name + ".bias"]

    def embed(self, texts, weights, activations):
        rounded_weights = {}

        def linear(x, name):
            if name not in rounded_weights:
                rounded_weights[name] = rounded(self.w[name + ".weight"], weights)
            return rounded(x, activations) @ rounded_weights[name].T + self.w[name + ".bias"]

        return np.array([self.one(ids, linear) for ids in texts])

    def one(self, ids, linear):
        e = "embeddings."
        x = self.w[e + "word_embeddings.weight"][ids] + self.w[e + "position_embeddings.weight"][:len(ids)]
        x = self.norm(x + self.w[e + "token_type_embeddings.weight"][0], e + "LayerNorm")
        for layer in range(self.layers):
            p = "encoder.layer.%d." % layer
            q, k, v = (linear(x, p + "attention.self." + part).reshape(len(ids), self.heads, -1).transpose(1, 0, 2)
                       for part in ("query", "key", "value"))
            scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1], dtype=np.float32)
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            attended = (scores / scores.sum(axis=-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(x.shape)
            x = self.norm(linear(attended, p + "attention.output.dense") + x, p + "attention.output.LayerNorm")
            inner = linear(x, p + "intermediate.dense")
            inner = (inner * 0.5 * (1 + erf(inner / np.sqrt(2)))).astype(np.float32)
            x = self.norm(linear(inner, p + "output.dense") + x, p + "output.LayerNorm")
        mean = x.mean(axis=0)
        return mean / np.linalg.norm(mean)


def name(how, whole):
    return "f32" if how is None else "%d bits, %s" % (how[0], "blocks of %d" % how[1] if how[1] else whole)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--texts", type=int, default=1000)
    a = parser.parse_args()
    encoder = tokenizer(a.model)
    texts = [encoder.encode(t).ids for t in json.loads(a.corpus.read_text("utf-8"))["texts"][:a.texts]]
    model = Model(a.model)
    truth = model.embed(texts, None, None)
    right = nearest(truth)
    print("| weights | activations | mean cosine | smallest | recall@10 |\n|---|---|--:|--:|--:|")
    for weights, activations in VARIANTS:
        found = model.embed(texts, weights, activations)
        cosines = (found * truth).sum(axis=1)
        kept = np.mean([len(np.intersect1d(x, y)) / 10 for x, y in zip(nearest(found), right)])
        print("| %s | %s | %.5f | %.5f | %.4f |" % (name(weights, "channel"), name(activations, "row"),
                                                    cosines.mean(), cosines.min(), kept), flush=True)


if __name__ == "__main__":
    main()
