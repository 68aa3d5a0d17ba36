"""As much English as captions need: articles and plurals."""

SINGULAR_IN_S = (
    "octopus", "cactus", "lotus", "bus", "hibiscus", "tyrannosaurus", "hippopotamus", "rhinoceros",
)  # fmt: skip
# What is not counted: "bread", not "a bread".
MASS_NOUNS = frozenset((
    "bread", "popcorn", "corn", "broccoli", "garlic", "cheese", "wheat", "sushi", "fire", "soft serve", "ice cream",
))  # fmt: skip
# What a prompt may hold without asking for anything.
FUNCTION_WORDS = frozenset((
    "a", "an", "the", "this", "that", "these", "those", "some", "my", "your", "his", "her", "its", "our", "their",
    "and", "or", "of", "in", "on", "at", "by", "for", "from", "to", "with", "near", "beside", "is", "are", "it",
    "very", "one",
))  # fmt: skip
# A vowel that sounds like a consonant.
NOT_VOWELS = ("uni", "eu", "one")
IRREGULAR = {
    "mouse": "mice", "fish": "fish", "goose": "geese", "shrimp": "shrimps", "wolf": "wolves",
    "cup of coffee": "cups of coffee", "deer": "deer", "squid": "squid", "tomato": "tomatoes", "potato": "potatoes",
    "mango": "mangoes",
}  # fmt: skip


def is_plural(words: str) -> bool:
    """Whether the words name several things."""
    last = words.split()[-1]
    return last.endswith("s") and not last.endswith("ss") and last not in SINGULAR_IN_S


def article(words: str) -> str:
    """`words` with the article it takes: none before a plural or a mass noun."""
    if is_plural(words) or any(f" {words}".endswith(f" {noun}") for noun in MASS_NOUNS):
        return words
    vowel = words[0] in "aeiou" and not words.startswith(NOT_VOWELS)
    return f"{'an' if vowel else 'a'} {words}"


def plural(name: str) -> str:
    """The English plural, as far as the concepts need it."""
    if name in IRREGULAR:
        return IRREGULAR[name]
    if name.startswith("glass of "):
        return name.replace("glass", "glasses", 1)
    if is_plural(name):
        return name
    if name.endswith(("s", "x", "ch", "sh")):
        return f"{name}es"
    if name.endswith("y") and name[-2] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}s"
