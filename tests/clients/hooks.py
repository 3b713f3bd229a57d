"""What schemathesis cannot know of openapi.json (run.py names this file to it)."""
import schemathesis


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Streams of lines are tested in go/server: one is answered 200 whatever is in its lines, and says so in a line of its own."""
    batch = raw_schema["paths"]["/api/embeddings/batch"]["post"]
    del batch["requestBody"]["content"]["application/x-ndjson"]
    del batch["responses"]["200"]["content"]["application/x-ndjson"]
    batch["parameters"] = [parameter for parameter in batch["parameters"] if parameter["name"] != "chunk"]


@schemathesis.hook
def map_body(context, body):
    """JSON Schema takes 70.0 for an integer, the server takes integers as they are written everywhere else. It counts
    characters, and the server's limit of 256 for keys of metadata is in bytes."""
    if not isinstance(body, dict):
        return body
    if isinstance(body.get("dimensions"), float) and body["dimensions"].is_integer():
        body["dimensions"] = int(body["dimensions"])
    items = body.get("items")
    for entry in [body, *(items if isinstance(items, list) else [])]:
        metadata = entry.get("metadata") if isinstance(entry, dict) else None
        if isinstance(metadata, dict):
            entry["metadata"] = {key[:64] if len(key) <= 256 < len(key.encode()) else key: value for key, value in metadata.items()}
    return body


@schemathesis.hook
def before_call(context, case, kwargs):
    """Which chunks have room is for the text and the other number to say: those that are numbers of tokens get some."""
    chunk = case.body.get("chunk") if isinstance(case.body, dict) else None
    if isinstance(chunk, dict) and all(type(n) in (int, float) and 1 <= n <= 256 and n == int(n) for n in chunk.values()):
        case.body["chunk"] = {name: max(64, int(n)) if name == "max_tokens" else min(16, int(n)) for name, n in chunk.items()}
