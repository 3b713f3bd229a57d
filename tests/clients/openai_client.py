"""The official Python client at /v1/ (run by run.py)."""
import base64
import json
import math
import os
import pathlib
import struct

import openai

URL, KEY = os.environ["QNTX_EMBED_TEST_URL"], os.environ["QNTX_EMBED_TEST_KEY"]
GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "fixtures/golden/golden.jsonl"
golden = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
golden = [g for g in golden if g["text"].strip()]
MODEL = "all-MiniLM-L6-v2"
client = openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def check(answer, what):
    assert len(answer.data) == len(golden), what
    for i, (entry, want) in enumerate(zip(answer.data, golden)):
        blob = base64.b64decode(want["embedding_f32le_base64"])
        vector = struct.unpack(f"<{len(blob) // 4}f", blob)
        assert entry.index == i and len(entry.embedding) == len(vector), (what, i)
        assert cosine(entry.embedding, vector) > 0.99999, (what, want["text"][:40])
    tokens = sum(want["tokens"] for want in golden)
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == tokens, (what, answer.usage, tokens)
    print(f"ok {what}")


def refused(kind, status, code, message, call):
    try:
        call()
    except kind as error:
        assert error.status_code == status and error.code == code and message in error.message, error
        print(f"ok {status} {code}")
    else:
        raise AssertionError(f"nothing was refused; expected {kind.__name__}")


texts = [g["text"] for g in golden]
check(client.embeddings.create(input=texts, model=MODEL), "base64, as the client asks for by default")
check(client.embeddings.create(input=texts, model="text-embedding-3-small", encoding_format="float", user="somebody"), "floats, by an alias")

one = client.embeddings.create(input="a cat", model=MODEL)
few = client.embeddings.create(input="a cat", model=MODEL, dimensions=64)
assert one.model == MODEL and one.object == "list" and len(few.data[0].embedding) == 64
assert cosine(few.data[0].embedding, one.data[0].embedding[:64]) > 0.99999
print("ok one text, and fewer dimensions")

assert [m.id for m in client.models.list()] == [MODEL, "text-embedding-3-small"]
assert client.models.retrieve(MODEL).id == MODEL
print("ok models")

refused(openai.BadRequestError, 400, "invalid_request", "token ids", lambda: client.embeddings.create(input=[[1, 2, 3]], model=MODEL))
refused(openai.BadRequestError, 400, "invalid_request", "token ids", lambda: client.embeddings.create(input=[1, 2, 3], model=MODEL))
refused(openai.BadRequestError, 400, "invalid_request", "input is empty", lambda: client.embeddings.create(input="", model=MODEL))
refused(openai.BadRequestError, 400, "invalid_request", "1000", lambda: client.embeddings.create(input="a", model=MODEL, dimensions=1000))
refused(openai.NotFoundError, 404, "model_not_found", '"gpt"', lambda: client.embeddings.create(input="a", model="gpt"))
refused(openai.NotFoundError, 404, "model_not_found", '"gpt"', lambda: client.models.retrieve("gpt"))
refused(openai.AuthenticationError, 401, "unauthorized", "not one of this server's",
        lambda: client.with_options(api_key="wrong").embeddings.create(input="a", model=MODEL))
