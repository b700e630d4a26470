"""What answers all requests: the page, files of items, the map."""

import asyncio
import ipaddress

from keras_xmodal.play.build_page import TEMPLATES, build_page, import_gradio
from keras_xmodal.play.queries import MAX_BYTES

# Nothing is loaded from elsewhere, whatever a library would like.
_POLICY = (
    "default-src 'self' data: blob:; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'self'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def make_app(answers, host="127.0.0.1"):
    """Make what answers all requests.

    Args:
        answers: `Answers`.
        host: Name or address that it listens at.

    Returns:
        `fastapi.FastAPI`.
    """
    # Gradio makes event loops where there is none, and leaves them open.
    return asyncio.run(_make_app(import_gradio(), answers, host))


async def _make_app(gr, answers, host):
    import fastapi
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    undocumented = {"docs_url": None, "redoc_url": None, "openapi_url": None}
    app = fastapi.FastAPI(**undocumented)

    @app.middleware("http")
    async def add_headers(request, call_next):
        response = await call_next(request)
        response.headers.update(_HEADERS)
        return response

    @app.get("/item/{place}/{row}")
    def read_item(place: int, row: int, small: bool = False):
        found = answers.files.read(place, row, small)
        if found is None:
            raise fastapi.HTTPException(404)
        content, kind = found
        return fastapi.Response(content, media_type=kind)

    @app.get("/map")
    def read_map():
        return answers.points

    if _is_loopback(host):
        # A page elsewhere cannot take the name of this one.
        names = [host, "localhost", "127.0.0.1"]
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=names)
    return gr.mount_gradio_app(
        app,
        build_page(answers),
        path="/",
        server_name=host,
        app_kwargs=undocumented,
        css_paths=[TEMPLATES / "page.css"],
        js=(TEMPLATES / "page.js").read_text(encoding="utf-8"),
        theme=_theme(gr),
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        max_file_size=MAX_BYTES,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        favicon_path=str(TEMPLATES / "icon.png"),
    )


def _is_loopback(host):
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _theme(gr):
    """The colours and fonts of the system, in light and dark."""
    fonts = ["system-ui", "sans-serif"]
    return gr.themes.Base(
        font=fonts, font_mono=["ui-monospace", "monospace"]
    ).set(
        body_background_fill="#f7f7f5",
        body_background_fill_dark="#17191c",
        body_text_color="#1f2328",
        body_text_color_dark="#e9eaeb",
        body_text_color_subdued="#63686f",
        body_text_color_subdued_dark="#a0a5ab",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#212428",
        background_fill_secondary="#f7f7f5",
        background_fill_secondary_dark="#17191c",
        border_color_primary="#dedfdc",
        border_color_primary_dark="#363a40",
        border_color_accent="#2f6f8f",
        border_color_accent_dark="#7fb9d4",
        color_accent="#2f6f8f",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_padding="0px",
        block_label_text_color="#63686f",
        block_label_text_color_dark="#a0a5ab",
        block_title_text_color="#63686f",
        block_title_text_color_dark="#a0a5ab",
        input_background_fill="#ffffff",
        input_background_fill_dark="#212428",
        input_border_color="#dedfdc",
        input_border_color_dark="#363a40",
        input_border_color_focus="#2f6f8f",
        input_border_color_focus_dark="#7fb9d4",
        button_primary_background_fill="#2f6f8f",
        button_primary_background_fill_dark="#7fb9d4",
        button_primary_background_fill_hover="#285f7b",
        button_primary_background_fill_hover_dark="#93c6dd",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#17191c",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#212428",
        slider_color="#2f6f8f",
        slider_color_dark="#7fb9d4",
        loader_color="#2f6f8f",
    )
