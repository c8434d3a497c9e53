"""Styles and scripts of pages; see `headwater.page_assets`."""
