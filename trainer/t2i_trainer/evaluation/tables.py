"""A measured value in words, for people."""

from typing import Any

NAMES = {
    "clip_score": "CLIP score",
    "fid": "FID, in features of CLIP",
    "kid": "KID, in features of CLIP",
    "judge": "Images that CLIP gives their own prompt",
    "variety": "Variety of a prompt's images",
}


def value_of(measured: dict[str, Any]) -> str:
    """The value with what is known of its spread, or that there is none."""
    value = measured["value"]
    if isinstance(value, str):
        return value
    if "deviation" in measured:
        return f"{value:.4g} (deviation {measured['deviation']:.2g})"
    half = measured.get("confidence_95")
    return f"{value:.4g} ± {half:.2g} (95 %)" if isinstance(half, float) else f"{value:.4g}"


def facts_of(measured: dict[str, Any]) -> str:
    """On how many images, with what; or why there is no value."""
    if "reason" in measured:
        return measured["reason"]
    by = measured.get("by") or measured.get("features")
    return f"{measured['n']} images" + (f", {by['model']} ({by['sha256'][:12]})" if by else "")
