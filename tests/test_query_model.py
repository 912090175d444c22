# SPDX-License-Identifier: MIT
"""Hundreds of generated query paths over a hostile account, each held against
a brute-force reading of the account's own objects; cold and warm.

The reference below knows nothing of SQL or of the catalogue: it reads the
objects that the stand-in has, and asks each whether it meets the path.
"""
import decimal
import json
import os
import random
import re
import unicodedata

from mounting import Mount, folders

QUERIES = int(os.environ.get("TWELVEFS_QUERIES", "400"))
UNITS = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


class Number(str):
    """A number by its exact text."""

    def value(self):
        return decimal.Decimal(str(self))


class Object:
    """An object whose members may have one name twice: each counts for a
    query about a field; filename and _id are the last."""

    def __init__(self, pairs):
        self.pairs = pairs

    def get(self, name):
        return dict(self.pairs).get(name)


def read(text):
    return json.loads(text, strict=False, parse_int=Number,
                      parse_float=Number, object_pairs_hook=Object)


def values_at(node, path):
    """All values at a dotted path; arrays are transparent."""
    if isinstance(node, list):
        return [v for item in node for v in values_at(item, path)] \
            if path else [v for item in node for v in values_at(item, [])]
    if not path:
        return [node]
    if not isinstance(node, Object):
        return []
    # A name may hold dots itself.
    return [value for name, inner in node.pairs
            for cut in range(1, len(path) + 1) if name == ".".join(path[:cut])
            for value in values_at(inner, path[cut:])]


def scalar_equals(value, text):
    if isinstance(value, bool):
        return text == str(value).lower()
    if value is None:
        return text == "null"
    if isinstance(value, Number):
        try:
            return value.value() == decimal.Decimal(text) and \
                re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", text)
        except (decimal.InvalidOperation, ArithmeticError):
            return False
    return isinstance(value, str) and value == text


def meets_exact(asset, field, texts):
    values = values_at(asset, field.split("."))
    if any(scalar_equals(v, t) for v in values for t in texts
           if not isinstance(v, Object)):
        return True
    return "null" in texts and not values


def meets_range(asset, field, low, high):
    return any(isinstance(v, Number) and low <= float(v) <= high
               for v in values_at(asset, field.split(".")))


def fold(text):
    return unicodedata.normalize("NFC", text.casefold())


def escape(text):
    """A value as a path component spells it."""
    out = bytearray()
    for byte in text.encode("utf-8", "surrogatepass"):
        if byte in b"%/," or byte < 0x20 or byte >= 0x7f:
            out += b"%%%02X" % byte
        else:
            out.append(byte)
    return out.decode()


def leaves(node, path=()):
    if isinstance(node, Object):
        for name, value in node.pairs:
            yield from leaves(value, path + (name,))
    elif not isinstance(node, list):
        yield ".".join(path), node


def exact_query(dice, asset):
    options = [(f, v) for f, v in leaves(asset)
               if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,60}", f) and
               f not in ("filename", "type", "id", "created", "created_at",
                            "_id") and
               f.count(".") < 7]
    if not options:
        return None
    field, value = dice.choice(options)
    if isinstance(value, bool):
        text = str(value).lower()
    elif value is None:
        text = "null"
    else:
        text = str(value)
    if not text or len(escape(f"{field}={text}")) > 200 or \
            re.fullmatch(r"[^.]*\.\.[^.]*", text) or "\0" in text or \
            any(0xd800 <= ord(c) < 0xe000 for c in text) or \
            field in ("size", "duration"):
        return None
    return f"{field}={escape(text)}", \
        lambda kind, a: meets_exact(a, field, [text])


def range_query(dice, asset):
    field = dice.choice(("size", "duration"))
    low = dice.choice((0, 1, 60, 1000, 10**6, 10**9))
    high = low + dice.choice((1, 1000, 10**7, 10**10))
    form = dice.choice((f"{low}..{high}", f"{low}..", f"..{high}"))
    if form.startswith(".."):
        low = float("-inf")
    if form.endswith(".."):
        high = float("inf")
    return f"{field}={form}", lambda kind, a: meets_range(a, field, low, high)


def filename_query(dice, asset):
    name = asset.get("filename")
    if not isinstance(name, str) or isinstance(name, Number) or not name:
        return None
    start = dice.randrange(len(name))
    text = name[start:start + dice.randrange(1, 9)]
    if "\0" in text or any(0xd800 <= ord(c) < 0xe000 for c in text):
        return None
    text = dice.choice((str.upper, str.lower, str))(text)
    return f"filename={escape(text)}", \
        lambda kind, a: isinstance(a.get("filename"), str) and \
        not isinstance(a.get("filename"), Number) and \
        fold(text) in fold(a.get("filename"))


def type_query(dice, asset):
    types = dice.sample(("video", "image", "audio", "document", "other"),
                        dice.randrange(1, 4))
    return "type=" + ",".join(types), lambda kind, a: kind in types


def id_query(dice, asset):
    one = asset.get("_id")
    if not isinstance(one, str) or not re.fullmatch("[0-9a-f]{24}", one):
        return None
    return f"id={one}", lambda kind, a: a.get("_id") == one


MAKERS = [exact_query, exact_query, exact_query, range_query, filename_query,
          filename_query, type_query, id_query]


def generate(dice, assets, count):
    made = []
    while len(made) < count:
        terms = []
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            term = dice.choice(MAKERS)(dice, dice.choice(assets))
            if term:
                terms.append(term)
        if terms:
            made.append(terms)
    return made


def account_of(m):
    """{folder: (type, object)} by reading every folder once."""
    return {name: (path.parent.name,
                   read((path / "metadata.json").read_bytes()
                        .decode("utf-8", "surrogateescape")))
            for name, path in folders(m).items()}


def test_generated_queries_equal_a_brute_force_reading(standin, mount):
    dice = random.Random(20)
    server = standin(assets=500, account="hostile")
    m = mount(server, refresh=600)
    m.wait_complete()
    account = account_of(m)
    hits = 0
    for terms in generate(dice, [a for _, a in account.values()], QUERIES):
        path = os.path.join(*(segment for segment, _ in terms))
        expected = sorted(name for name, (kind, asset) in account.items()
                          if all(test(kind, asset) for _, test in terms))
        assert sorted(os.listdir(m.path / path)) == expected, path
        hits += bool(expected)
    assert hits > QUERIES / 3


def test_cold_queries_equal_the_warm_ones(standin, mount):
    dice = random.Random(21)
    server = standin(assets=3000, account="hostile", latency_ms=60)
    objects = [read(line.decode("utf-8", "surrogateescape"))
               for line in server.dump().splitlines() if line.strip()]
    asked = {}
    makers = (filename_query, id_query)
    with Mount(server, refresh=600) as m:
        while len(asked) < 40:
            term = dice.choice(makers)(dice, dice.choice(objects))
            if term and term[0] not in asked:
                asked[term[0]] = sorted(os.listdir(m.path / term[0]))
        m.wait_complete()
        for segment, names in asked.items():
            assert sorted(os.listdir(m.path / segment)) == names, segment
