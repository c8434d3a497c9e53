"""Style and script of the page that `headwater.render_html` writes."""
