"""What is found and made, as HTML."""

import base64
import html
import io
import pathlib

from PIL import Image

from keras_xmodal.media.gif import encode_gif
from keras_xmodal.media.wav import encode_wav

_MAX_CAPTIONS = 3


def cards(items, label):
    """An ordered list of cards.

    Args:
        items: HTML of each.
        label: What the list holds, for those who do not see it.

    Returns:
        HTML.
    """
    rows = "".join(f"<li>{item}</li>" for item in items)
    return f'<ol class="cards" aria-label="{escape(label)}">{rows}</ol>'


def hit_card(kind, hit, source, numbers=""):
    """A card of what a search has found.

    Args:
        kind: Kind of its modality.
        hit: Dict as `Run.search` returns it.
        source: Address of its picture, recording or clip.
        numbers: Numbers of it, in words.

    Returns:
        HTML.
    """
    texts = [text for text in hit["captions"] if text != hit.get("text")]
    name = hit.get("text") or (texts or [hit["id"]])[0]
    shown = numbers or hit.get("text", "")
    what = _what(kind, shown, source, name)
    captions = "".join(
        f"<p>{escape(text)}</p>" for text in texts[:_MAX_CAPTIONS]
    )
    if len(texts) > _MAX_CAPTIONS:
        captions += f"<p>and {len(texts) - _MAX_CAPTIONS} more</p>"
    score = hit["score"]
    share = min(max(score, 0), 1)
    known = {hit.get("text"), *hit["captions"]}
    if hit["id"] not in known:
        path = escape(str(hit["id"]))
        name = escape(pathlib.PurePath(hit["id"]).name)
        captions += f'<p class="id" title="{path}">{name}</p>'
    return (
        f'{what}<div class="captions">{captions}</div>'
        f'<p class="score"><span class="meter" style="--share:{share:.3f}">'
        f"</span>{score:.3f}</p>"
    )


def made_card(kind, value, note, sampling_rate=None):
    """A card of what a generator has made.

    Args:
        kind: Kind of its modality.
        value: Text, waveform, vector, or uint8 array of a picture or clip.
        note: What to say of it.
        sampling_rate: Of a waveform, in Hz.

    Returns:
        HTML.
    """
    source = shown = ""
    if kind == "image":
        source = to_address(to_png(value), "image/png")
    elif kind == "video":
        source = to_address(encode_gif(value), "image/gif")
    elif kind == "speech":
        source = to_address(encode_wav(value, sampling_rate), "audio/wav")
    elif kind == "text":
        shown = value or "(nothing)"
    else:
        shown = ", ".join(f"{number:.3g}" for number in value.ravel())
    what = _what(kind, shown, source, note)
    return f'{what}<p class="score">{escape(note)}</p>'


def error(message):
    """A message for what went wrong."""
    return f'<p class="wrong" role="alert">{escape(message)}</p>'


def hint(message):
    """A message for where there is nothing yet."""
    return f'<p class="hint">{escape(message)}</p>'


def escape(text):
    """Text as HTML that is nothing but text."""
    return html.escape(str(text))


def to_address(content, kind):
    """A file as an address that holds all of it."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def to_png(picture):
    """The content of a PNG file.

    Args:
        picture: uint8 array of shape `(height, width, channels)`.

    Returns:
        Bytes.
    """
    if picture.shape[-1] == 1:
        picture = picture[..., 0]
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "png")
    return stream.getvalue()


def _what(kind, shown, source, name):
    name, source = escape(name), escape(source)
    if kind in ("image", "video"):
        return f'<img src="{source}" alt="{name}" loading="lazy">'
    if kind == "speech":
        return (
            f'<audio controls preload="none" src="{source}" '
            f'aria-label="{name}"></audio>'
        )
    return f'<p class="text">{escape(shown)}</p>'
