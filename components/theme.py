"""The look: paper and ink, one vermilion; in the dark, a studio at night and not an inversion.

The colours are custom properties in assets/page/page.css, defined for light and `.dark`; Gradio's
own widgets take theirs from them here, so that a colour is written once. No font is fetched.
"""

from typing import Any

import gradio as gr

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def _theme() -> gr.themes.Base:
    paper, panel, field = "var(--pm-paper)", "var(--pm-panel)", "var(--pm-field)"
    ink, soft, line = "var(--pm-ink)", "var(--pm-soft)", "var(--pm-line)"
    accent, on_accent = "var(--pm-accent)", "var(--pm-on-accent)"
    both: dict[str, Any] = {
        "body_background_fill": paper,
        "body_text_color": ink,
        "body_text_color_subdued": soft,
        "background_fill_primary": paper,
        "background_fill_secondary": panel,
        "border_color_primary": line,
        "border_color_accent": accent,
        "border_color_accent_subdued": line,
        "color_accent": accent,
        "color_accent_soft": panel,
        "link_text_color": ink,
        "link_text_color_active": ink,
        "link_text_color_hover": accent,
        "link_text_color_visited": ink,
        "block_background_fill": "transparent",
        "block_border_color": "transparent",
        "block_border_width": "0px",
        "block_info_text_color": soft,
        "block_label_background_fill": "transparent",
        "block_label_border_color": "transparent",
        "block_label_border_width": "0px",
        "block_label_text_color": ink,
        "block_title_background_fill": "transparent",
        "block_title_border_width": "0px",
        "block_title_text_color": ink,
        "panel_background_fill": "transparent",
        "panel_border_width": "0px",
        "block_shadow": "none",
        "input_background_fill": field,
        "input_background_fill_focus": field,
        "input_background_fill_hover": field,
        "input_border_color": "var(--pm-edge)",
        "input_border_color_focus": ink,
        "input_border_color_hover": soft,
        "input_border_width": "1px",
        "input_placeholder_color": soft,
        "input_shadow": "none",
        "input_shadow_focus": "none",
        "checkbox_background_color": field,
        "checkbox_background_color_focus": field,
        "checkbox_background_color_hover": field,
        "checkbox_background_color_selected": accent,
        "checkbox_border_color": soft,
        "checkbox_border_color_focus": ink,
        "checkbox_border_color_hover": ink,
        "checkbox_border_color_selected": accent,
        "checkbox_label_background_fill": "transparent",
        "checkbox_label_background_fill_hover": panel,
        "checkbox_label_background_fill_selected": panel,
        "checkbox_label_border_color": line,
        "checkbox_label_border_color_hover": soft,
        "checkbox_label_border_color_selected": ink,
        "checkbox_label_border_width": "1px",
        "checkbox_label_text_color": ink,
        "checkbox_label_text_color_selected": ink,
        "loader_color": accent,
        "slider_color": ink,
        "stat_background_fill": panel,
        "button_border_width": "1px",
        "button_primary_background_fill": accent,
        "button_primary_background_fill_hover": "var(--pm-accent-strong)",
        "button_primary_border_color": "transparent",
        "button_primary_border_color_hover": "transparent",
        "button_primary_text_color": on_accent,
        "button_primary_text_color_hover": on_accent,
        "button_secondary_background_fill": "transparent",
        "button_secondary_background_fill_hover": panel,
        "button_secondary_border_color": line,
        "button_secondary_border_color_hover": soft,
        "button_secondary_text_color": ink,
        "button_secondary_text_color_hover": ink,
    }
    # The properties change with `.dark` by themselves, so both modes name the same ones.
    dark = {f"{name}_dark": value for name, value in both.items()}
    base = gr.themes.Base(
        font=SANS,
        font_mono=MONO,
        spacing_size=gr.themes.sizes.spacing_md,
        radius_size=gr.themes.sizes.radius_md,
        text_size=gr.themes.sizes.text_md,
    )
    known = {name: value for name, value in dark.items() if hasattr(base, name)}
    return base.set(
        **both,
        **known,
        block_padding="0px",
        block_title_text_weight="500",
        block_label_text_weight="500",
        block_info_text_size="*text_sm",
        layout_gap="16px",
        form_gap_width="0px",
        input_radius="10px",
        block_radius="0px",
        container_radius="0px",
        button_large_radius="10px",
        button_medium_radius="10px",
        button_small_radius="8px",
        button_large_text_weight="600",
        button_medium_text_weight="500",
        button_small_text_weight="400",
        button_primary_shadow="none",
        button_secondary_shadow="none",
        checkbox_label_shadow="none",
        checkbox_shadow="none",
    )


THEME = _theme()
